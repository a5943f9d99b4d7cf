import json
import unittest

from deployment import run
from google_cloud import GoogleCloud
from support import FUNCTION, needs

# Source: GoogleCloudPlatform/DataflowTemplates, SpannerChangeStreamsToPubSubOptions, with those
# that it requires.
GOOGLE_PARAMETERS = {
    "spannerProjectId",
    "spannerInstanceId",
    "spannerDatabase",
    "spannerDatabaseRole",
    "spannerMetadataInstanceId",
    "spannerMetadataDatabase",
    "spannerMetadataTableName",
    "spannerChangeStreamName",
    "startTimestamp",
    "endTimestamp",
    "spannerHost",
    "outputDataFormat",
    "pubsubAPI",
    "pubsubProjectId",
    "pubsubTopic",
    "rpcPriority",
}
GOOGLE_REQUIRES = {
    "spannerInstanceId",
    "spannerDatabase",
    "spannerMetadataInstanceId",
    "spannerMetadataDatabase",
    "spannerChangeStreamName",
    "pubsubTopic",
}
WORKER = "serviceAccount:booking-status-pipeline@local-project.iam.gserviceaccount.com"

# Sources: mercari/DataflowTemplate, SpannerSource.SpannerSourceParameters and
# PubSubSink.PubSubSinkParameters, v0.9.0 to 2024-10.
SOURCE_PARAMETERS = {
    "projectId",
    "instanceId",
    "databaseId",
    "mode",
    "priority",
    "changeStreamName",
    "changeStreamMode",
    "metadataInstance",
    "metadataDatabase",
    "metadataTable",
    "inclusiveStartAt",
    "inclusiveEndAt",
    "outputChangeRecord",
    "tables",
}
SINK_PARAMETERS = {
    "topic",
    "format",
    "attributes",
    "idAttribute",
    "timestampAttribute",
    "orderingKeyFields",
    "maxBatchSize",
    "maxBatchBytesSize",
}


class DataflowTests(unittest.TestCase):
    """function/dataflow/mercari-pipeline.json, against the names in the template's sources."""

    def test_every_parameter_is_one_that_the_template_has(self):
        pipeline = json.loads((FUNCTION / "dataflow" / "mercari-pipeline.json").read_text())
        [source], [sink] = pipeline["sources"], pipeline["sinks"]
        self.assertEqual((source["module"], sink["module"]), ("spanner", "pubsub"))
        self.assertLessEqual(set(source["parameters"]), SOURCE_PARAMETERS)
        self.assertLessEqual(set(sink["parameters"]), SINK_PARAMETERS)
        # `In` are the change records; `In.Bookings` would be rows, of which a record with several
        # mods keeps one.
        self.assertEqual(sink["input"], source["name"])
        self.assertIs(source["parameters"]["outputChangeRecord"], True)
        self.assertEqual((source["parameters"]["mode"], source["parameters"]["changeStreamMode"]), ("changestream", "struct"))

    def test_the_stream_is_the_one_that_is_created(self):
        pipeline = json.loads((FUNCTION / "dataflow" / "mercari-pipeline.json").read_text())
        name = pipeline["sources"][0]["parameters"]["changeStreamName"]
        self.assertIn(f"CREATE CHANGE STREAM {name} FOR Bookings(Status)", (FUNCTION / "spanner" / "change-stream.sql").read_text())
        self.assertIn(f"spannerChangeStreamName={name},", (FUNCTION / "dataflow" / "google-template.sh").read_text())


@needs("gcloud")
class GoogleTemplateTests(unittest.TestCase):
    """function/dataflow/google-template.sh with the real gcloud."""

    def start(self, cloud, **more):
        result = run(cloud, "dataflow/google-template.sh", INSTANCE="hotel", **{"DATABASE": "bookings", **more})
        return result, cloud.take_requests()

    def launched(self, requests):
        [launch] = [request.body["launchParameter"] for request in requests if request.path.endswith("flexTemplates:launch")]
        self.assertLessEqual(set(launch["parameters"]), GOOGLE_PARAMETERS)
        self.assertLessEqual(GOOGLE_REQUIRES, set(launch["parameters"]))
        return launch

    def test_it_makes_what_the_pipeline_needs_and_starts_it_once(self):
        cloud = GoogleCloud(self)
        cloud.refusals = 1
        result, requests = self.start(cloud)
        self.assertEqual(result.returncode, 0, result.stderr)
        launch = self.launched(requests)
        self.assertNotIn("startTimestamp", launch["parameters"])
        self.assertEqual(launch["environment"]["maxWorkers"], 2)
        self.assertIn("/latest/", launch["containerSpecGcsPath"])
        [created] = [
            request.body["createStatement"] for request in requests if request.method == "POST" and request.path.endswith("/databases")
        ]
        self.assertEqual(created, "CREATE DATABASE `bookings-cdc`")
        self.assertEqual(launch["parameters"]["spannerMetadataDatabase"], "bookings-cdc")
        granted = {
            (resource.split("/", 2)[-1], binding["role"])
            for resource, policy in cloud.policies.items()
            for binding in policy["bindings"]
            if WORKER in binding["members"]
        }
        instance = "projects/local-project/instances/hotel/databases"
        self.assertEqual(
            granted,
            {
                ("projects/local-project", "roles/dataflow.worker"),
                ("projects/local-project", "roles/storage.objectAdmin"),
                ("projects/local-project", "roles/viewer"),
                (f"{instance}/bookings", "roles/spanner.databaseUser"),
                (f"{instance}/bookings-cdc", "roles/spanner.databaseUser"),
                ("projects/local-project/topics/bookings-table-status", "roles/pubsub.publisher"),
            },
        )

        # A second pipeline beside the first one would publish every change twice.
        result, requests = self.start(cloud)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is running already, as job-1", result.stderr)
        self.assertFalse([request for request in requests if request.path.endswith(":launch")])

    def test_mercari_s_is_started_with_its_configuration(self):
        cloud = GoogleCloud(self)
        result = run(cloud, "dataflow/mercari.sh", INSTANCE="hotel", DATABASE="bookings", BUCKET="templates")
        self.assertEqual(result.returncode, 0, result.stderr)
        [launch] = [request.body["launchParameter"] for request in cloud.take_requests() if request.path.endswith("flexTemplates:launch")]
        self.assertEqual(launch["parameters"], {"config": "gs://templates/bookings-status.json", "streaming": "true"})
        [configuration] = [json.loads(upload) for upload in cloud.uploads]
        self.assertNotRegex(json.dumps(configuration), "@[A-Z_]+@")

    def test_it_goes_on_where_another_stopped_in_another_project_s_database(self):
        name = "bookings-of-all-our-hotels-new"
        result, requests = self.start(
            GoogleCloud(self),
            START_TIMESTAMP="2026-11-24T03:00:00Z",
            DATABASE=name,
            SPANNER_PROJECT="data",
            TEMPLATE_VERSION="2025-06-10-00_RC00",
            MAX_WORKERS="5",
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        launch = self.launched(requests)
        self.assertEqual(launch["parameters"]["startTimestamp"], "2026-11-24T03:00:00Z")
        self.assertEqual(launch["parameters"]["spannerProjectId"], "data")
        self.assertLessEqual(len(launch["parameters"]["spannerMetadataDatabase"]), 30)
        self.assertIn("/2025-06-10-00_RC00/", launch["containerSpecGcsPath"])
        self.assertEqual(launch["environment"]["maxWorkers"], 5)
        databases = {request.path.split("/")[3] for request in requests if request.host.startswith("spanner.")}
        self.assertEqual(databases, {"data"})


if __name__ == "__main__":
    unittest.main()
