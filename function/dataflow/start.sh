#!/bin/sh
# start.sh - start the Dataflow pipeline from the change stream to Pub/Sub
#
# Usage:
#   function/dataflow/start.sh [since TIME] FILE
#
# FILE has the settings, as for function/deploy.sh, which must run first: without the topic, the
# pipeline retries forever. This also creates what the pipeline needs: a database for its metadata, a
# bucket for its files, and an account for its workers, which may read the change stream and nothing
# else. It uses Google's template, or mercari's if MERCARI_TEMPLATE is set.
#
# With since TIME (RFC 3339, such as 2026-11-24T03:00:00Z), the pipeline reads the stream from that
# time, for one that had stopped; otherwise from now.
#
# Requires jq, and gcloud with a user who has the roles of function/README.md.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=function/settings.sh
. "$here/../settings.sh"
since=
case "$# ${1-} ${2-}" in
  '1 help '* | '1 --help '*)
    sed -n '2,16s/^# \{0,1\}//p' "$0"
    exit
    ;;
  1\ *) ;;
  3\ since\ [0-9]*-[0-9]*-[0-9]*[Tt][0-9]*:[0-9]*:[0-9]*)
    since=$2
    shift 2
    ;;
  *) fail 64 "invalid arguments: $*; see \`start.sh help\`" ;;
esac
load_settings "$1"
[ -n "$SPANNER_DATABASE" ] || fail 78 "$1: SPANNER_DATABASE is missing"

account=$(account pipeline)
member="--member=serviceAccount:$account"
role=booking_status_pipeline
bucket=gs://$PROJECT-booking-status-pipeline-$REGION
# Spanner allows 30 characters.
metadata=${METADATA_DATABASE:-$(printf %.26s "$database")-cdc}
[ "${#metadata}" -le 30 ] || fail 78 "$metadata is longer than the 30 characters that Spanner allows: set METADATA_DATABASE"

spanner() { gcloud --project="$database_project" --quiet spanner databases "$@" --instance="$instance"; }
exists() { "$@" > /dev/null 2>&1; }

gcloud_ services enable dataflow.googleapis.com compute.googleapis.com spanner.googleapis.com storage.googleapis.com

# Two pipelines would publish every change twice.
running=$(gcloud_ dataflow jobs list --region="$REGION" --status=active --filter="name=$pipeline" --format='value(id)')
[ -z "$running" ] ||
  fail 1 "$pipeline is running already, as $running: there is nothing to do. To replace it, see function/RUNBOOK.md: drain it first"
roles=$(spanner roles list --database="$database" --format='value(name)')
case $roles in *"$role"*) ;; *) fail 78 "$database has no role $role: apply function/spanner/pipeline-role.sql" ;; esac

exists gcloud_ iam service-accounts describe "$account" ||
  gcloud_ iam service-accounts create "${account%%@*}" --display-name="${account%%@*}"
exists spanner describe "$metadata" || spanner create "$metadata"
exists gcloud_ storage buckets describe "$bucket" ||
  gcloud_ storage buckets create "$bucket" --location="$REGION" --uniform-bucket-level-access

# Dataflow, "Run Flex Templates": the roles of a workers' account.
for name in roles/dataflow.worker roles/viewer; do
  grant projects add-iam-policy-binding "$PROJECT" "$member" --role="$name" --condition=None
done
grant storage buckets add-iam-policy-binding "$bucket" "$member" --role=roles/storage.objectAdmin
grant_database_role "$role" "$account"
grant spanner databases add-iam-policy-binding "$metadata" --instance="$instance" --project="$database_project" "$member" \
  --role=roles/spanner.databaseUser --condition=None
grant pubsub topics add-iam-policy-binding "$topic" "$member" --role=roles/pubsub.publisher

set -- "$pipeline" --region="$REGION" --service-account-email="$account" --staging-location="$bucket/staging" --max-workers="$MAX_WORKERS"
if [ -n "$MERCARI_TEMPLATE" ]; then
  configuration=$work/configuration
  jq --arg project "$database_project" --arg instance "$instance" --arg database "$database" --arg metadata "$metadata" \
    --arg stream "$CHANGE_STREAM" --arg table "$BOOKING_TABLE" --arg topic "projects/$PROJECT/topics/$topic" --arg since "$since" '
    .sources[0].parameters += {projectId: $project, instanceId: $instance, databaseId: $database, changeStreamName: $stream,
      metadataInstance: $instance, metadataDatabase: $metadata, tables: [$table]}
    | if $since == "" then . else .sources[0].parameters.inclusiveStartAt = $since end
    | .sinks[0].parameters.topic = $topic' "$here/mercari-pipeline.json" > "$configuration"
  gcloud_ storage cp "$configuration" "$bucket/bookings-status.json"
  set -- "$@" --template-file-gcs-location="$MERCARI_TEMPLATE" --additional-experiments=use_runner_v2 \
    --parameters="config=$bucket/bookings-status.json,streaming=true"
else
  # pubsubTopic is the topic's bare ID: the template itself builds projects/PROJECT/topics/ID.
  set -- "$@" --template-file-gcs-location="gs://dataflow-templates-$REGION/$TEMPLATE_VERSION/flex/Spanner_Change_Streams_to_PubSub" \
    --parameters="spannerProjectId=$database_project,spannerInstanceId=$instance,spannerDatabase=$database,spannerDatabaseRole=$role" \
    --parameters="spannerMetadataInstanceId=$instance,spannerMetadataDatabase=$metadata,spannerChangeStreamName=$CHANGE_STREAM" \
    --parameters="pubsubTopic=$topic,outputDataFormat=JSON,rpcPriority=LOW${since:+,startTimestamp=$since}"
  # Dataflow, "Set the pipeline streaming mode": costs less, and may publish a change twice, which the
  # function tolerates. The template declares that it supports it.
  [ "$AT_LEAST_ONCE" = false ] || set -- "$@" --additional-experiments=streaming_mode_at_least_once
fi
# Flags from the settings file are separated by spaces.
# shellcheck disable=SC2086
gcloud_ dataflow flex-template run "$@" $PIPELINE_FLAGS
