#!/bin/sh
# Puts the function and its part of Pub/Sub into a Google Cloud project. Run it again after any change: it creates what is missing and updates what is
# there. README.md beside it explains each step.
#
#   function/deploy.sh [--dry-run]      --dry-run prints every command, as for a project in which nothing is there yet, and runs none
#
# It reads its settings from the environment; required are
#   PROJECT, REGION                     where it goes
#   ZENDESK_URL, ZENDESK_CLIENT_ID      the account, and the OAuth client's unique identifier
#   ZENDESK_BOOKING_ID_FIELD, ZENDESK_BOOKING_STATUS_FIELD, ZENDESK_BOOKING_VERSION_FIELD, BOOKING_STATUS_TAGS
#                                       as `bookingstatus setup` prints them
# and, the first time, ZENDESK_CLIENT_SECRET_FILE: the file with the client's secret, which goes to Secret Manager.
# With SPANNER_DATABASE (projects/P/instances/I/databases/D) tickets are swept: every minute those that were updated lately, every night all.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dry_run=false
case "${1-}" in
  '') ;;
  --dry-run) dry_run=true ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 64 ;;
esac

missing=
for name in PROJECT REGION ZENDESK_URL ZENDESK_CLIENT_ID ZENDESK_BOOKING_ID_FIELD ZENDESK_BOOKING_STATUS_FIELD \
  ZENDESK_BOOKING_VERSION_FIELD BOOKING_STATUS_TAGS; do
  eval "value=\${$name-}"
  [ -n "$value" ] || missing="$missing $name"
done
if [ -n "$missing" ]; then
  echo "deploy.sh: not set:$missing" >&2
  exit 78
fi

service=booking-status-function
topic=bookings-table-status
subscription=$topic-push
dead_letter_topic=$topic-dead-letter
dead_letter_subscription=$dead_letter_topic-keep
sweep_topic=$topic-sweep
sweep_job=booking-status-sweep
database_role=booking_status_reader
secret=zendesk-client-secret
function_account=booking-status-function@$PROJECT.iam.gserviceaccount.com
push_account=booking-status-push@$PROJECT.iam.gserviceaccount.com
repository=booking-status
image=${IMAGE:-$REGION-docker.pkg.dev/$PROJECT/$repository/$service:$(git -C "$here" rev-parse --short=12 HEAD)}

# How long Pub/Sub goes on with a message: pauses of 10, 20, 40 ... 320 s and then of 600 s, 50 attempts. That is about seven hours: longer than four
# hours of Zendesk being down (29 attempts), and a message that can never be processed is out of the way the same day.
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

# Whether a thing is there already.
there() { ! $dry_run && "$@" > /dev/null 2>&1; }

say() { printf '\n# %s\n' "$*"; }

gcloud_() { run gcloud --project="$PROJECT" --quiet "$@"; }
exists() { there gcloud --project="$PROJECT" --quiet "$@"; }

# schedule KIND NAME FLAG...
schedule() {
  kind=$1 name=$2
  shift 2
  if exists scheduler jobs describe "$name" --location="$REGION"; then
    gcloud_ scheduler jobs update "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC "$@"
  else
    # What a message says is never changed, and so only given here.
    [ "$kind" != pubsub ] || set -- "$@" --attributes=task=sweep
    gcloud_ scheduler jobs create "$kind" "$name" --location="$REGION" --time-zone=Etc/UTC "$@"
  fi
}

