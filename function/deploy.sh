#!/bin/sh
# deploy.sh - deploy the function and its Pub/Sub resources to a Google Cloud project
#
# Usage:
#   function/deploy.sh [--dry-run] [COMMAND] FILE
#
# FILE has the settings: function/settings.example.env explains each one. What is deployed is what
# FILE says. Missing resources are created and the others updated, so this can be run again after any
# change. First it prints what differs. function/README.md explains each step. With --dry-run, it runs
# nothing and prints every command that a new project needs.
#
# Commands (default: deploy everything):
#   service       build the image and deploy only the service
#   job           build the image and deploy only the nightly sweep's job
#   webhook       build the image and deploy only the receiver of Zendesk's webhooks
#   monitoring    deploy only the metrics, alerts and dashboard of monitoring/
#   status        print the state of everything on one screen
#   diff          print what differs between FILE and the revision that serves, the job, the secret,
#                 the subscriptions and the alerts, and change nothing
#   rollback      let the newest ready revision before the one that serves serve again, and its image
#                 sweep
#   detach        pause the sweeps, stop pushes and wait until they have stopped; Pub/Sub keeps new
#                 messages. `deploy.sh FILE` resumes both.
#   render        print the manifests
#   delete        delete the services, the job, and the subscriptions and schedules that call them;
#                 keep the events' topic, dead letters, secrets, accounts, images and monitoring
#   help          print this help
#
# Exit status: 0 if all of it is deployed; 75 if only alerts are missing, because their metrics are
# too new; 64 for invalid arguments, 78 for missing or invalid settings; otherwise 1.
#
# Requires jq and curl, and gcloud with its beta commands. METRIC_TRIES in the environment says how
# often to try an alert whose metric is new, every 5 s; default 120.

# Manifests name variables, so some are used only there.
# shellcheck disable=SC2034
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=function/settings.sh
. "$here/settings.sh"

dry_run=false comparing=false
if [ "${1-}" = --dry-run ]; then
  dry_run=true
  shift
fi
part=all
case ${1-} in
  service | job | webhook | monitoring | status | diff | rollback | detach | render | delete)
    part=$1
    shift
    ;;
  help | --help)
    sed -n '2,34s/^# \{0,1\}//p' "$0"
    exit
    ;;
