#!/bin/sh
# Starts mercari/DataflowTemplate with mercari-pipeline.json. Its image and template are built once,
# from a checkout of that repository: v0.9.0 of February 2023, the first release that has change
# streams, up to its last state of October 2024. Its successor, mercari/pipeline, documents them and
# does not implement them.
#
#   mvn clean package -DskipTests -Dimage=REGION-docker.pkg.dev/PROJECT/REPOSITORY/dataflow
#   gcloud dataflow flex-template build gs://BUCKET/template.json \
#     --image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/dataflow --sdk-language=JAVA
#
#   PROJECT, REGION, INSTANCE, DATABASE    required
#   BUCKET                                 required: holds template.json, and gets the pipeline's
#                                          configuration
#   METADATA_DATABASE                      where the pipeline keeps its place in the stream, of the
#                                          same instance; default DATABASE's first 26 characters and
#                                          -cdc
#   BOOKING_TABLE                          default Bookings
#   WORKER_ACCOUNT                         default
#                                          booking-status-pipeline@PROJECT.iam.gserviceaccount.com,
#                                          which google-template.sh makes
set -eu
case $* in
  '') ;;
  help | --help)
    sed -n '2,20s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *)
    echo "mercari.sh: unknown: $*; \`mercari.sh help\` explains it" >&2
    exit 64
    ;;
esac
: "${PROJECT:?is not set}" "${REGION:?is not set}" "${INSTANCE:?is not set}" "${DATABASE:?is not set}" "${BUCKET:?is not set}"
here=$(cd "$(dirname "$0")" && pwd)
metadata=${METADATA_DATABASE:-$(printf %.26s "$DATABASE")-cdc}

configuration=$(mktemp)
trap 'rm -f "$configuration"' EXIT
sed "s|@PROJECT@|$PROJECT|g; s|@INSTANCE@|$INSTANCE|g; s|@DATABASE@|$DATABASE|g; \
  s|@METADATA_DATABASE@|$metadata|g; s|@BOOKING_TABLE@|${BOOKING_TABLE:-Bookings}|g" \
  "$here/mercari-pipeline.json" > "$configuration"
gcloud storage cp "$configuration" "gs://$BUCKET/bookings-status.json"

gcloud dataflow flex-template run bookings-status-to-pubsub --project="$PROJECT" --region="$REGION" \
  --service-account-email="${WORKER_ACCOUNT:-booking-status-pipeline@$PROJECT.iam.gserviceaccount.com}" \
  --template-file-gcs-location="gs://$BUCKET/template.json" \
  --parameters="config=gs://$BUCKET/bookings-status.json" --parameters=streaming=true \
  --additional-experiments=use_runner_v2
