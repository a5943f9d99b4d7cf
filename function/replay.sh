#!/bin/sh
# replay.sh - deliver events again
#
# Usage:
#   function/replay.sh dead-letters FILE    move all messages from the dead-letter subscription back to
#                                           the topic
#   function/replay.sh since TIME FILE      redeliver everything published since TIME (RFC 3339, such
#                                           as 2026-11-24T03:00:00Z), at most a week back
#   function/replay.sh until-now FILE       the opposite: acknowledge everything published until now;
#                                           then run the sweep, which updates the tickets instead
#
# FILE has the settings, as for deploy.sh. All functions share the topic. Redelivery is always safe: a
# ticket that already shows a change, or has a newer version, stays as it is.
#
# With PUBSUB_EMULATOR_HOST it uses the emulator. Requires curl and jq, and gcloud for a token.
set -eu

# shellcheck source=function/settings.sh
. "$(dirname "$0")/settings.sh"
case "$# ${1-} ${2-}" in
  '1 help '* | '1 --help '*)
    sed -n '2,15s/^# \{0,1\}//p' "$0"
    exit
    ;;
  2\ dead-letters\ * | 2\ until-now\ *) load_settings "$2" ;;
  3\ since\ [0-9]*-[0-9]*-[0-9]*[Tt][0-9]*:[0-9]*:[0-9]*) load_settings "$3" ;;
  [23]\ since\ *) fail 64 "since needs a time like 2026-11-24T03:00:00Z, and a settings file" ;;
  *) fail 64 "invalid arguments: $*; see \`replay.sh help\`" ;;
esac

subscription=projects/$PROJECT/subscriptions/$topic-push$SUFFIX
dead_letter_subscription=projects/$PROJECT/subscriptions/$topic-dead-letter-keep$SUFFIX
base=https://pubsub.googleapis.com/v1
[ -z "${PUBSUB_EMULATOR_HOST-}" ] || base=http://$PUBSUB_EMULATOR_HOST/v1 token=none

# call FILE RESOURCE:METHOD: posts the JSON in FILE.
call() { api POST "$base/$2" "$1"; }


seek() {
  jq -n --arg time "$1" '{time: $time}' > "$work/seek"
  call "$work/seek" "$subscription:seek" > /dev/null
}

case $1 in
  dead-letters)
    total=0
    empty=0
    # A pull can be empty although messages are left. After three empty pulls in a row, none are
    # left.
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
      # The function does not need the attributes that dead-lettering added.
      jq '{messages: [.receivedMessages[].message | {data, orderingKey, attributes:
            ((.attributes // {}) | with_entries(select(.key | startswith("CloudPubSubDeadLetterSource") | not)))}
            | with_entries(select(.value != null and .value != ""))]}' "$work/pulled" > "$work/publish"
      call "$work/publish" "projects/$PROJECT/topics/$topic:publish" > /dev/null
      # Acknowledges only after publishing: if interrupted here, messages are published twice, but
      # none are lost.
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
    echo "everything published until $now is marked as done"
    ;;
esac