# Prints a manifest with the settings in it.
filled() {
  cp "$here/$1" "$manifest"
  shift
  while [ $# -gt 0 ]; do
    value=$(printf %s "$2" | sed 's/["\\]/\\&/g; s/[&\\|]/\\&/g')
    sed "s|@$1@|$value|g" "$manifest" > "$manifest.next"
    mv "$manifest.next" "$manifest"
    shift 2
  done
  if $dry_run; then sed 's/^/#   /' "$manifest"; fi
}

# A subscription keeps the topic that it was created with: create_or_update SUBSCRIPTION TOPIC FLAG...
create_or_update() {
  name=$1 of=$2
  shift 2
  if exists pubsub subscriptions describe "$name"; then
    gcloud_ pubsub subscriptions update "$name" "$@"
  else
    gcloud_ pubsub subscriptions create "$name" --topic="$of" "$@"
  fi
}

if $dry_run; then number=PROJECT_NUMBER; else number=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)'); fi
pubsub_agent=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
url=https://$service-$number.$REGION.run.app

say "Services of the project"
gcloud_ services enable run.googleapis.com pubsub.googleapis.com secretmanager.googleapis.com artifactregistry.googleapis.com \
  cloudbuild.googleapis.com

say "Service accounts: one that the function runs as, one that Pub/Sub calls it as"
for account in booking-status-function booking-status-push; do
  exists iam service-accounts describe "$account@$PROJECT.iam.gserviceaccount.com" ||
    gcloud_ iam service-accounts create "$account" --display-name="$account"
done

say "The Zendesk client's secret; the function's account may read this one and nothing else"
exists secrets describe "$secret" || gcloud_ secrets create "$secret" --replication-policy=automatic
[ -z "${ZENDESK_CLIENT_SECRET_FILE-}" ] || gcloud_ secrets versions add "$secret" --data-file="$ZENDESK_CLIENT_SECRET_FILE"
gcloud_ secrets add-iam-policy-binding "$secret" --member="serviceAccount:$function_account" --role=roles/secretmanager.secretAccessor

say "Topics; the first keeps what was published for a week, to be sought back to"
exists pubsub topics describe "$topic" && verb=update || verb=create
gcloud_ pubsub topics "$verb" "$topic" --message-retention-duration=7d
exists pubsub topics describe "$dead_letter_topic" || gcloud_ pubsub topics create "$dead_letter_topic"

say "Dead letters: a subscription that never expires and keeps each message for as long as can be"
create_or_update "$dead_letter_subscription" "$dead_letter_topic" \
  --message-retention-duration=31d --expiration-period=never --ack-deadline=60

say "The image"
if [ -z "${IMAGE-}" ]; then
  exists artifacts repositories describe "$repository" --location="$REGION" ||
    gcloud_ artifacts repositories create "$repository" --location="$REGION" --repository-format=docker
  gcloud_ builds submit "$here/.." --config="$here/cloudbuild.yaml" --substitutions="_IMAGE=$image" --ignore-file=function/Dockerfile.dockerignore
fi

say "The service; Pub/Sub's account may invoke it, nobody else"
manifest=$(mktemp)
trap 'rm -f "$manifest"' EXIT
set -- PROJECT "$PROJECT" IMAGE "$image" FUNCTION_ACCOUNT "$function_account" PUSH_ACCOUNT "$push_account" PUSH_AUDIENCE "$url" \
  ZENDESK_SECRET "$secret" ZENDESK_URL "$ZENDESK_URL" ZENDESK_CLIENT_ID "$ZENDESK_CLIENT_ID" \
  ZENDESK_BOOKING_ID_FIELD "$ZENDESK_BOOKING_ID_FIELD" ZENDESK_BOOKING_STATUS_FIELD "$ZENDESK_BOOKING_STATUS_FIELD" \
  ZENDESK_BOOKING_VERSION_FIELD "$ZENDESK_BOOKING_VERSION_FIELD" BOOKING_STATUS_TAGS "$BOOKING_STATUS_TAGS" \
  BOOKING_TABLE "${BOOKING_TABLE:-Bookings}" BOOKING_ID_COLUMN "${BOOKING_ID_COLUMN:-ID}" BOOKING_STATUS_COLUMN "${BOOKING_STATUS_COLUMN:-Status}" \
  ZENDESK_WRITES_PER_MINUTE "${ZENDESK_WRITES_PER_MINUTE:-40}" ZENDESK_READS_PER_MINUTE "${ZENDESK_READS_PER_MINUTE:-150}" DRY_RUN "${DRY_RUN:-false}" \
  SPANNER_DATABASE "${SPANNER_DATABASE-}" SPANNER_DATABASE_ROLE "${SPANNER_DATABASE:+$database_role}" \
  SWEEP_WRITES_PER_MINUTE "${SWEEP_WRITES_PER_MINUTE:-10}"