esac
case $dry_run-$part in true-status | true-diff | true-rollback) set -- ;; esac
[ $# -eq 1 ] || fail 64 "invalid arguments: $*; see \`deploy.sh help\`"
[ "$part" != render ] || dry_run=true
settings_file=$1
load_settings "$settings_file"

subscription=$topic-push$SUFFIX
dead_letter_topic=$topic-dead-letter$SUFFIX
dead_letter_subscription=$topic-dead-letter-keep$SUFFIX
sweep_topic=$topic-sweep$SUFFIX
sweep_subscription=$topic-sweep-push$SUFFIX
sweep_job=booking-status-sweep$SUFFIX
database_role=booking_status_reader
secret=zendesk-client-secret$SUFFIX
receiver=booking-status-webhook$SUFFIX webhook_secret=zendesk-webhook-secret$SUFFIX webhook_account=$(account webhook)
ticket_topic=$topic-ticket$SUFFIX ticket_subscription=$topic-ticket-push$SUFFIX
function_account=$(account function)
push_account=$(account push)
build_account=$(account build)
repository=booking-status egress=${EGRESS_NETWORK:+all-traffic}

# The image is named after its inputs: the commit, if there is one, and a checksum of all of them.
root=$here/..
inputs() {
  (cd "$root" && find Package.* Sources Tests function/Dockerfile -name __pycache__ -prune -o -type f -print |
    LC_ALL=C sort | tr '\n' '\0' | xargs -0 cksum)
  echo "$SWIFT_IMAGE $RUNTIME_IMAGE"
}
commit=$(git -C "$root" rev-parse --short=12 HEAD 2> /dev/null) || commit=sources
tag=$commit-$(inputs | cksum | cut -d ' ' -f 1)
case $IMAGE in '') ;; *@*) tag=unknown ;; *) tag=${IMAGE##*:} ;; esac
image=${IMAGE:-$REGION-docker.pkg.dev/$PROJECT/$repository/booking-status-function:$tag}

# Retry budget of a message: 50 attempts, with pauses of 10, 20, 40 ... 320 s and then of 600 s, about
# seven hours. Pub/Sub keeps to neither number exactly. It outlasts an outage of Zendesk of four hours
# (29 attempts), and a message that can never be processed becomes a dead letter the same day.
retries='--min-retry-delay=10s --max-retry-delay=600s --max-delivery-attempts=50'
# Above Cloud Run's timeout of 40 s, which is above the function's of 30 s.
ack_deadline=60

# Runs a command, or prints it in a dry run. A comparison changes nothing.
run() {
  if $comparing; then
    return
  elif $dry_run; then
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

# Reads from Google Cloud.
ask() { gcloud --project="$PROJECT" --quiet "$@"; }

# Succeeds if a resource already exists.
exists() { ! $dry_run && ask "$@" > /dev/null 2>&1; }

say() { $comparing || printf '\n# %s\n' "$*"; }

# Grants a role, as settings.sh does; a dry run only prints the command.
if $dry_run; then grant() { gcloud_ "$@"; }; fi

# Succeeds if an error means that a resource does not exist. An API that was never enabled has no
# resources. Other errors do not mean that.
is_absence() {
  case $1 in
    *NOT_FOUND* | *"not found"* | *"Cannot find"* | *SERVICE_DISABLED* | *"has not been used"*) return 0 ;;
  esac
  return 1
}

# deployed COMMAND...: writes the JSON of a resource to $deployed; nothing if there is none.
deployed() {
  : > "$deployed"
  $dry_run || ask "$@" --format=json > "$deployed" 2> "$work/error" || is_absence "$(cat "$work/error")" || fail 1 "$(cat "$work/error")"
}

# What FILE says, and what is deployed, are compared as lines of path=value, which flat.jq and
# flat-yaml.awk make.

# differ WHAT: writes to $differences how $wanted differs from $deployed.
differ() {
  if [ -s "$deployed" ]; then
    jq -rf "$here/flat.jq" "$deployed" > "$work/flat"
    awk -v what="$1" -f "$here/differ.awk" "$work/flat" "$wanted" > "$differences"
  else
    echo "$1: not deployed" > "$differences"
  fi
  ! $comparing || cat "$differences"
}

# fill FILE: fills in a manifest, into $manifest. @NAME@ is a variable of this script; a line with
# @?NAME@ is left out if that is empty. `render` and a dry run also print it.
fill() {
  cp "$here/$1" "$manifest"
  for filled in $(grep -o '@?\{0,1\}[A-Za-z_]*@' "$manifest" | tr -d '@?' | sort -u); do
    eval "value=\$$filled"
    edit="/@?$filled@/d; s|@$filled@||g"
    [ -z "$value" ] || edit="s|@?\\{0,1\\}$filled@|$(printf %s "$value" | sed 's/["\\]/\\&/g; s/[&\\|]/\\&/g')|g"
    sed "$edit" "$manifest" > "$work/next"
    mv "$work/next" "$manifest"
  done
  if [ "$part" = render ]; then
    echo "--- # PROJECT_NUMBER, the secret's version and the image's digest are known only while deploying"
    cat "$manifest"
  elif $dry_run; then
    sed 's/^/#   /' "$manifest"
  fi
}

# create_or_update SUBSCRIPTION TOPIC FLAG...: an existing subscription keeps its topic.
create_or_update() {
  name=$1 of=$2
  shift 2
  deployed pubsub subscriptions describe "$name"
  if $comparing; then
    printf '%s\n' "$@" | sed -n 's/^--ack-deadline=/.ackDeadlineSeconds=/p; s/^--message-retention-duration=/.messageRetentionDuration=/p
      s/^--min-retry-delay=/.retryPolicy.minimumBackoff=/p; s/^--max-retry-delay=/.retryPolicy.maximumBackoff=/p
      s/^--dead-letter-topic=/.deadLetterPolicy.deadLetterTopic=/p; s/^--max-delivery-attempts=/.deadLetterPolicy.maxDeliveryAttempts=/p
      s/^--push-endpoint=/.pushConfig.pushEndpoint=/p; s/^--push-auth-service-account=/.pushConfig.oidcToken.serviceAccountEmail=/p
      s/^--push-auth-token-audience=/.pushConfig.oidcToken.audience=/p' > "$wanted"
    differ "$name"
  elif [ -s "$deployed" ]; then
    gcloud_ pubsub subscriptions update "$name" "$@"
  else
    gcloud_ pubsub subscriptions create "$name" --topic="$of" "$@"
  fi
}

