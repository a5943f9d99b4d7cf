# shellcheck shell=sh disable=SC2034
# settings.sh - what the scripts beside it share: the settings file, and calls of Google's APIs
#
# settings.example.env names every setting and its default, settings.rules what a value looks like.

script=${0##*/} token='' work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fail STATUS MESSAGE
fail() { echo "$script: $2" >&2 && exit "$1"; }

# rule NAME: what a value has to look like, as settings.rules says.
rule() {
  while read -r pattern rest; do
    # shellcheck disable=SC2254
    case $1 in $pattern) echo "$rest" && return ;; esac
  done < "${example%example.env}rules"
}

# load_settings FILE: sets a variable for each setting. Exits with 78 if the file is wrong, and names
# all that is wrong with it.
load_settings() {
  example=$(dirname "$0")/settings.example.env
  [ -f "$example" ] || example=$(dirname "$0")/../settings.example.env
  [ -r "${1-}" ] || fail 78 "no settings file ${1-}: copy function/settings.example.env and fill it in"
  required=$(sed -n 's/^\([A-Z_]*\)=.*/\1/p' "$example")
  optional=$(sed -n 's/^#\([A-Z_]*\)=.*/\1/p' "$example")
  for name in $required; do eval "$name="; done
  for name in $optional; do eval "$name=$(sed -n "s/^#$name=//p" "$example")"; done
  seen=' ' line_number=0 faults=
  while IFS= read -r line || [ -n "$line" ]; do
    line_number=$((line_number + 1))
    line=${line%"$(printf '\r')"}
    name=${line%%=*} value=${line#*=} fault=
    case $line in '' | '#'*) continue ;; esac
    case $value in [\"\'[:space:]]* | *[[:space:]]) fault="has quotes or a space around the value of $name: remove them" ;; esac
    case $seen in *" $name "*) fault="sets $name again" ;; esac
    case $name in
      "$line" | *[!A-Z_]* | '') fault='is not NAME=value without spaces' ;;
      *) printf '%s\n' "$required" "$optional" | grep -qx "$name" || fault="has an unknown setting: $name" ;;
    esac
    seen="$seen$name "
    if [ -n "$fault" ]; then
      faults="$faults
  line $line_number $fault"
    elif [ -n "$value" ]; then
      eval "$name=\$value"
    fi
  done < "$1"
  for name in $required; do
    eval "[ -n \"\$$name\" ]" || faults="$faults
  $name is missing"
  done
  for name in $required $optional; do
    eval "value=\$$name"
    rule=$(rule "$name")
    [ -z "$value" ] || printf '%s\n' "$value" | grep -Eqx -- "${rule%% *}" || faults="$faults
  $name=$value: it must be ${rule#* }"
  done
  [ -z "$faults" ] || fail 78 "$1:$faults"
  service=booking-status-function$SUFFIX topic=bookings-table-status pipeline=bookings-status-to-pubsub
  database_project=$(echo "$SPANNER_DATABASE" | cut -d / -f 2) instance=$(echo "$SPANNER_DATABASE" | cut -d / -f 4)
  database=${SPANNER_DATABASE##*/}
  monitoring=${CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING:-https://monitoring.googleapis.com}
  monitoring=${monitoring%/}
}

# account NAME: the address of a service account. A suffix leaves less room for the rest.
account() {
  case $SUFFIX in '') name=booking-status-$1 ;; *) name=booking-$1$SUFFIX ;; esac
  echo "$name@$PROJECT.iam.gserviceaccount.com"
}

run() { "$@"; }

# Tries again while an API was enabled too recently to be used.
gcloud_() {
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    run gcloud --project="$PROJECT" --quiet "$@" 2> "$work/told" && cat "$work/told" >&2 && return
    cat "$work/told" >&2
    case $(cat "$work/told") in *SERVICE_DISABLED* | *"has not been used"*) sleep 10 ;; *) return 1 ;; esac
  done
  return 1
}

# api METHOD URL [FILE]: calls one of Google's APIs, with the JSON in FILE. curl reads the token from
# standard input, so that it does not show up in the list of processes.
api() {
  [ -n "$token" ] || token=$(gcloud auth print-access-token)
  printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail-with-body -X "$1" -H 'content-type: application/json' ${3:+--data-binary "@$3"} "$2"
}

# grant COMMAND...: grants a role. Retries, because a new account can take up to two minutes to become
# known everywhere.
grant() {
  tries=24
  until gcloud_ "$@" > /dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 5
  done
}

# grant_database_role ROLE ACCOUNT: lets an account read the database as a role, and as nothing else.
grant_database_role() {
  for spanner_role in fineGrainedAccessUser databaseRoleUser; do
    condition=None
    [ $spanner_role = fineGrainedAccessUser ] ||
      condition="expression=resource.type==\"spanner.googleapis.com/DatabaseRole\"&&resource.name.endsWith(\"/$1\"),title=$1"
    grant spanner databases add-iam-policy-binding "$database" --instance="$instance" --project="$database_project" \
      --member="serviceAccount:$2" --role="roles/spanner.$spanner_role" --condition="$condition"
  done
}