filled service.yaml "$@"
gcloud_ run services replace "$manifest" --region="$REGION"
gcloud_ run services add-iam-policy-binding "$service" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker

if [ -n "${SPANNER_DATABASE-}" ]; then
  say "The sweep: the database role that may read two columns, the nightly job, and the schedule of both"
  gcloud_ services enable spanner.googleapis.com cloudscheduler.googleapis.com
  database=${SPANNER_DATABASE##*/}
  instance=${SPANNER_DATABASE%/databases/*}
  instance=${instance##*/}
  gcloud_ spanner databases add-iam-policy-binding "$database" --instance="$instance" --member="serviceAccount:$function_account" \
    --role=roles/spanner.fineGrainedAccessUser --condition=None
  gcloud_ spanner databases add-iam-policy-binding "$database" --instance="$instance" --member="serviceAccount:$function_account" \
    --role=roles/spanner.databaseRoleUser \
    --condition="expression=resource.type==\"spanner.googleapis.com/DatabaseRole\"&&resource.name.endsWith(\"/$database_role\"),title=$database_role"
  filled sweep-job.yaml "$@"
  gcloud_ run jobs replace "$manifest" --region="$REGION"
  gcloud_ run jobs add-iam-policy-binding "$sweep_job" --region="$REGION" --member="serviceAccount:$push_account" --role=roles/run.invoker
  exists pubsub topics describe "$sweep_topic" || gcloud_ pubsub topics create "$sweep_topic"
  # Without dead letters: a minute later comes the next one, and what is ten minutes old is superseded by ten others.
  create_or_update "$sweep_topic-push" "$sweep_topic" \
    --push-endpoint="$url/projects/$PROJECT/topics/$sweep_topic" \
    --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
    --ack-deadline="$ack_deadline" --min-retry-delay=10s --max-retry-delay=60s --message-retention-duration=10m --expiration-period=never
  schedule pubsub "$sweep_job-recent" --schedule='* * * * *' --topic="$sweep_topic" --message-body=sweep
  schedule http "$sweep_job-all" --schedule='0 3 * * *' --http-method=POST --oauth-service-account-email="$push_account" \
    --uri="https://run.googleapis.com/v2/projects/$PROJECT/locations/$REGION/jobs/$sweep_job:run"
fi

say "What Pub/Sub's own agent may: make tokens for the push account, and move dead letters"
gcloud_ iam service-accounts add-iam-policy-binding "$push_account" --member="serviceAccount:$pubsub_agent" --role=roles/iam.serviceAccountTokenCreator
gcloud_ pubsub topics add-iam-policy-binding "$dead_letter_topic" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.publisher

say "The push subscription, last: from here on events come"
create_or_update "$subscription" "$topic" \
  --push-endpoint="$url/projects/$PROJECT/topics/$topic" \
  --push-auth-service-account="$push_account" --push-auth-token-audience="$url" \
  --ack-deadline="$ack_deadline" --min-retry-delay="$least_backoff" --max-retry-delay="$most_backoff" \
  --dead-letter-topic="projects/$PROJECT/topics/$dead_letter_topic" --max-delivery-attempts="$attempts" \
  --message-retention-duration=7d --expiration-period=never
gcloud_ pubsub subscriptions add-iam-policy-binding "$subscription" --member="serviceAccount:$pubsub_agent" --role=roles/pubsub.subscriber

say "Done. A pipeline has to publish to projects/$PROJECT/topics/$topic: see dataflow/README.md"