# schedule KIND NAME FLAG...
schedule() {
  kind=$1 name=$2
  shift 2
  if exists scheduler jobs describe "$name" --location="$REGION"; then
    gcloud_ scheduler jobs update "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC --format=none "$@"
    # `detach` may have paused it. An active schedule cannot be resumed.
    [ "$(ask scheduler jobs describe "$name" --location="$REGION" --format='value(state)')" != PAUSED ] ||
      gcloud_ scheduler jobs resume "$name" --location="$REGION"
  else
    # The message never changes, so it is set only on creation.
    [ "$kind" != pubsub ] || set -- "$@" --attributes=task=sweep
    gcloud_ scheduler jobs create "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC --format=none "$@"
  fi
}

# What the settings file says about the database. Who may not read the database gets a warning instead.
check_database() {
  case $dry_run-$SPANNER_DATABASE in true-* | false-) return ;; esac
  schema='' table=$BOOKING_TABLE
  case $table in *.*) schema=${table%%.*} table=${table#*.} ;; esac
  fill spanner/check.sql
  if ! gcloud --project="$database_project" --quiet spanner databases execute-sql "$database" --instance="$instance" --format=json \
    --sql="$(cat "$manifest")" > "$work/database" 2> "$work/error"; then
    case $(cat "$work/error") in *PERMISSION_DENIED* | *"does not have permission"*) ;; *) fail 1 "$(cat "$work/error")" ;; esac
    echo "$script: $SPANNER_DATABASE cannot be read, so table, columns and stream are not checked; if the stream watches other tables, set \
IGNORED_TABLES: $(head -n 1 "$work/error")" >&2
    return
  fi
  jq -r --arg table "$BOOKING_TABLE" --arg id "$BOOKING_ID_COLUMN" --arg status "$BOOKING_STATUS_COLUMN" --arg stream "$CHANGE_STREAM" \
    -f "$here/spanner/check.jq" "$work/database" > "$work/findings"
  sed -n 's/^note /# /p' "$work/findings"
  ! grep -q '^wrong ' "$work/findings" || fail 78 "$(sed -n 's/^wrong //p' "$work/findings")"
  if [ -z "$IGNORED_TABLES" ]; then
    IGNORED_TABLES=$(sed -n 's/^ignored //p' "$work/findings")
    [ -z "$IGNORED_TABLES" ] || echo "# IGNORED_TABLES is $IGNORED_TABLES, which the stream also watches"
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
  for account in "$function_account" "$push_account" "$build_account" "$webhook_account"; do
    case $WEBHOOK-$account in false-"$webhook_account") continue ;; esac
    exists iam service-accounts describe "$account" ||
      gcloud_ iam service-accounts create "${account%%@*}" --display-name="${account%%@*}"
  done
}

# keep_secret SECRET FILE ACCOUNT: keeps the file's content, if there is one. The account may read no
# other secret. Flags from the settings file are separated by spaces.
# shellcheck disable=SC2086
keep_secret() {
  say "The secret $1, the only one that $3 may read"
  if [ -n "$2" ]; then
    exists secrets describe "$1" || gcloud_ secrets create "$1" ${SECRET_FLAGS:---replication-policy=automatic}
    # A version for each secret, not for each deployment.
    if $dry_run || ! has_secret "$1" "$2"; then
      gcloud_ secrets versions add "$1" --data-file="$2"
    fi
  elif $dry_run; then
    echo "# A first deployment stops here, because there is no file with it"
  fi
  find_secret_versions
  grant secrets add-iam-policy-binding "$1" --member="serviceAccount:$3" --role=roles/secretmanager.secretAccessor
}

has_secret() { ask secrets versions access latest --secret="$1" 2> /dev/null | cmp -s - "$2"; }

secrets() {
  [ "$part" = webhook ] || keep_secret "$secret" "$ZENDESK_CLIENT_SECRET_FILE" "$function_account"
  case $WEBHOOK-$part in true-all | true-webhook) keep_secret "$webhook_secret" "$WEBHOOK_SECRET_FILE" "$webhook_account" ;; esac
}

# newest SECRET: the number of its newest version.
newest() {
  if $dry_run; then echo 1; else ask secrets versions describe latest --secret="$1" --format='value(name)' 2> /dev/null | sed 's|.*/||'; fi
}

# The manifests name the versions, so a new version makes a new revision, and a rollback also
# restores the old version.
find_secret_versions() {
  secret_version=$(newest "$secret") webhook_secret_version=$(newest "$webhook_secret")
  $comparing && return
  [ -n "$secret_version$ZENDESK_CLIENT_SECRET_FILE" ] ||
    fail 78 "there is no secret yet: set ZENDESK_CLIENT_SECRET_FILE to a file with the Zendesk client's secret"
  case $WEBHOOK-$part in true-all | true-webhook) ;; *) return ;; esac
  [ -n "$webhook_secret_version$WEBHOOK_SECRET_FILE" ] || fail 78 "there is no webhook yet: set WEBHOOK_SECRET_FILE to what \
\`booking-status-function setup --webhook $webhook_url --secret-file FILE --yes\` writes"
}

