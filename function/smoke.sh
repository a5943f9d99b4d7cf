#!/bin/sh
# Publishes the deletion of a booking that does not exist, and waits until the function has logged
# it and Cloud Run has answered 204. So the topic, the subscription and its token, the function, its
# settings and Zendesk's search work together. No ticket is touched.
#
#   function/smoke.sh               ends with 0 once the change has come; with 75 if others come and
#                                   this one waits in a backlog; else with 1, and prints what was
#                                   answered and said instead
#   function/smoke.sh --detached    the opposite: ends with 0 once nothing is pushed any more, as
#                                   after `deploy.sh detach`
#
#   PROJECT                         required
#   REGION, SUFFIX                  as for deploy.sh; without REGION a function of this name in any
#                                   region will do
#   BOOKING_TABLE, BOOKING_ID_COLUMN    as for deploy.sh
#   SMOKE_SECONDS                   how long to wait; default 300, since what was granted a moment
#                                   ago takes minutes to be known everywhere; 900 with --detached
#   QUIET_SECONDS                   with --detached: how long nothing may be pushed; default 180,
#                                   since Pub/Sub may pause for a minute and logs come late
#
# Needs gcloud, whose user may read logs (roles/logging.viewer), and jq.
set -eu

case $* in
  '' | --detached) ;;
  help | --help)
    sed -n '2,21s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *)
    echo "smoke.sh: unknown: $*; \`smoke.sh help\` lists what there is" >&2
    exit 64
    ;;
esac
: "${PROJECT:?is not set}"

service=booking-status-function${SUFFIX-}
topic=bookings-table-status
of_service="resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"$service\""
[ -z "${REGION-}" ] || of_service="$of_service AND resource.labels.location=\"$REGION\""
# Requests of this subscription, and not the sweep's.
pushes='httpRequest.requestUrl=~"/topics/bookings-table-status($|[?])"'

gcloud_() { gcloud --project="$PROJECT" --quiet "$@"; }
now() { date -u +%s; }

# logged FILTER FORMAT LIMIT: of the last ten minutes, the newest first. This machine's clock and
# Google's may be minutes apart.
logged() {
  gcloud_ logging read "$of_service AND $1" --freshness=10m --format="value($2)" --limit="$3" || {
    echo "smoke.sh: the log cannot be read" >&2
    exit 2
  }
}

# Publishes a change in the layout of Google's Dataflow template. A deletion needs no status that
# the function knows.
publish() {
  committed=$(now)
  booking=smoke-test-$committed-$$
  record=$(jq -cn --arg table "${BOOKING_TABLE:-Bookings}" --arg id "${BOOKING_ID_COLUMN:-ID}" --arg booking "$booking" \
    --argjson now "$committed" '{
      partitionToken: "smoke-test", commitTimestamp: {seconds: $now, nanos: 0}, serverTransactionId: $booking, recordSequence: "00000000",
      isLastRecordInTransactionInPartition: true, tableName: $table, modType: "DELETE", valueCaptureType: "OLD_AND_NEW_VALUES",
      numberOfRecordsInTransaction: 1, numberOfPartitionsInTransaction: 1, transactionTag: "", isSystemTransaction: false,
      mods: [{keysJson: ({($id): $booking} | tojson), oldValuesJson: "{}", newValuesJson: "{}"}]}')
  gcloud_ pubsub topics publish "$topic" --message="$record" > /dev/null
  begin=$(now)
  echo "published a change of the booking $booking"
}

if [ "${1-}" = --detached ]; then
  end=$(($(now) + ${SMOKE_SECONDS:-900}))
  while [ "$(now)" -lt $end ]; do
    # Whatever is pushed and however it is answered, the newest push is another one then.
    newest=$(logged "$pushes" 'timestamp,insertId' 1)
    publish
    latest=$newest
    while [ "$latest" = "$newest" ] && [ $(($(now) - begin)) -lt "${QUIET_SECONDS:-180}" ]; do
      sleep 5
      latest=$(logged "$pushes" 'timestamp,insertId' 1)
    done
    if [ "$latest" = "$newest" ]; then
      echo "nothing has been pushed to $service for ${QUIET_SECONDS:-180} s"
      exit 0
    fi
    echo "the subscription still pushes"
  done
  echo "smoke.sh: changes still come to $service" >&2
  exit 1
fi

publish
outcome='' came=false
while [ $(($(now) - begin)) -lt "${SMOKE_SECONDS:-300}" ]; do
  line=$(logged "jsonPayload.message=\"booking status\" AND jsonPayload.booking=\"$booking\"" 'jsonPayload.outcome,trace' 1)
  outcome=${line%%	*} trace=${line#*	}
  if [ "$outcome" = no_ticket ]; then
    $came || echo "$service has looked for its tickets, and there are none"
    came=true
    # Where the function's line names no trace, any push of this time that was answered so has to
    # do.
    acknowledged=$(logged "$pushes AND httpRequest.status=204${trace:+ AND trace=\"$trace\"}" httpRequest.status 1)
    if [ -n "$acknowledged" ]; then
      echo "and has answered 204: it works"
      exit 0
    fi
  fi
  sleep 2
done

if $came; then
  echo "smoke.sh: there is no 204 for it in Cloud Run's log" >&2
else
  echo "smoke.sh: the change has not come within ${SMOKE_SECONDS:-300} s${outcome:+, or only with the outcome $outcome}" >&2
fi

# What came instead: the answers, and what the function says of them.
statuses=$(logged "$pushes" httpRequest.status 1000)
said=$(logged 'severity>=NOTICE AND jsonPayload.message:*' 'jsonPayload.message,jsonPayload.reason' 20)
if [ -z "$statuses" ]; then
  echo "Nothing was pushed to $service: does the subscription $topic-push${SUFFIX-} push, and to this service's URL?" >&2
  exit 1
fi
printf 'In the last ten minutes Cloud Run has answered (number, status):\n%s\nand the function has said:\n%s\n' \
  "$(printf '%s\n' "$statuses" | sort | uniq -c)" "$(printf '%s\n' "$said" | sort -u)" >&2
if [ -z "$outcome" ] && [ "$(printf '%s\n' "$statuses" | sed -n 1p)" = 204 ]; then
  echo "Others are answered 204: this one waits in a backlog, or BOOKING_TABLE and BOOKING_ID_COLUMN differ from the function's." >&2
  exit 75
fi
exit 1
