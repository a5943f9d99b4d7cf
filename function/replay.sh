#!/bin/sh
# Delivers events again. It is safe at any time: what a ticket shows already, or has a newer version
# of, is left as it is.
#
#   function/replay.sh dead-letters     moves every message that waits in the dead-letter
#                                       subscription back to the topic
#   function/replay.sh since TIME       delivers everything that was published since then (RFC 3339,
#                                       as 2026-11-24T03:00:00Z), at most a week back
#   function/replay.sh until-now        the opposite: acknowledges everything that was published up
#                                       to now; run the sweep that brings it instead after this
#
# PROJECT is required; SUFFIX is as for deploy.sh: all functions share the topic. With
# PUBSUB_EMULATOR_HOST it talks to the emulator. Needs curl and jq, and gcloud for a token.
set -eu
case "$# ${1-}" in
  '1 dead-letters' | '2 since' | '1 until-now') ;;
  '1 help' | '1 --help')
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit
    ;;
  '1 since')
    echo "replay.sh: since which time? like 2026-11-24T03:00:00Z" >&2
    exit 64
    ;;
  *)
    echo "replay.sh: unknown: $*; \`replay.sh help\` lists what there is" >&2
    exit 64
    ;;
esac
: "${PROJECT:?is not set}"
case "$1 ${2-}" in
  'since '[0-9]*-[0-9]*-[0-9]*[Tt][0-9]*:[0-9]*:[0-9]* | [!s]*) ;;
  *)
    echo "replay.sh: not a time like 2026-11-24T03:00:00Z: $2" >&2
    exit 64
    ;;
esac

topic=bookings-table-status
subscription=projects/$PROJECT/subscriptions/$topic-push${SUFFIX-}
dead_letter_subscription=projects/$PROJECT/subscriptions/$topic-dead-letter-keep${SUFFIX-}

if [ -n "${PUBSUB_EMULATOR_HOST-}" ]; then
  base=http://$PUBSUB_EMULATOR_HOST/v1 token=none
else
  base=https://pubsub.googleapis.com/v1 token=$(gcloud auth print-access-token)
fi

# call METHOD-OF-A-RESOURCE, the request's JSON on standard input; the token does not show up in the
# list of processes
call() {
  printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body -H 'content-type: application/json' --data-binary @"$1" "$base/$2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

seek() {
  jq -n --arg time "$1" '{time: $time}' > "$work/seek"
  call "$work/seek" "$subscription:seek" > /dev/null
}

case $1 in
  dead-letters)
    total=0
    empty=0
    # A pull may come back empty-handed while there are messages: three times in a row, and there
    # are none.
    while [ "$empty" -lt 3 ]; do
      echo '{"maxMessages": 100, "returnImmediately": true}' > "$work/pull"
      call "$work/pull" "$dead_letter_subscription:pull" > "$work/pulled"
      count=$(jq '.receivedMessages // [] | length' "$work/pulled")
      if [ "$count" -eq 0 ]; then
        empty=$((empty + 1))
        sleep 1
        continue
      fi
      empty=0
      # The attributes that dead-lettering added are of no use to the function.
      jq '{messages: [.receivedMessages[].message | {data, orderingKey, attributes:
            ((.attributes // {}) | with_entries(select(.key | startswith("CloudPubSubDeadLetterSource") | not)))}
            | with_entries(select(.value != null and .value != ""))]}' "$work/pulled" > "$work/publish"
      call "$work/publish" "projects/$PROJECT/topics/$topic:publish" > /dev/null
      # Only what has been published is acknowledged: what is interrupted here is published twice,
      # and not lost.
      jq '{ackIds: [.receivedMessages[].ackId]}' "$work/pulled" > "$work/acknowledge"
      call "$work/acknowledge" "$dead_letter_subscription:acknowledge" > /dev/null
      total=$((total + count))
    done
    echo "$total messages published again"
    ;;
  since)
    seek "$2"
    echo "everything published since $2 is delivered again"
    ;;
  until-now)
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    seek "$now"
    echo "everything published until $now counts as done"
    ;;
esac