# shellcheck disable=SC2086
topics() {
  say "Topics; the first keeps its messages for a week, so that they can be replayed"
  if exists pubsub topics describe "$topic"; then
    gcloud_ pubsub topics update "$topic" --message-retention-duration=7d
  else
    gcloud_ pubsub topics create "$topic" --message-retention-duration=7d $TOPIC_FLAGS
  fi
  exists pubsub topics describe "$dead_letter_topic" || gcloud_ pubsub topics create "$dead_letter_topic" $TOPIC_FLAGS

  say "Dead letters: a subscription that never expires and keeps messages as long as possible"
  create_or_update "$dead_letter_subscription" "$dead_letter_topic" \
    --message-retention-duration=2678400s --expiration-period=never --ack-deadline=60
}

# shellcheck disable=SC2086
build() {
  say "The image: $image"
  if [ -z "$IMAGE" ] && ! exists artifacts docker images describe "$image"; then
    exists artifacts repositories describe "$repository" --location="$REGION" ||
      gcloud_ artifacts repositories create "$repository" --location="$REGION" --repository-format=docker $REPOSITORY_FLAGS
    gcloud_ artifacts repositories set-cleanup-policies "$repository" --location="$REGION" --no-dry-run --format=none \
      --policy="$here/cleanup-policy.json"
    grant projects add-iam-policy-binding "$PROJECT" --member="serviceAccount:$build_account" \
      --role=roles/cloudbuild.builds.builder --condition=None
    gcloud_ builds submit "$root" --config="$here/cloudbuild.yaml" \
      --substitutions="_IMAGE=$image${SWIFT_IMAGE:+,_SWIFT_IMAGE=$SWIFT_IMAGE}${RUNTIME_IMAGE:+,_RUNTIME_IMAGE=$RUNTIME_IMAGE}" \
      --ignore-file=function/gcloudignore --service-account="projects/$PROJECT/serviceAccounts/$build_account" $BUILD_FLAGS
  fi
  find_digest
}

# The manifests name the image by what is in it. Its tag could be moved.
find_digest() {
  case $dry_run-$image in true-* | *@*) return ;; esac
  digest=$(ask artifacts docker images describe "$image" --format='value(image_summary.digest)' 2> /dev/null) || digest=
  [ -z "$digest" ] || image=${image%:*}@$digest
}

# The revision that serves; nothing if there is no service.
serving() { jq -r '[.status.traffic[]? | select(.percent > 0)] | max_by(.percent) | .revisionName // empty' "$deployed"; }

deploy_service() {
  say "The service, which only Pub/Sub's account may invoke"
  deployed run services describe "$service" --region="$REGION"
  former=$(serving)
  traffic="latestRevision: true"
  [ -z "$former" ] || traffic="revisionName: $former"
  fill service.yaml
  if $comparing; then
    [ -z "$former" ] || deployed run revisions describe "$former" --region="$REGION"
    awk -f "$here/flat-yaml.awk" "$manifest" | sed -n '/minScale/d; s/^\.spec\.template//p' > "$wanted"
    differ "$service"
    return
  fi
  # Until the new revision is ready, the former one serves.
  gcloud_ run services replace "$manifest" --region="$REGION"
  grant run services add-iam-policy-binding "$service" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker
  [ -z "$former" ] || gcloud_ run services update-traffic "$service" --region="$REGION" --to-latest
}

deploy_job() {
  say "The nightly sweep's job"
  fill sweep-job.yaml
  if $comparing; then
    deployed run jobs describe "$sweep_job" --region="$REGION"
    awk -f "$here/flat-yaml.awk" "$manifest" | sed -n '/^\.spec/p' > "$wanted"
    differ "$sweep_job"
    return
  fi
  gcloud_ run jobs replace "$manifest" --region="$REGION"
  grant run jobs add-iam-policy-binding "$sweep_job" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker
}

