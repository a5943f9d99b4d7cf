#!/bin/sh
# deploy.sh - deploy the function and its Pub/Sub resources to a Google Cloud project
#
# Usage:
#   function/deploy.sh [--dry-run] [COMMAND]
#
# Creates missing resources and updates the others, so it can be run again after any change.
# function/README.md explains each step. With --dry-run, it runs nothing and prints every command
# that a new project needs.
#
# Commands (default: deploy everything):
#   service       build the image and deploy only the service
#   job           build the image and deploy only the nightly sweep's job
#   monitoring    deploy only the metrics, alerts and dashboard of monitoring/
#   detach        pause the sweeps, stop pushes and wait until they have stopped; Pub/Sub keeps new
#                 messages. `deploy.sh` resumes both.
#   render        print the manifests of the service and the job
#   delete        delete the service, the job, and the subscriptions and schedules that call them;
#                 keep the events' topic, dead letters, secret, accounts, images and monitoring
#   help          print this help
#
# Exit status: 0 if all of it is deployed; 75 if only alerts are missing, because their metrics are
# too new; 64 for invalid arguments, 78 for missing or invalid settings; otherwise 1.
#
# Settings are environment variables. Settings that are not given keep their deployed values.
#
# Always required:
#   PROJECT, REGION                   where to deploy
#
# Required on the first run:
#   ZENDESK_URL                       the Zendesk account
#   ZENDESK_CLIENT_ID                 the OAuth client's unique identifier
#   ZENDESK_CLIENT_SECRET_FILE        a file with the client's secret, which is copied to Secret
#                                     Manager
#   ZENDESK_BOOKING_ID_FIELD, ZENDESK_BOOKING_STATUS_FIELD, ZENDESK_BOOKING_VERSION_FIELD,
#   BOOKING_STATUS_TAGS               as printed by `booking-status-function setup`
#
# Optional, described in function/REFERENCE.md:
#   BOOKING_TABLE, BOOKING_ID_COLUMN, BOOKING_STATUS_COLUMN, DRY_RUN, IGNORED_TABLES, LOG_LEVEL,
#   REORDER_WINDOW_SECONDS, SWEEP_MAY_CLEAR, ZENDESK_READS_PER_MINUTE (default 150),
#   ZENDESK_SHARED_CALLS, ZENDESK_WRITES_PER_MINUTE (default 40)
#
# Optional:
#   SPANNER_DATABASE                  projects/P/instances/I/databases/D: enables the sweeps, of
#                                     recently updated tickets every minute and of all every night
#   CHANGE_STREAM                     the stream in that database; default
#                                     BookingsTableStatusStream. Unless IGNORED_TABLES is set, the
#                                     other tables that the stream watches are ignored
#   SWEEP_WRITES_PER_MINUTE, SWEEP_READS_PER_MINUTE
#                                     the job's own budget; default 10 and 30
#   CHECK_PUSH_TOKEN                  false: only Cloud Run checks the caller
#   ALERT_CHANNELS                    projects/P/notificationChannels/N,...: where alerts go
#   METRIC_TRIES                      how often to try an alert whose metric is new, every 5 s; default 120
#   IMAGE                             an existing image to deploy, instead of building one
#   SWIFT_IMAGE, RUNTIME_IMAGE        the images that the build uses and is based on
#   SUFFIX                            such as -staging, for a second function beside the live one:
#                                     appended to all names except those of the topic, the accounts
#                                     and the repository
set -eu

here=$(cd "$(dirname "$0")" && pwd)

dry_run=false
if [ "${1-}" = --dry-run ]; then
  dry_run=true
  shift
fi
part=${1-all}
[ $# -le 1 ] || part="$*"
case $part in
  all | service | job | detach | monitoring | delete) ;;
  render) dry_run=true ;;
  help | --help)
    sed -n '2,58s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *)
    echo "deploy.sh: invalid arguments: $part; see \`deploy.sh help\`" >&2
    exit 64
    ;;
