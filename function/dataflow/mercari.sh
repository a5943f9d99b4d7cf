#!/bin/sh
# mercari.sh - start mercari/DataflowTemplate with mercari-pipeline.json
#
# Build its image and template once, from a checkout of that repository. Change streams are in
# v0.9.0 (February 2023) and later, up to its last state of October 2024. Its successor,
# mercari/pipeline, documents them but does not implement them.
#
#   mvn clean package -DskipTests -Dimage=REGION-docker.pkg.dev/PROJECT/REPOSITORY/dataflow
#   gcloud dataflow flex-template build gs://BUCKET/template.json \
#     --image=REGION-docker.pkg.dev/PROJECT/REPOSITORY/dataflow --sdk-language=JAVA
#
# Environment variables:
#   PROJECT, REGION, INSTANCE, DATABASE    required
#   BUCKET                                 required; has template.json, and receives the pipeline's
#                                          configuration
#   METADATA_DATABASE                      the database in the same instance in which the pipeline
#                                          records its position in the stream; default the first 26
#                                          characters of DATABASE, and -cdc
#   BOOKING_TABLE                          default Bookings
#   WORKER_ACCOUNT                         default
#                                          booking-status-pipeline@PROJECT.iam.gserviceaccount.com,
#                                          which google-template.sh creates
set -eu
case $* in
  '') ;;
  help | --help)
    sed -n '2,22s/^# \{0,1\}//p' "$0"
    exit
    ;;
  *)
    echo "mercari.sh: invalid arguments: $*; see \`mercari.sh help\`" >&2
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