sweeps() {
  say "The sweeps: the database role that may read two columns, the job, and both schedules"
  gcloud_ services enable spanner.googleapis.com cloudscheduler.googleapis.com
  grant_database_role "$database_role" "$function_account"
  deploy_job
  # shellcheck disable=SC2086
  exists pubsub topics describe "$sweep_topic" || gcloud_ pubsub topics create "$sweep_topic" $TOPIC_FLAGS
  # No dead letters: the next message follows within a minute, and after ten minutes a message has
  # been superseded by ten others.
  create_or_update "$sweep_subscription" "$sweep_topic" \
    --push-endpoint="$url/projects/$PROJECT/topics/$sweep_topic" \
    --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
    --ack-deadline="$ack_deadline" --min-retry-delay=10s --max-retry-delay=60s --message-retention-duration=600s --expiration-period=never
  schedule pubsub "$sweep_job-recent" --schedule='* * * * *' --topic="$sweep_topic" --message-body=sweep
  # Scheduler does not try again unless it is told to.
  schedule http "$sweep_job-all" --schedule='0 3 * * *' --http-method=POST --oauth-service-account-email="$push_account" \
    --uri="https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/$sweep_job:run" --max-retry-attempts=3
}

# push_from SUBSCRIPTION TOPIC: pushes to the function, with dead letters.
# shellcheck disable=SC2086
push_from() {
  create_or_update "$1" "$2" --push-endpoint="$url/projects/$PROJECT/topics/$2" \
    --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
    --ack-deadline="$ack_deadline" --dead-letter-topic="projects/$PROJECT/topics/$dead_letter_topic" $retries \
    --message-retention-duration=604800s --expiration-period=never
  grant pubsub subscriptions add-iam-policy-binding "$1" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.subscriber
}

subscribe() {
  say "Roles of Pub/Sub's agent: create tokens for the push account, and move dead letters"
  grant iam service-accounts add-iam-policy-binding "$push_account" --member="serviceAccount:$pubsub_agent" \
    --role=roles/iam.serviceAccountTokenCreator
  grant pubsub topics add-iam-policy-binding "$dead_letter_topic" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.publisher

  say "The push subscription, after all that it calls, because it starts the flow of events"
  push_from "$subscription" "$topic"
}

# New tickets: the receiver, another program of the image, and the topic to which it publishes.
# shellcheck disable=SC2086
webhooks() {
  say "The topic of new tickets, whose messages would be lost before it has a subscription"
  exists pubsub topics describe "$ticket_topic" || gcloud_ pubsub topics create "$ticket_topic" $TOPIC_FLAGS
  push_from "$ticket_subscription" "$ticket_topic"
  grant pubsub topics add-iam-policy-binding "$ticket_topic" --member="serviceAccount:$webhook_account" --role=roles/pubsub.publisher
  deploy_webhook
}

deploy_webhook() {
  say "The receiver of Zendesk's webhooks, which anybody may call: $webhook_url"
  fill webhook.yaml
  if $comparing; then
    deployed run services describe "$receiver" --region="$REGION"
    awk -f "$here/flat-yaml.awk" "$manifest" | sed -n '/minScale/d; /^\.metadata\.annotations/p; /^\.spec\.template/p' > "$wanted"
    differ "$receiver"
    return
  fi
  gcloud_ run services replace "$manifest" --region="$REGION"
}

