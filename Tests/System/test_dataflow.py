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
        example = (FUNCTION / "settings.example.env").read_text()
        created = {path.stem: path.read_text() for path in (FUNCTION / "spanner").glob("*.sql")}
        self.assertIn("\n#CHANGE_STREAM=BookingsTableStatusStream\n", example)
        self.assertIn("CREATE CHANGE STREAM BookingsTableStatusStream FOR Bookings(Status)", created["change-stream"])
        for grant in ("SELECT ON CHANGE STREAM BookingsTableStatusStream", "EXECUTE ON TABLE FUNCTION READ_BookingsTableStatusStream"):
            self.assertIn(f"GRANT {grant} TO ROLE booking_status_pipeline;", created["pipeline-role"])


@needs("gcloud")
class StartTests(unittest.TestCase):
    """function/dataflow/start.sh with the real gcloud."""

    def start(self, cloud, *since, **more):
        result = run(cloud, "dataflow/start.sh", *since, **more)
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
        self.assertEqual(launch["parameters"]["spannerDatabaseRole"], "booking_status_pipeline")
        self.assertEqual(launch["environment"]["additionalExperiments"], ["streaming_mode_at_least_once"])
        self.assertTrue(launch["environment"]["stagingLocation"].startswith("gs://local-project-booking-status-pipeline-europe-west1/"))
        [created] = [
            request.body["createStatement"] for request in requests if request.method == "POST" and request.path.endswith("/databases")
        ]
        self.assertEqual(created, "CREATE DATABASE `bookings-cdc`")
        self.assertEqual(launch["parameters"]["spannerMetadataDatabase"], "bookings-cdc")
        granted = {
            (resource.split("/", 2)[-1], binding["role"], "booking_status_pipeline" in str(binding.get("condition")))
            for resource, policy in cloud.policies.items()
            for binding in policy["bindings"]
            if WORKER in binding["members"]
        }
        instance = "projects/local-project/instances/hotel/databases"
        self.assertEqual(
            granted,
            {
                ("projects/local-project", "roles/dataflow.worker", False),
                ("projects/local-project", "roles/viewer", False),
                ("v1/b/local-project-booking-status-pipeline-europe-west1/iam", "roles/storage.objectAdmin", False),
                (f"{instance}/bookings", "roles/spanner.fineGrainedAccessUser", False),
                (f"{instance}/bookings", "roles/spanner.databaseRoleUser", True),
                (f"{instance}/bookings-cdc", "roles/spanner.databaseUser", False),
                ("projects/local-project/topics/bookings-table-status", "roles/pubsub.publisher", False),
            },
        )

        # A second pipeline beside the first one would publish every change twice.
        result, requests = self.start(cloud)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is running already, as job-1: there is nothing to do", result.stderr)
        self.assertFalse([request for request in requests if request.path.endswith(":launch")])

    def test_without_its_role_it_is_not_started(self):
        cloud = GoogleCloud(self)
        cloud.roles = ["booking_status_reader"]
        result, requests = self.start(cloud)
        self.assertEqual(result.returncode, 78)
        self.assertIn("bookings has no role booking_status_pipeline: apply function/spanner/pipeline-role.sql", result.stderr)
        self.assertFalse(cloud.policies)
        self.assertEqual(self.start(cloud, SPANNER_DATABASE=None)[0].returncode, 78)

    def test_networks_and_exactly_once_are_passed_on(self):
        subnetwork = "regions/europe-west1/subnetworks/workers"
        flags = f"--subnetwork={subnetwork} --disable-public-ips"
        result, requests = self.start(GoogleCloud(self), AT_LEAST_ONCE="false", PIPELINE_FLAGS=flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        chosen = self.launched(requests)["environment"]
        self.assertEqual((chosen["subnetwork"], chosen["ipConfiguration"]), (subnetwork, "WORKER_IP_PRIVATE"))
        self.assertFalse(chosen.get("additionalExperiments"))

    def test_mercari_s_is_started_with_its_configuration_once(self):
        for since in ((), ("since", "2026-11-24T03:00:00Z")):
            cloud = GoogleCloud(self)
            result, requests = self.start(cloud, *since, MERCARI_TEMPLATE="gs://templates/template.json", BOOKING_TABLE="Stays")
            self.assertEqual(result.returncode, 0, result.stderr)
            [launch] = [request.body["launchParameter"] for request in requests if request.path.endswith("flexTemplates:launch")]
            configuration = "gs://local-project-booking-status-pipeline-europe-west1/bookings-status.json"
            self.assertEqual(launch["parameters"], {"config": configuration, "streaming": "true"})
            [uploaded] = [json.loads(upload) for upload in cloud.uploads]
            source, sink = uploaded["sources"][0]["parameters"], uploaded["sinks"][0]["parameters"]
            self.assertLessEqual(set(source), SOURCE_PARAMETERS)
            self.assertLessEqual(set(sink), SINK_PARAMETERS)
            self.assertEqual(
                (source["databaseId"], source["tables"], source["changeStreamName"]), ("bookings", ["Stays"], "BookingsTableStatusStream")
            )
            self.assertEqual(source.get("inclusiveStartAt"), since[1] if since else None)
            self.assertEqual(sink["topic"], "projects/local-project/topics/bookings-table-status")
            result, requests = self.start(cloud, MERCARI_TEMPLATE="gs://templates/template.json")
            self.assertEqual(result.returncode, 1)
            self.assertIn("is running already, as job-1: there is nothing to do", result.stderr)

    def test_it_goes_on_where_another_stopped_in_another_project_s_database(self):
        result, requests = self.start(
            GoogleCloud(self),
            "since",
            "2026-11-24T03:00:00Z",
            SPANNER_DATABASE="projects/data/instances/hotel/databases/bookings-of-all-our-hotels-new",
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
