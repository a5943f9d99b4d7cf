#!/bin/sh
# smoke.sh - test the deployed function end to end
#
# Usage:
#   function/smoke.sh [--detached] FILE
#
# FILE has the settings, as for deploy.sh. Publishes the deletion of a booking that does not exist, and
# waits until the function has logged it and Cloud Run has answered 204. This tests the topic, the
# subscription and its token, the function, its settings, and Zendesk's search. No ticket is changed.
#
# Exit status: 0 if the change has arrived; 75 if other changes arrive and this one waits in a
# backlog; 2 if the log cannot be read; otherwise 1, after printing the answers and log lines found
# instead.
#
#   --detached           the opposite, for use after `deploy.sh detach`: exit with 0 once nothing is
#                        pushed anymore
#
# Environment variables:
#   SMOKE_SECONDS        how long to wait; default 300, because new grants take minutes to take
#                        effect; with --detached 900
#   QUIET_SECONDS        with --detached: how long pushes must have stopped; default 180, because
#                        Pub/Sub may pause for a minute and logs arrive late
#
# Requires jq, and gcloud with a user who may read logs (roles/logging.viewer).
set -eu

# shellcheck source=function/settings.sh
. "$(dirname "$0")/settings.sh"
detached=false
case "$# ${1-}" in
  '1 help' | '1 --help')
    sed -n '2,24s/^# \{0,1\}//p' "$0"
    exit
    ;;
  2\ --detached)
    detached=true
    shift
    ;;
  1\ [!-]*) ;;
  *) fail 64 "invalid arguments: $*; see \`smoke.sh help\`" ;;
esac
pause=${QUIET_SECONDS:-180}
load_settings "$1"

of_service="resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"$service\" AND resource.labels.location=\"$REGION\""
# Requests of this subscription, not of others.
pushes='httpRequest.requestUrl=~"/topics/bookings-table-status($|[?])"'
! $detached || pushes='httpRequest.requestUrl=~"/topics/bookings-table-status(-ticket[^?]*)?($|[?])"'

now() { date -u +%s; }

# logged FILTER FORMAT LIMIT: entries of the last ten minutes, newest first. The window is wide
# because this machine's clock and Google's may be minutes apart.
logged() {
  gcloud_ logging read "$of_service AND $1" --freshness=10m --format="value($2)" --limit="$3" || fail 2 "the log cannot be read"
}

# Publishes a change in the layout of Google's Dataflow template. A deletion needs no status that
# the function knows.
publish() {
  committed=$(now)
  booking=smoke-test-$committed-$$
  record=$(jq -cn --arg table "$BOOKING_TABLE" --arg id "$BOOKING_ID_COLUMN" --arg booking "$booking" \
    --argjson now "$committed" '{
      partitionToken: "smoke-test", commitTimestamp: {seconds: $now, nanos: 0}, serverTransactionId: $booking, recordSequence: "00000000",
      isLastRecordInTransactionInPartition: true, tableName: $table, modType: "DELETE", valueCaptureType: "OLD_AND_NEW_VALUES",
      numberOfRecordsInTransaction: 1, numberOfPartitionsInTransaction: 1, transactionTag: "", isSystemTransaction: false,
      mods: [{keysJson: ({($id): $booking} | tojson), oldValuesJson: "{}", newValuesJson: "{}"}]}')
  gcloud_ pubsub topics publish "$topic" --message="$record" > /dev/null
  begin=$(now)
  echo "published a change to booking $booking"
}

if $detached; then
  end=$(($(now) + ${SMOKE_SECONDS:-900}))
  while [ "$(now)" -lt $end ]; do
    # Any push changes the newest entry, whatever its answer.
    newest=$(logged "$pushes" 'timestamp,insertId' 1)
    publish
    latest=$newest
    while [ "$latest" = "$newest" ] && [ $(($(now) - begin)) -lt "$pause" ]; do
      sleep 5
      latest=$(logged "$pushes" 'timestamp,insertId' 1)
    done
    if [ "$latest" = "$newest" ]; then
      echo "nothing has been pushed to $service for $pause s"
      exit 0
    fi
    echo "the subscription still pushes"
  done
  fail 1 "changes are still pushed to $service"
fi

publish
outcome='' came=false
while [ $(($(now) - begin)) -lt "${SMOKE_SECONDS:-300}" ]; do
  line=$(logged "jsonPayload.message=\"booking status\" AND jsonPayload.booking=\"$booking\"" 'jsonPayload.outcome,trace' 1)
  outcome=${line%%	*} trace=${line#*	}
  if [ "$outcome" = no_ticket ]; then
    $came || echo "$service searched for its tickets and found none"
    came=true
    # If the function's line has no trace, any push that got 204 in this period counts.
    acknowledged=$(logged "$pushes AND httpRequest.status=204${trace:+ AND trace=\"$trace\"}" httpRequest.status 1)
    if [ -n "$acknowledged" ]; then
      echo "and answered 204: it works"
      exit 0
    fi
  fi
  sleep 2
done

if $came; then
  echo "smoke.sh: there is no 204 for it in Cloud Run's log" >&2
else
  echo "smoke.sh: the change did not arrive within ${SMOKE_SECONDS:-300} s${outcome:+, or only with the outcome $outcome}" >&2
fi

# What was found instead: the answers, and the function's log lines.
statuses=$(logged "$pushes" httpRequest.status 1000)
said=$(logged 'severity>=NOTICE AND jsonPayload.message:*' 'jsonPayload.message,jsonPayload.reason' 20)
if [ -z "$statuses" ]; then
  echo "Nothing was pushed to $service: check that the subscription $topic-push$SUFFIX pushes to this service's URL." >&2
  exit 1
fi
printf 'In the last ten minutes Cloud Run answered (count, status):\n%s\nand the function logged:\n%s\n' \
  "$(printf '%s\n' "$statuses" | sort | uniq -c)" "$(printf '%s\n' "$said" | sort -u)" >&2
[ -n "$(gcloud_ pubsub subscriptions describe "$topic-push$SUFFIX" --format='value(pushConfig.pushEndpoint)')" ] ||
  fail 1 "the subscription is detached: \`function/deploy.sh FILE\` attaches it again"
if [ -z "$outcome" ] && [ "$(printf '%s\n' "$statuses" | sed -n 1p)" = 204 ]; then
  echo "Other changes get 204: this one waits in a backlog, or BOOKING_TABLE and BOOKING_ID_COLUMN differ from the function's." >&2
  exit 75
fi
exit 1