esac

missing() {
  absent=
  for name in "$@"; do
    eval "value=\${$name-}"
    [ -n "$value" ] || absent="$absent $name"
  done
  if [ -n "$absent" ]; then
    echo "deploy.sh: not set:$absent" >&2
    exit 78
  fi
}
missing PROJECT REGION

suffix=${SUFFIX-}
service=booking-status-function$suffix
topic=bookings-table-status
subscription=$topic-push$suffix
dead_letter_topic=$topic-dead-letter$suffix
dead_letter_subscription=$topic-dead-letter-keep$suffix
sweep_topic=$topic-sweep$suffix
sweep_subscription=$topic-sweep-push$suffix
sweep_job=booking-status-sweep$suffix
database_role=booking_status_reader
secret=zendesk-client-secret$suffix
function_account=booking-status-function@$PROJECT.iam.gserviceaccount.com
push_account=booking-status-push@$PROJECT.iam.gserviceaccount.com
build_account=booking-status-build@$PROJECT.iam.gserviceaccount.com
repository=booking-status
settings='ZENDESK_URL ZENDESK_CLIENT_ID ZENDESK_BOOKING_ID_FIELD ZENDESK_BOOKING_STATUS_FIELD
  ZENDESK_BOOKING_VERSION_FIELD BOOKING_STATUS_TAGS BOOKING_TABLE IGNORED_TABLES BOOKING_ID_COLUMN BOOKING_STATUS_COLUMN
  ZENDESK_WRITES_PER_MINUTE ZENDESK_READS_PER_MINUTE ZENDESK_SHARED_CALLS REORDER_WINDOW_SECONDS
  LOG_LEVEL DRY_RUN SPANNER_DATABASE SWEEP_MAY_CLEAR'
# The image is named after its inputs: the commit, and a checksum of all inputs outside the commit.
root=$here/..
beside_the_commit() {
  git -C "$root" diff HEAD -- Package.swift Sources Tests function/Dockerfile
  git -C "$root" ls-files -z --others --exclude-standard -- Package.swift Sources Tests | (cd "$root" && xargs -0 cksum)
  cat "$root/Package.resolved" 2> /dev/null || true
  echo "${SWIFT_IMAGE-} ${RUNTIME_IMAGE-}"
}
image=${IMAGE:-$REGION-docker.pkg.dev/$PROJECT/$repository/booking-status-function:$(git -C "$root" rev-parse --short=12 HEAD)-$(
  beside_the_commit | git hash-object --stdin | cut -c1-8
)}

# Retry budget of a message: 50 attempts, with pauses of 10, 20, 40 ... 320 s and then of 600 s.
# That is about seven hours. It outlasts an outage of Zendesk of four hours (29 attempts), and a
# message that can never be processed becomes a dead letter the same day.
attempts=50
least_backoff=10s
most_backoff=600s
# Above Cloud Run's timeout of 40 s, which is above the function's of 30 s.
ack_deadline=60

run() {
  if $dry_run; then
    line=
    for word in "$@"; do
      case $word in
        '' | *[!A-Za-z0-9_=:/.,@%+-]*) line="$line '$(printf %s "$word" | sed "s/'/'\\\\''/g")'" ;;
        *) line="$line $word" ;;
      esac
    done
    echo "${line# }"
  else
    "$@"
  fi
}

# Succeeds if a resource already exists.
there() { ! $dry_run && "$@" > /dev/null 2>&1; }

say() { printf '\n# %s\n' "$*"; }

gcloud_() { run gcloud --project="$PROJECT" --quiet "$@"; }
exists() { there gcloud --project="$PROJECT" --quiet "$@"; }

# Grants a role. Retries, because a new account can take up to two minutes to become known
# everywhere.
grant() {
  tries=24
  until gcloud_ "$@" > /dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 5
  done
}

