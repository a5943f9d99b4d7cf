#!/bin/sh
# Starts Google's Dataflow template "Spanner change streams to Pub/Sub". Nothing has to be built.
#
#   PROJECT, REGION, INSTANCE, DATABASE    required
#   METADATA_DATABASE                      where the pipeline keeps its place in the stream; default DATABASE-cdc-metadata, of the same instance
set -eu
: "${PROJECT:?}" "${REGION:?}" "${INSTANCE:?}" "${DATABASE:?}"
metadata=${METADATA_DATABASE:-$DATABASE-cdc-metadata}

# pubsubTopic is the topic's bare ID: the template itself builds projects/PROJECT/topics/ID.
exec gcloud dataflow flex-template run bookings-status-to-pubsub --project="$PROJECT" --region="$REGION" \
  --template-file-gcs-location="gs://dataflow-templates-$REGION/latest/flex/Spanner_Change_Streams_to_PubSub" \
  --parameters="spannerInstanceId=$INSTANCE,spannerDatabase=$DATABASE,spannerMetadataInstanceId=$INSTANCE,spannerMetadataDatabase=$metadata" \
  --parameters="spannerChangeStreamName=BookingsTableStatusStream,pubsubTopic=bookings-table-status,outputDataFormat=JSON,rpcPriority=LOW"
