#!/bin/sh
# Publishes a change of a booking that does not exist, and waits until the function has logged it and Cloud Run has answered 204. So the topic, the
# subscription and its token, the function, its settings and Zendesk's search work together. No ticket is touched.
#
#   function/smoke.sh               ends with 0 once the change has come; with 1 if it does not, and prints what the function said instead
#   function/smoke.sh --detached    the opposite: ends with 0 once such changes do not come any more, as after `deploy.sh detach`
#
#   PROJECT, BOOKING_STATUS_TAGS    required
#   BOOKING_TABLE, BOOKING_ID_COLUMN, BOOKING_STATUS_COLUMN, SUFFIX    as for deploy.sh
#   SMOKE_SECONDS                   how long to wait; default 300, since what was granted a moment ago takes minutes to be known everywhere
#   QUIET_SECONDS                   with --detached: a change that has not come for so long does not come; default 60
#
# Needs gcloud and jq.
set -eu

case ${1-} in
  '' | --detached) ;;
  *)
    sed -n '2,14s/^# \{0,1\}//p' "$0"
    exit 64
    ;;
esac
: "${PROJECT:?}" "${BOOKING_STATUS_TAGS:?}"

service=booking-status-function${SUFFIX-}
topic=bookings-table-status
of_service="resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"$service\""

gcloud_() { gcloud --project="$PROJECT" --quiet "$@"; }
# logged FILTER FORMAT LIMIT
logged() { gcloud_ logging read "$of_service AND timestamp>=\"$since\" AND $1" --format="value($2)" --limit="$3"; }
now() { date -u +%s; }

# Publishes a change in the layout of Google's Dataflow template.
publish() {
  begin=$(now)
  since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  booking=smoke-test-$begin-$$
  record=$(jq -cn --arg table "${BOOKING_TABLE:-Bookings}" --arg id "${BOOKING_ID_COLUMN:-ID}" --arg column "${BOOKING_STATUS_COLUMN:-Status}" \
    --arg booking "$booking" --arg status "${BOOKING_STATUS_TAGS%%=*}" --argjson now "$begin" '{
      partitionToken: "smoke-test", commitTimestamp: {seconds: $now, nanos: 0}, serverTransactionId: $booking, recordSequence: "00000000",
      isLastRecordInTransactionInPartition: true, tableName: $table, modType: "INSERT", valueCaptureType: "OLD_AND_NEW_VALUES",
      numberOfRecordsInTransaction: 1, numberOfPartitionsInTransaction: 1, transactionTag: "", isSystemTransaction: false,
      mods: [{keysJson: ({($id): $booking} | tojson), oldValuesJson: "{}", newValuesJson: ({($column): $status} | tojson)}]}')
  gcloud_ pubsub topics publish "$topic" --message="$record" > /dev/null
  echo "published a change of the booking $booking"
}

# Waits for the change's log line, so many seconds; outcome and trace are what it says.
comes_within() {
  while [ $(($(now) - begin)) -lt "$1" ]; do
    line=$(logged "jsonPayload.message=\"booking status\" AND jsonPayload.booking=\"$booking\"" 'jsonPayload.outcome,trace' 1)
    outcome=${line%%	*} trace=${line#*	}
    [ "$outcome" != no_ticket ] || return 0
    sleep 2
  done
  return 1
}

if [ "${1-}" = --detached ]; then
  end=$(($(now) + ${SMOKE_SECONDS:-300}))
  while [ "$(now)" -lt $end ]; do
    publish
    if ! comes_within "${QUIET_SECONDS:-60}"; then
      echo "it has not come for ${QUIET_SECONDS:-60} s: nothing is pushed to $service any more"
      exit 0
    fi
    echo "it has come: the subscription still pushes"
  done
  echo "smoke.sh: changes still come to $service" >&2
  exit 1
fi

publish
if comes_within "${SMOKE_SECONDS:-300}"; then
  echo "$service has looked for its tickets, and there are none"
  # The request's own log line comes a little later. Where the function's line names no trace, any push of this time that was answered so has to do.
  while [ $(($(now) - begin)) -lt $((${SMOKE_SECONDS:-300} + 30)) ]; do
    if [ -n "$(logged "httpRequest.status=204${trace:+ AND trace=\"$trace\"}" httpRequest.status 1)" ]; then
      echo "and has answered 204: it works"
      exit 0
    fi
    sleep 2
  done
  echo "smoke.sh: there is no 204 in Cloud Run's log" >&2
else
  echo "smoke.sh: the change has not come within ${SMOKE_SECONDS:-300} s${outcome:+, or only with the outcome $outcome}" >&2
fi

# What came instead: the answers, and what the function says of them.
answers=$(logged 'httpRequest.status>0' httpRequest.status 100 | sort | uniq -c)
said=$(logged 'severity>=NOTICE AND jsonPayload.message:*' 'jsonPayload.message,jsonPayload.reason' 10 | sort -u)
if [ -z "$answers$said" ]; then
  echo "Nothing was pushed to $service: does the subscription $topic-push${SUFFIX-} push, and to this service's URL?" >&2
else
  printf 'Since then Cloud Run has answered (number, status):\n%s\nand the function has said:\n%s\n' "$answers" "$said" >&2
fi
exit 1
