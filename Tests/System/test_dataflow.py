import json
import unittest

from support import FUNCTION

# Sources: mercari/DataflowTemplate, SpannerSource.SpannerSourceParameters and PubSubSink.PubSubSinkParameters, v0.9.0 to 2024-10.
SOURCE_PARAMETERS = {
    "projectId", "instanceId", "databaseId", "mode", "priority", "changeStreamName", "changeStreamMode", "metadataInstance", "metadataDatabase",
    "metadataTable", "inclusiveStartAt", "inclusiveEndAt", "outputChangeRecord", "tables",
}
SINK_PARAMETERS = {"topic", "format", "attributes", "idAttribute", "timestampAttribute", "orderingKeyFields", "maxBatchSize", "maxBatchBytesSize"}


class DataflowTests(unittest.TestCase):
    """function/dataflow/mercari-pipeline.json, against the names in the template's sources."""

    def test_every_parameter_is_one_that_the_template_has(self):
        pipeline = json.loads((FUNCTION / "dataflow" / "mercari-pipeline.json").read_text())
        [source], [sink] = pipeline["sources"], pipeline["sinks"]
        self.assertEqual((source["module"], sink["module"]), ("spanner", "pubsub"))
        self.assertLessEqual(set(source["parameters"]), SOURCE_PARAMETERS)
        self.assertLessEqual(set(sink["parameters"]), SINK_PARAMETERS)
        # `In` are the change records; `In.Bookings` would be rows, of which a record with several mods keeps one.
        self.assertEqual(sink["input"], source["name"])
        self.assertIs(source["parameters"]["outputChangeRecord"], True)
        self.assertEqual((source["parameters"]["mode"], source["parameters"]["changeStreamMode"]), ("changestream", "struct"))

    def test_the_stream_is_the_one_that_is_created(self):
        pipeline = json.loads((FUNCTION / "dataflow" / "mercari-pipeline.json").read_text())
        name = pipeline["sources"][0]["parameters"]["changeStreamName"]
        self.assertIn(f"CREATE CHANGE STREAM {name} FOR Bookings(Status)", (FUNCTION / "spanner" / "change-stream.sql").read_text())
        self.assertIn(f"spannerChangeStreamName={name},", (FUNCTION / "dataflow" / "google-template.sh").read_text())


if __name__ == "__main__":
    unittest.main()