# Creates or updates an alert. Retries, because it can take ten minutes until a new metric can be
# referred to.
alert() {
  tries=${METRIC_TRIES:-120}
  until error=$(gcloud_ "$@" 2>&1 > /dev/null); do
    case $error in
      *"Cannot find metric"*) ;;
      *)
        echo "$error" >&2
        exit 1
        ;;
    esac
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 5
  done
}

# A dry run only prints the command.
if $dry_run; then
  grant() { gcloud_ "$@"; }
  alert() { gcloud_ "$@"; }
fi

# schedule KIND NAME FLAG...
schedule() {
  kind=$1 name=$2
  shift 2
  if exists scheduler jobs describe "$name" --location="$REGION"; then
    gcloud_ scheduler jobs update "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC "$@"
    # `detach` may have paused it. An active schedule cannot be resumed.
    [ "$(gcloud_ scheduler jobs describe "$name" --location="$REGION" --format='value(state)')" != PAUSED ] ||
      gcloud_ scheduler jobs resume "$name" --location="$REGION"
  else
    # The message never changes, so it is set only on creation.
    [ "$kind" != pubsub ] || set -- "$@" --attributes=task=sweep
    gcloud_ scheduler jobs create "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC "$@"
  fi
}

# Succeeds if an error means that a resource does not exist. An API that was never enabled has no
# resources. Other errors do not mean that.
is_absence() {
  case $1 in
    *NOT_FOUND* | *"not found"* | *"Cannot find"* | *SERVICE_DISABLED* | *"has not been used"*) return 0 ;;
  esac
  return 1
}

# The function also validates its settings, but only after its image has been built.
check_values() {
  wrong() {
    echo "deploy.sh: $1" >&2
    exit 78
  }
  case $ZENDESK_URL in https://?*) ;; *) wrong "ZENDESK_URL is not an https URL: $ZENDESK_URL" ;; esac
  case $BOOKING_STATUS_TAGS in
    ?*=?*) ;;
    *) wrong "BOOKING_STATUS_TAGS must look like InStay=booking_1_in_stay,Booked=booking_2_booked" ;;
  esac
  case ${DRY_RUN:-false} in [Tt][Rr][Uu][Ee] | [Ff][Aa][Ll][Ss][Ee]) ;; *) wrong "DRY_RUN must be true or false" ;; esac
  case ${SPANNER_DATABASE-} in
    '' | projects/?*/instances/?*/databases/?*) ;;
    *) wrong "SPANNER_DATABASE must look like projects/P/instances/I/databases/D, not $SPANNER_DATABASE" ;;
  esac
  case ${CHECK_PUSH_TOKEN:-true} in true | false) ;; *) wrong "CHECK_PUSH_TOKEN must be true or false" ;; esac
  [ "$part" = all ] || return 0
  [ -z "${ZENDESK_CLIENT_SECRET_FILE-}" ] || [ -r "$ZENDESK_CLIENT_SECRET_FILE" ] ||
    wrong "ZENDESK_CLIENT_SECRET_FILE: $ZENDESK_CLIENT_SECRET_FILE cannot be read"
}

# Settings that the caller does not give keep their deployed values, so that none silently falls
# back to its default.
keep_settings() {
  if deployed=$(gcloud --project="$PROJECT" --quiet run services describe "$service" --region="$REGION" --format=json \
    2> "$manifest.error"); then
    deployed=$(printf %s "$deployed" |
      jq '[.spec.template.spec.containers[0].env[] | select(.value != null and .value != "") | {(.name): .value}] | add')
  elif is_absence "$(cat "$manifest.error")"; then
    deployed='{}'
  else
    cat "$manifest.error" >&2
    exit 1
  fi
  for name in $settings; do
    eval "is_set=\${$name+true}"
    value=$(printf %s "$deployed" | jq -r --arg name "$name" '.[$name] // empty')
    if [ -z "$is_set" ] && [ -n "$value" ]; then
      eval "$name=\$value"
      echo "# $name stays $value"
    fi
  done
  if [ -z "${CHECK_PUSH_TOKEN+true}" ] && [ "$deployed" != '{}' ] && [ "$(printf %s "$deployed" | jq -r .PUSH_AUDIENCE)" = null ]; then
    CHECK_PUSH_TOKEN=false
    echo "# CHECK_PUSH_TOKEN stays false"
  fi
}