# Ends with 75 if alerts are missing because their metrics are too new, after the rest is done.
monitor() {
  late=
  say "Log-based metrics, alerts and a dashboard"
  for file in "$here"/monitoring/metrics/*.yaml; do
    $comparing && break
    metric=$(basename "$file" .yaml)$SUFFIX
    fill "monitoring/metrics/${file##*/}"
    exists logging metrics describe "$metric" && verb=update || verb=create
    gcloud_ logging metrics "$verb" "$metric" --config-from-file="$manifest"
  done
  echo '{}' > "$work/policies"
  $dry_run || api GET "$monitoring/v3/projects/$PROJECT/alertPolicies?pageSize=500" > "$work/policies" 2> "$work/error" ||
    is_absence "$(cat "$work/policies")" || fail 1 "$(cat "$work/error" "$work/policies")"
  for file in "$here"/monitoring/alerts/*.json; do
    # All functions share the pipeline.
    case $WEBHOOK$SUFFIX/${file##*/} in *-*/pipeline-* | false*/webhook-*) continue ;; esac
    alert "monitoring/alerts/${file##*/}"
  done
  $comparing && return
  dashboard=
  $dry_run || dashboard=$(ask monitoring dashboards list --format='value(name,etag)' --filter="displayName=$service")
  etag=${dashboard##*	}
  fill monitoring/dashboard.json
  set -- create
  [ -z "$dashboard" ] || set -- update "${dashboard%%	*}"
  gcloud_ monitoring dashboards "$@" --config-from-file="$manifest" --format=none
  [ -z "$late" ] || fail 75 "everything works, but these alerts are missing, because their metrics are too new:$late
run \`function/deploy.sh monitoring $settings_file\` in ten minutes"
}

# alert FILE: creates an alert, or changes what differs. A person's switch stays as it is, and so do
# the channels, unless ALERT_CHANNELS names some. Retries, because it can take ten minutes until a new
# metric can be referred to.
alert() {
  fill "$1"
  title=$(jq -r .displayName "$manifest")
  jq --arg title "$title" '[.alertPolicies[]? | select(.displayName == $title)][0] // empty' "$work/policies" > "$deployed"
  jq --slurpfile former "$deployed" --arg channels "$ALERT_CHANNELS" '
    (if $channels == "" then . else . + {notificationChannels: ($channels | split(",") | map(select(. != "")))} end)
    | .conditions |= map(. as $own | [$former[].conditions[]? | select(.displayName == $own.displayName) | {name}][0] + $own)
    ' "$manifest" > "$work/alert"
  jq -rf "$here/flat.jq" "$work/alert" > "$wanted"
  differ "$title"
  ! $comparing && [ -s "$differences" ] || return 0
  verb=POST target=$monitoring/v3/projects/$PROJECT/alertPolicies
  if [ -s "$deployed" ]; then
    verb=PATCH
    mask=documentation,combiner,conditions,alertStrategy${ALERT_CHANNELS:+,notificationChannels}
    target="$monitoring/v3/$(jq -r .name "$deployed")?updateMask=$mask"
  fi
  ! $dry_run || { run curl -X "$verb" "$target" --data-binary "@function/$1" && return; }
  tries=${METRIC_TRIES:-120}
  until answer=$(api "$verb" "$target" "$work/alert" 2>&1); do
    case $answer in *"Cannot find metric"*) ;; *) fail 1 "$title: $answer" ;; esac
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ]; then
      late="$late
  $title"
      return
    fi
    sleep 5
  done
}

# smoke_test ADVICE
smoke_test() {
  deployed pubsub subscriptions describe "$subscription"
  if ! $dry_run && [ -z "$(jq -r '.pushConfig.pushEndpoint // empty' "$deployed")" ]; then
    say "Nothing is pushed to the function, so it is not tested"
    return
  fi
  say "Smoke test: a change to a booking that does not exist"
  status=0
  run "$here/smoke.sh" "$settings_file" || status=$?
  case $status in
    0) ;;
    75) say "Pub/Sub still has a backlog: run function/smoke.sh later" ;;
    2) say "Not tested, because you may not read the log" ;;
    *) fail 1 "the revision that serves now does not work: $1" ;;
  esac
}

# Says so if a revision writes nothing.
dry_run_of() {
  deployed run revisions describe "$1" --region="$REGION"
  jq -r '.spec.containers[0].env[] | select(.name == "DRY_RUN" and .value == "true") | ", a DRY RUN, which writes nothing"' "$deployed"
}

# Lets the newest revision that is older than the serving one serve again.
roll_back() {
  deployed run services describe "$service" --region="$REGION"
  bad=$(serving)
  former=$(ask run revisions list --service="$service" --region="$REGION" --sort-by=~metadata.creationTimestamp \
    --format='value(metadata.name,status.conditions[0].status)' |
    awk -v bad="$bad" 'found && $2 == "True" { print $1; exit } $1 == bad { found = 1 }')
  [ -n "$former" ] || fail 1 "there is no revision before ${bad:-the first one}"
  say "From $bad to $former$(dry_run_of "$former")"
  gcloud_ run services update-traffic "$service" --region="$REGION" --to-revisions="$former=100"
  deployed run jobs describe "$sweep_job" --region="$REGION"
  if [ -s "$deployed" ]; then
    gcloud_ run jobs update "$sweep_job" --region="$REGION" \
      --image="$(ask run revisions describe "$former" --region="$REGION" --format='value(spec.containers[0].image)')"
  fi
  smoke_test "see function/RUNBOOK.md"
  say "The next \`function/deploy.sh $settings_file\` will change this again"
}

detach() {
  say "Pause the sweeps"
  for name in "$sweep_job-recent" "$sweep_job-all"; do
    deployed scheduler jobs describe "$name" --location="$REGION"
    if $dry_run || [ -s "$deployed" ]; then
      gcloud_ scheduler jobs pause "$name" --location="$REGION"
    fi
  done
  say "Stop pushes: Pub/Sub keeps new messages for a week. This takes minutes to take effect"
  gcloud_ pubsub subscriptions update "$subscription" --push-endpoint=
  deployed pubsub subscriptions describe "$ticket_subscription"
  [ ! -s "$deployed" ] || gcloud_ pubsub subscriptions update "$ticket_subscription" --push-endpoint=
  run "$here/smoke.sh" --detached "$settings_file"
  say "\`function/deploy.sh $settings_file\` resumes all of it"
}

# delete KIND... describe NAME FLAG...: skips a resource that does not exist, and fails if it cannot
# tell.
delete() {
  if ! $dry_run; then
    deployed "$@"
    if [ ! -s "$deployed" ]; then
      echo "does not exist: $*"
      return
    fi
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
  delete run services describe "$receiver" --region="$REGION"
  delete pubsub subscriptions describe "$ticket_subscription"
  delete pubsub topics describe "$ticket_topic"
  delete run jobs describe "$sweep_job" --region="$REGION"
  delete run services describe "$service" --region="$REGION"
  say "Still there: topic $topic with a week of messages, $dead_letter_topic and $dead_letter_subscription, the secrets," \
    "the accounts with their roles, the images, metrics, alerts and dashboard, and the pipeline"
}

# The newest value of a metric within the last ten minutes.
point() {
  value=$(api GET "$monitoring/v3/projects/$PROJECT/timeSeries?$(jq -rn --arg filter "$1" \
    '"filter=\($filter | @uri)&interval.startTime=\(now - 600 | todate)&interval.endTime=\(now | todate)"')" |
    jq -r '[.timeSeries[]?.points[0]] | max_by(.interval.endTime).value | .int64Value // .doubleValue // empty')
  echo "${value:-unknown}"
}

of_subscription() { point "metric.type=\"pubsub.googleapis.com/subscription/$2\" AND resource.labels.subscription_id=\"$1\""; }
of_pipeline() { point "metric.type=\"dataflow.googleapis.com/job/$1\" AND resource.labels.job_name=\"$pipeline\""; }

# The newest entry of the log's last day.
latest() { ask logging read "$1" --freshness=1d --limit=1 --format="value(timestamp.date('%Y-%m-%dT%H:%M:%SZ', tz=UTC),$2)"; }

status() {
  line() { printf '%-14s %s\n' "$1" "$2" | tr '\t' ' ' | sed 's/ True$/ succeeded/; s/ False$/ failed/'; }
  deployed run services describe "$service" --region="$REGION"
  former=$(serving) newest=$(jq -r '.status.latestCreatedRevisionName // empty' "$deployed")
  [ -n "$former" ] || fail 1 "$service is not deployed in $REGION"
  dry=$(dry_run_of "$former")
  line service "$former serves commit $(jq -r '.metadata.labels.commit // "unknown"' "$deployed"), the checkout is $tag$dry"
  [ "$newest" = "$former" ] || line '' "the newest revision is $newest: rolled back, or never ready"
  line secret "version $(jq -r '[.. | objects | .items? // empty | .[].key][0] // "unknown"' "$deployed") of $secret"
  jobs=$(ask dataflow jobs list --region="$REGION" --status=active --filter="name=$pipeline" --format='value(id,state,creationTime)') ||
    jobs='unknown: the jobs cannot be listed'
  line pipeline "${jobs:-does not run}"
  line '' "lag $(of_pipeline system_lag) s, watermark $(of_pipeline data_watermark_age) s behind"
  deployed pubsub subscriptions describe "$subscription"
  [ -n "$(jq -r '.pushConfig.pushEndpoint // empty' "$deployed")" ] || line '' "detached: nothing is pushed"
  line backlog "$(of_subscription "$subscription" num_undelivered_messages) messages, the oldest $(
    of_subscription "$subscription" oldest_unacked_message_age
  ) s old"
  line 'dead letters' "$(of_subscription "$dead_letter_subscription" num_undelivered_messages)"
  of_function="resource.labels.service_name=\"$service\""
  of_receiver="resource.labels.service_name=\"$receiver\" AND jsonPayload.outcome=\"published\""
  ! $WEBHOOK || line 'new ticket' "$(latest "$of_receiver" jsonPayload.ticket)"
  line 'last sweep' "$(latest "$of_function AND jsonPayload.message=\"sweep\"" jsonPayload.unfinished)"
  line 'nightly sweep' "$(ask run jobs executions list --job="$sweep_job" --region="$REGION" --limit=1 \
    --format='value(metadata.name,status.completionTime,status.conditions[0].status)' 2> /dev/null)"
  line 'last change' "$(latest "$of_function AND (jsonPayload.outcome=\"added\" OR jsonPayload.outcome=\"updated\")" jsonPayload.booking)"
  alerts=unknown
  ! api GET "$monitoring/v3/projects/$PROJECT/alerts?$(jq -rn '"filter=\("state=\"OPEN\"" | @uri)"')" > "$work/alerts" ||
    alerts=$(jq -r --arg service "$service: " '[.alerts[]?.policy.displayName | select(startswith($service)) | ltrimstr($service)]
      | unique | if . == [] then "none open" else join(", ") end' "$work/alerts")
  line alerts "$alerts"
}

# Prints what differs in the part that is deployed.
compare() {
  differences > "$work/diff"
  [ -s "$work/diff" ] || echo "nothing differs"
  cat "$work/diff"
}

differences() {
  comparing=true
  find_secret_versions
  case $ZENDESK_CLIENT_SECRET_FILE-$part in
    -* | *-monitoring | *-webhook) ;;
    *) has_secret "$secret" "$ZENDESK_CLIENT_SECRET_FILE" || echo "$secret: gets a new version" ;;
  esac
  case $WEBHOOK$WEBHOOK_SECRET_FILE-$part in
    false* | true-* | *-monitoring) ;;
    *) has_secret "$webhook_secret" "$WEBHOOK_SECRET_FILE" || echo "$webhook_secret: gets a new version" ;;
  esac
  find_digest
  case $part in
    service | job | webhook) "deploy_$part" ;;
    monitoring) monitor ;;
    *)
      topics
      deploy_service
      [ -z "$SPANNER_DATABASE" ] || sweeps
      subscribe
      if $WEBHOOK; then
        webhooks
      elif exists run services describe "$receiver" --region="$REGION"; then
        echo "$receiver: is deployed, although WEBHOOK is false; see function/RUNBOOK.md"
      fi
      monitor
      ;;
  esac
  comparing=false
}

manifest=$work/manifest deployed=$work/deployed wanted=$work/wanted differences=$work/differences
go_back="\`function/deploy.sh rollback $settings_file\` sends all requests back to the one before"

[ -n "$SPANNER_DATABASE" ] || database_role=
case $part-$WEBHOOK-$SPANNER_DATABASE in
  delete-* | detach-* | status-* | rollback-* | monitoring-*) ;;
  job-*- | *-true-) fail 78 "$settings_file: SPANNER_DATABASE is missing: the job and webhooks need it" ;;
  webhook-false-*) fail 78 "$settings_file: WEBHOOK is false" ;;
esac
[ "${EGRESS_NETWORK:+set}" = "${EGRESS_SUBNETWORK:+set}" ] ||
  fail 78 "$settings_file: EGRESS_NETWORK and EGRESS_SUBNETWORK belong together"
for name in ZENDESK_CLIENT_SECRET_FILE WEBHOOK_SECRET_FILE; do
  eval "file=\$$name"
  [ -z "$file" ] || grep -q . "$file" 2> "$work/error" || [ "$part" = render ] ||
    fail 78 "$settings_file: $name: $file cannot be read, or is empty"
done
case $part in all | service | job | diff | render) check_database ;; esac

if $dry_run; then number=PROJECT_NUMBER; else number=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)'); fi
pubsub_agent=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
url=https://$service-$number.$REGION.run.app webhook_url=https://$receiver-$number.$REGION.run.app/
checked_account='' checked_audience=''
[ "$CHECK_PUSH_TOKEN" = false ] || checked_account=$push_account checked_audience=$url

case $part in
  all | service | job | webhook | monitoring)
    if ! $dry_run; then
      say "What differs from what is deployed"
      compare
    fi
    ;;
esac

case $part in
  delete) delete_all ;;
  detach) detach ;;
  status) status ;;
  diff) compare ;;
  rollback)
    roll_back
    check_database
    compare
    ;;
  monitoring) monitor ;;
  render)
    find_secret_versions
    traffic="latestRevision: true"
    fill service.yaml
    [ -z "$SPANNER_DATABASE" ] || fill sweep-job.yaml
    ! $WEBHOOK || fill webhook.yaml
    ;;
  service | job | webhook)
    [ "$part" != webhook ] || accounts
    secrets
    build
    "deploy_$part"
    [ "$part" != service ] || smoke_test "$go_back"
    ;;
  all)
    find_secret_versions
    project_services
    accounts
    secrets
    topics
    build
    deploy_service
    [ -z "$SPANNER_DATABASE" ] || sweeps
    subscribe
    ! $WEBHOOK || webhooks
    smoke_test "$go_back"
    monitor
    say "Done. If no pipeline publishes to projects/$PROJECT/topics/$topic yet, start one: see function/dataflow/README.md."
    ;;
esac
