#!/bin/sh
# google-template.sh - start Google's Dataflow template "Spanner change streams to Pub/Sub"
#
# Also creates a database for the pipeline's metadata and an account for its workers. There is
# nothing to build. Run function/deploy.sh first: without the topic, the pipeline retries forever.
#
# Environment variables:
#   PROJECT, REGION, INSTANCE, DATABASE    required
#   START_TIMESTAMP                        RFC 3339: read the stream from this time, for a pipeline
#                                          that had stopped; default now
#   SPANNER_PROJECT                        the database's project; default PROJECT
#   METADATA_DATABASE                      the database in the same instance in which the pipeline
#                                          records its position in the stream; default the first 26
#                                          characters of DATABASE, and -cdc
#   TEMPLATE_VERSION                       pins the version, such as 2025-06-10-00_RC00; default
#                                          latest
#   MAX_WORKERS                            default 2
set -eu
case $* in
  '') ;;
  help | --help)
    sed -n '2,17s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *)
    echo "google-template.sh: invalid arguments: $*; see \`google-template.sh help\`" >&2
    exit 64
    ;;
esac
: "${PROJECT:?is not set}" "${REGION:?is not set}" "${INSTANCE:?is not set}" "${DATABASE:?is not set}"
spanner_project=${SPANNER_PROJECT:-$PROJECT}
# Spanner allows 30 characters.
metadata=${METADATA_DATABASE:-$(printf %.26s "$DATABASE")-cdc}
account=booking-status-pipeline@$PROJECT.iam.gserviceaccount.com
job=bookings-status-to-pubsub
if [ "${#metadata}" -gt 30 ]; then
  echo "google-template.sh: $metadata is longer than the 30 characters that Spanner allows: set METADATA_DATABASE" >&2
  exit 78
fi

gcloud_() { gcloud --project="$PROJECT" --quiet "$@"; }
exists() { "$@" > /dev/null 2>&1; }

# Grants a role to the workers' account. Retries, because a new account can take up to two minutes
# to become known everywhere.
grant() {
  tries=24
  until gcloud_ "$@" --member="serviceAccount:$account" > /dev/null; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || return 1
    sleep 5
  done
}

gcloud_ services enable dataflow.googleapis.com compute.googleapis.com spanner.googleapis.com

# Two pipelines would publish every change twice.
running=$(gcloud_ dataflow jobs list --region="$REGION" --status=active --filter="name=$job" --format='value(id)')
if [ -n "$running" ]; then
  echo "google-template.sh: $job is running already, as $running: cancel it, and wait until it is gone from the list of active jobs" >&2
  exit 1
fi
exists gcloud_ iam service-accounts describe "$account" ||
  gcloud_ iam service-accounts create booking-status-pipeline --display-name=booking-status-pipeline
exists gcloud_ spanner databases describe "$metadata" --instance="$INSTANCE" --project="$spanner_project" ||
  gcloud_ spanner databases create "$metadata" --instance="$INSTANCE" --project="$spanner_project"

# The roles that Dataflow's documentation requires for a separate account, and access to the two
# databases and the topic.
for role in roles/dataflow.worker roles/storage.objectAdmin roles/viewer; do
  grant projects add-iam-policy-binding "$PROJECT" --role="$role" --condition=None
done
for database in "$DATABASE" "$metadata"; do
  grant spanner databases add-iam-policy-binding "$database" --instance="$INSTANCE" --project="$spanner_project" \
    --role=roles/spanner.databaseUser \
    --condition=None
done
grant pubsub topics add-iam-policy-binding bookings-table-status --role=roles/pubsub.publisher

# pubsubTopic is the topic's bare ID: the template itself builds projects/PROJECT/topics/ID.
gcloud_ dataflow flex-template run "$job" --region="$REGION" --service-account-email="$account" --max-workers="${MAX_WORKERS:-2}" \
  --template-file-gcs-location="gs://dataflow-templates-$REGION/${TEMPLATE_VERSION:-latest}/flex/Spanner_Change_Streams_to_PubSub" \
  --parameters="spannerProjectId=$spanner_project,spannerInstanceId=$INSTANCE,spannerDatabase=$DATABASE" \
  --parameters="spannerMetadataInstanceId=$INSTANCE,spannerMetadataDatabase=$metadata" \
  --parameters="spannerChangeStreamName=BookingsTableStatusStream,pubsubTopic=bookings-table-status,outputDataFormat=JSON,rpcPriority=LOW" \
  ${START_TIMESTAMP:+--parameters="startTimestamp=$START_TIMESTAMP"}