# Ignores the other tables that the stream watches. A caller without rights on the database has to
# name them.
find_ignored_tables() {
  [ -z "${IGNORED_TABLES+set}" ] && [ -n "${SPANNER_DATABASE-}" ] || return 0
  owner=${SPANNER_DATABASE#projects/} instance=${SPANNER_DATABASE#*/instances/}
  owner=${owner%%/*} instance=${instance%%/*}
  if watched=$(gcloud --project="$owner" --quiet spanner databases execute-sql "${SPANNER_DATABASE##*/}" --instance="$instance" \
    --format=json --sql="SELECT DISTINCT table_schema, table_name FROM information_schema.change_stream_tables
      WHERE change_stream_name = '${CHANGE_STREAM:-BookingsTableStatusStream}'" 2> "$manifest.error"); then
    if ! printf %s "$watched" | jq -e --arg table "${BOOKING_TABLE:-Bookings}" \
      '(.rows // []) | length == 0 or any(if .[0] == "" then .[1] == $table else .[0] + "." + .[1] == $table end)' > /dev/null; then
      echo "deploy.sh: the change stream does not watch ${BOOKING_TABLE:-Bookings}, but $(printf %s "$watched" | jq -c .rows)" >&2
      exit 78
    fi
    IGNORED_TABLES=$(printf %s "$watched" | jq -r --arg table "${BOOKING_TABLE:-Bookings}" \
      '[.rows[]? | if .[0] == "" then .[1] else .[0] + "." + .[1] end | select(. != $table)] | join(",")')
    [ -z "$IGNORED_TABLES" ] || echo "# IGNORED_TABLES is $IGNORED_TABLES, which the stream also watches"
  else
    echo "deploy.sh: the stream's tables cannot be looked up; if it watches other tables, set IGNORED_TABLES" >&2
  fi
}

# Fills in a manifest. `render` and a dry run also print it.
filled() {
  cp "$here/$1" "$manifest"
  shift
  while [ $# -gt 0 ]; do
    value=$(printf %s "$2" | sed 's/["\\]/\\&/g; s/[&\\|]/\\&/g')
    sed "s|@$1@|$value|g" "$manifest" > "$manifest.next"
    mv "$manifest.next" "$manifest"
    shift 2
  done
  if [ "$part" = render ]; then
    echo ---
    cat "$manifest"
  elif $dry_run; then
    sed 's/^/#   /' "$manifest"
  fi
}

# create_or_update SUBSCRIPTION TOPIC FLAG...: an existing subscription keeps its topic.
create_or_update() {
  name=$1 of=$2
  shift 2
  if exists pubsub subscriptions describe "$name"; then
    gcloud_ pubsub subscriptions update "$name" "$@"
  else
    gcloud_ pubsub subscriptions create "$name" --topic="$of" "$@"
  fi
}

# The steps, each after the ones that it depends on.

project_services() {
  say "Enable APIs"
  gcloud_ services enable run.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com artifactregistry.googleapis.com \
    cloudbuild.googleapis.com iam.googleapis.com logging.googleapis.com monitoring.googleapis.com storage.googleapis.com
  # Creates Pub/Sub's agent, which a new project lacks, so that it can be granted roles.
  gcloud_ beta services identity create --service=pubsub.googleapis.com
}

accounts() {
  say "Service accounts: for the function, for Pub/Sub's calls to it, and for the build"
  for account in booking-status-function booking-status-push booking-status-build; do
    exists iam service-accounts describe "$account@$PROJECT.iam.gserviceaccount.com" ||
      gcloud_ iam service-accounts create "$account" --display-name="$account"
  done
}

client_secret() {
  say "The Zendesk client's secret, the only one that the function's account may read"
  exists secrets describe "$secret" || gcloud_ secrets create "$secret" --replication-policy=automatic
  if [ -n "${ZENDESK_CLIENT_SECRET_FILE-}" ]; then
    # A version for each secret, not for each deployment.
    if $dry_run || ! gcloud --project="$PROJECT" --quiet secrets versions access latest --secret="$secret" 2> /dev/null |
      cmp -s - "$ZENDESK_CLIENT_SECRET_FILE"; then
      gcloud_ secrets versions add "$secret" --data-file="$ZENDESK_CLIENT_SECRET_FILE"
    fi
  fi
  grant secrets add-iam-policy-binding "$secret" --member="serviceAccount:$function_account" --role=roles/secretmanager.secretAccessor
}

# The manifest names the version, so a new version makes a new revision, and a rollback also
# restores the old version.
find_secret_version() {
  secret_version=1
  $dry_run && return
  secret_version=$(gcloud --project="$PROJECT" --quiet secrets versions describe latest --secret="$secret" \
    --format='value(name)' 2> /dev/null) || true
  secret_version=${secret_version##*/}
  if [ -z "$secret_version" ]; then
    echo "deploy.sh: there is no secret yet: set ZENDESK_CLIENT_SECRET_FILE to a file with the Zendesk client's secret" >&2
    exit 78
  fi
}

topics() {
  say "Topics; the first keeps its messages for a week, so that they can be replayed"
  exists pubsub topics describe "$topic" && verb=update || verb=create
  gcloud_ pubsub topics "$verb" "$topic" --message-retention-duration=7d
  exists pubsub topics describe "$dead_letter_topic" || gcloud_ pubsub topics create "$dead_letter_topic"

  say "Dead letters: a subscription that never expires and keeps messages as long as possible"
  create_or_update "$dead_letter_subscription" "$dead_letter_topic" \
    --message-retention-duration=31d --expiration-period=never --ack-deadline=60
}

build() {
  say "The image: $image"
  [ -z "${IMAGE-}" ] || return 0
  exists artifacts repositories describe "$repository" --location="$REGION" ||
    gcloud_ artifacts repositories create "$repository" --location="$REGION" --repository-format=docker
  if exists artifacts docker images describe "$image"; then
    echo "already built"
    return
  fi
  grant projects add-iam-policy-binding "$PROJECT" --member="serviceAccount:$build_account" \
    --role=roles/cloudbuild.builds.builder --condition=None
  gcloud_ builds submit "$root" --config="$here/cloudbuild.yaml" \
    --substitutions="_IMAGE=$image${SWIFT_IMAGE:+,_SWIFT_IMAGE=$SWIFT_IMAGE}${RUNTIME_IMAGE:+,_RUNTIME_IMAGE=$RUNTIME_IMAGE}" \
    --ignore-file=function/gcloudignore --service-account="projects/$PROJECT/serviceAccounts/$build_account"
}

fill() {
  filled "$1" PROJECT "$PROJECT" SERVICE "$service" SWEEP_JOB "$sweep_job" IMAGE "$image" FUNCTION_ACCOUNT "$function_account" \
    PUSH_ACCOUNT "$checked_account" PUSH_AUDIENCE "$checked_audience" ZENDESK_SECRET "$secret" ZENDESK_SECRET_VERSION "$secret_version" \
    ZENDESK_URL "$ZENDESK_URL" ZENDESK_CLIENT_ID "$ZENDESK_CLIENT_ID" ZENDESK_BOOKING_ID_FIELD "$ZENDESK_BOOKING_ID_FIELD" \
    ZENDESK_BOOKING_STATUS_FIELD "$ZENDESK_BOOKING_STATUS_FIELD" ZENDESK_BOOKING_VERSION_FIELD "$ZENDESK_BOOKING_VERSION_FIELD" \
    BOOKING_STATUS_TAGS "$BOOKING_STATUS_TAGS" BOOKING_TABLE "${BOOKING_TABLE:-Bookings}" IGNORED_TABLES "${IGNORED_TABLES-}" \
    BOOKING_ID_COLUMN "${BOOKING_ID_COLUMN:-ID}" SWEEP_MAY_CLEAR "${SWEEP_MAY_CLEAR:-false}" \
    BOOKING_STATUS_COLUMN "${BOOKING_STATUS_COLUMN:-Status}" ZENDESK_WRITES_PER_MINUTE "${ZENDESK_WRITES_PER_MINUTE:-40}" \
    ZENDESK_READS_PER_MINUTE "${ZENDESK_READS_PER_MINUTE:-150}" ZENDESK_SHARED_CALLS "${ZENDESK_SHARED_CALLS:-true}" \
    REORDER_WINDOW_SECONDS "${REORDER_WINDOW_SECONDS:-120}" LOG_LEVEL "${LOG_LEVEL:-info}" DRY_RUN "${DRY_RUN:-false}" \
    SPANNER_DATABASE "${SPANNER_DATABASE-}" \
    SPANNER_DATABASE_ROLE "${SPANNER_DATABASE:+$database_role}" SWEEP_WRITES_PER_MINUTE "${SWEEP_WRITES_PER_MINUTE:-10}" \
    SWEEP_READS_PER_MINUTE "${SWEEP_READS_PER_MINUTE:-30}"
}

deploy_service() {
  say "The service, which only Pub/Sub's account may invoke"
  fill service.yaml
  gcloud_ run services replace "$manifest" --region="$REGION"
  grant run services add-iam-policy-binding "$service" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker
}

deploy_job() {
  say "The nightly sweep's job"
  fill sweep-job.yaml
  gcloud_ run jobs replace "$manifest" --region="$REGION"
  grant run jobs add-iam-policy-binding "$sweep_job" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker
}

sweeps() {
  say "The sweeps: the database role that may read two columns, the job, and both schedules"
  gcloud_ services enable spanner.googleapis.com cloudscheduler.googleapis.com
  # projects/P/instances/I/databases/D: the database may be in another project.
  database=${SPANNER_DATABASE##*/}
  instance=${SPANNER_DATABASE%/databases/*}
  database_project=${instance#projects/}
  database_project=${database_project%%/*}
  instance=${instance##*/}
  for role in fineGrainedAccessUser databaseRoleUser; do
    condition=None
    [ $role = fineGrainedAccessUser ] ||
      condition="resource.name.endsWith(\"/$database_role\"),title=$database_role"
    [ $role = fineGrainedAccessUser ] ||
      condition="expression=resource.type==\"spanner.googleapis.com/DatabaseRole\"&&$condition"
    grant spanner databases add-iam-policy-binding "$database" --instance="$instance" --project="$database_project" \
      --member="serviceAccount:$function_account" --role="roles/spanner.$role" --condition="$condition"
  done
  deploy_job
  exists pubsub topics describe "$sweep_topic" || gcloud_ pubsub topics create "$sweep_topic"
  # No dead letters: the next message follows within a minute, and after ten minutes a message has
  # been superseded by ten others.
  create_or_update "$sweep_subscription" "$sweep_topic" \
    --push-endpoint="$url/projects/$PROJECT/topics/$sweep_topic" \
    --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
    --ack-deadline="$ack_deadline" --min-retry-delay=10s --max-retry-delay=60s --message-retention-duration=10m --expiration-period=never
  schedule pubsub "$sweep_job-recent" --schedule='* * * * *' --topic="$sweep_topic" --message-body=sweep
  schedule http "$sweep_job-all" --schedule='0 3 * * *' --http-method=POST --oauth-service-account-email="$push_account" \
    --uri="https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/$sweep_job:run"
}

# Exits with 75 if alerts are missing because their metrics are too new, after the rest is done.
watch() {
  late=
  monitor
  [ -z "$late" ] && return
  echo "deploy.sh: everything works, but these alerts are missing, because their metrics are too new:$late
run \`function/deploy.sh monitoring\` in ten minutes" >&2
  exit 75
}

# Metrics first, because alerts refer to them. Without ALERT_CHANNELS, existing alerts keep their
# channels.
monitor() {
  say "Log-based metrics, alerts and a dashboard"
  for file in "$here"/monitoring/metrics/*.yaml; do
    name=$(basename "$file" .yaml)$suffix
    fill_monitoring "metrics/${file##*/}"
    exists logging metrics describe "$name" && verb=update || verb=create
    gcloud_ logging metrics "$verb" "$name" --config-from-file="$manifest"
  done
  policies=
  $dry_run ||
    policies=$(gcloud --project="$PROJECT" --quiet alpha monitoring policies list \
      --format='value(name,displayName,notificationChannels.list())')
  for file in "$here"/monitoring/alerts/*.yaml; do
    title=$(sed -n "s/^displayName: \"@SERVICE@\(.*\)\"$/$service\1/p" "$file")
    policy=$(printf '%s\n' "$policies" | awk -F '\t' -v title="$title" '$2 == title { print $1 "\t" $3 }')
    if [ -n "$policy" ]; then
      fill_monitoring "alerts/${file##*/}" CHANNELS "${ALERT_CHANNELS:-${policy#*	}}"
      alert alpha monitoring policies update "${policy%%	*}" --policy-from-file="$manifest" --format=none || late="$late
  $title"
    else
      fill_monitoring "alerts/${file##*/}" CHANNELS "${ALERT_CHANNELS-}"
      alert alpha monitoring policies create --policy-from-file="$manifest" || late="$late
  $title"
    fi
  done
  dashboard=
  $dry_run || dashboard=$(gcloud --project="$PROJECT" --quiet monitoring dashboards list --format='value(name,etag)' \
    --filter="displayName=$service")
  fill_monitoring dashboard.json ETAG "${dashboard##*	}"
  if [ -n "$dashboard" ]; then
    gcloud_ monitoring dashboards update "${dashboard%%	*}" --config-from-file="$manifest" --format=none
  else
    gcloud_ monitoring dashboards create --config-from-file="$manifest"
  fi
}

# fill_monitoring FILE VARIABLE VALUE...
fill_monitoring() {
  name_of_file=$1
  shift
  filled "monitoring/$name_of_file" SERVICE "$service" SWEEP_JOB "$sweep_job" SUBSCRIPTION "$subscription" \
    DEAD_LETTER_SUBSCRIPTION "$dead_letter_subscription" METRIC_SUFFIX "$suffix" "$@"
}

subscribe() {
  say "Roles of Pub/Sub's agent: create tokens for the push account, and move dead letters"
  grant iam service-accounts add-iam-policy-binding "$push_account" --member="serviceAccount:$pubsub_agent" \
    --role=roles/iam.serviceAccountTokenCreator
  grant pubsub topics add-iam-policy-binding "$dead_letter_topic" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.publisher

  say "The push subscription, after all that it calls, because it starts the flow of events"
  create_or_update "$subscription" "$topic" \
    --push-endpoint="$url/projects/$PROJECT/topics/$topic" \
    --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
    --ack-deadline="$ack_deadline" --min-retry-delay="$least_backoff" --max-retry-delay="$most_backoff" \
    --dead-letter-topic="projects/$PROJECT/topics/$dead_letter_topic" --max-delivery-attempts="$attempts" \
    --message-retention-duration=7d --expiration-period=never
  grant pubsub subscriptions add-iam-policy-binding "$subscription" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.subscriber
}

detach() {
  say "Pause the sweeps"
  for name in "$sweep_job-recent" "$sweep_job-all"; do
    if $dry_run || exists scheduler jobs describe "$name" --location="$REGION"; then
      gcloud_ scheduler jobs pause "$name" --location="$REGION"
    fi
  done
  say "Stop pushes: Pub/Sub keeps new messages for a week. This takes minutes to take effect"
  gcloud_ pubsub subscriptions update "$subscription" --push-endpoint=
  run "$here/smoke.sh" --detached
}

# delete KIND... describe NAME FLAG...: skips a resource that does not exist, and fails if it cannot
# tell.
delete() {
  if ! $dry_run && ! error=$(gcloud --project="$PROJECT" --quiet "$@" 2>&1 > /dev/null); then
    if ! is_absence "$error"; then
      echo "$error" >&2
      exit 1
    fi
    echo "does not exist: $*"
    return
  fi
  # The same words, with delete instead of describe.
  for word in "$@"; do
    shift
    [ "$word" != describe ] || word=delete
    set -- "$@" "$word"
  done
  gcloud_ "$@"
}

delete_all() {
  say "Delete the callers, then what they call"
  delete pubsub subscriptions describe "$subscription"
  delete scheduler jobs describe "$sweep_job-recent" --location="$REGION"
  delete scheduler jobs describe "$sweep_job-all" --location="$REGION"
  delete pubsub subscriptions describe "$sweep_subscription"
  delete pubsub topics describe "$sweep_topic"
  delete run jobs describe "$sweep_job" --region="$REGION"
  delete run services describe "$service" --region="$REGION"
  say "Still there: topic $topic with a week of messages, $dead_letter_topic and $dead_letter_subscription, secret $secret," \
    "the accounts with their roles, the images, metrics, alerts and dashboard, and the pipeline"
}

manifest=$(mktemp)
trap 'rm -f "$manifest" "$manifest.next" "$manifest.error"' EXIT

case $part in
  all | service | job | render)
    deployed='{}'
    $dry_run || keep_settings
    also=
    [ "$part" != job ] || also=SPANNER_DATABASE
    if [ "$part" = all ] && [ "$deployed" = '{}' ] && ! exists secrets versions describe latest --secret="$secret"; then
      also=ZENDESK_CLIENT_SECRET_FILE
    fi
    missing ZENDESK_URL ZENDESK_CLIENT_ID ZENDESK_BOOKING_ID_FIELD ZENDESK_BOOKING_STATUS_FIELD ZENDESK_BOOKING_VERSION_FIELD \
      BOOKING_STATUS_TAGS $also
    check_values
    $dry_run || find_ignored_tables
    # The smoke test also reads them.
    export BOOKING_TABLE="${BOOKING_TABLE:-Bookings}" BOOKING_ID_COLUMN="${BOOKING_ID_COLUMN:-ID}"
    ;;
esac

if $dry_run; then number=PROJECT_NUMBER; else number=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)'); fi
pubsub_agent=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
url=https://$service-$number.$REGION.run.app
checked_account='' checked_audience=''
[ "${CHECK_PUSH_TOKEN:-true}" = false ] || checked_account=$push_account checked_audience=$url

case $part in
  delete) delete_all ;;
  detach) detach ;;
  monitoring) watch ;;
  render)
    find_secret_version
    fill service.yaml
    [ -z "${SPANNER_DATABASE-}" ] || fill sweep-job.yaml
    ;;
  service | job)
    find_secret_version
    build
    "deploy_$part"
    ;;
  all)
    project_services
    accounts
    client_secret
    find_secret_version
    topics
    build
    deploy_service
    [ -z "${SPANNER_DATABASE-}" ] || sweeps
    subscribe
    say "Smoke test: a change to a booking that does not exist"
    run "$here/smoke.sh" || {
      [ $? -eq 75 ] || exit 1
      say "Pub/Sub still has a backlog: run function/smoke.sh later"
    }
    watch
    say "Done. Next, start a pipeline that publishes to projects/$PROJECT/topics/$topic: see function/dataflow/README.md."
    ;;
esac
