import unittest

from deployment import run
from google_cloud import GoogleCloud
from support import FUNCTION, http, needs, spanner_emulator


def statements(name):
    """The statements of a file, without its comments, as `gcloud spanner databases ddl update
    --ddl-file` takes them.
    """
    text = "\n".join(line for line in (FUNCTION / "spanner" / name).read_text().splitlines() if not line.lstrip().startswith("--"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


@needs("gcloud")
class SpannerTests(unittest.TestCase):
    """The files under function/spanner, on Google's emulator."""

    def create(self, base, instance, database, ddl):
        instances = f"{base}/projects/local-project/instances"
        configuration = "projects/local-project/instanceConfigs/emulator-config"
        body = {"instanceId": instance, "instance": {"config": configuration, "displayName": instance, "nodeCount": 1}}
        self.assertIn(http("POST", instances, body)[0], (200, 409))
        statement = {"createStatement": f"CREATE DATABASE {database}", "extraStatements": ddl}
        status, answer = http("POST", f"{instances}/{instance}/databases", statement)
        self.assertEqual(status, 200, answer)
        return f"{instances}/{instance}/databases/{database}"

    def test_the_deployment_asks_the_database_what_it_has(self):
        base = spanner_emulator(self)
        self.create(base, "hotel", "bookings", statements("bookings.sql") + statements("change-stream.sql"))
        table = "CREATE SCHEMA sales; CREATE TABLE sales.Guests (ID STRING(36) NOT NULL, Status STRING(9), Name STRING(9)) PRIMARY KEY (ID)"
        ddl = statements("bookings.sql") + table.split("; ")
        self.create(base, "hotel", "other", [*ddl, "CREATE CHANGE STREAM Everything FOR ALL"])
        self.create(base, "hotel", "third", [*ddl, "CREATE CHANGE STREAM Names FOR sales.Guests(Name), Bookings"])
        cloud = GoogleCloud(self)
        cloud.spanner = base.removesuffix("/v1")
        for database, more, status, said in (
            ("bookings", {}, 0, ""),
            ("bookings", {"BOOKING_STATUS_COLUMN": "State"}, 78, "the table Bookings has no column State"),
            ("bookings", {"BOOKING_TABLE": "Stays"}, 78, "the database has no table Stays"),
            ("bookings", {"CHANGE_STREAM": "Everything"}, 78, "the database has no change stream Everything"),
            ("other", {"CHANGE_STREAM": "Everything"}, 0, "# retention_period is 1d"),
            ("other", {"CHANGE_STREAM": "Everything"}, 0, "# IGNORED_TABLES is *, which the stream also watches"),
            ("other", {"CHANGE_STREAM": "Everything", "BOOKING_TABLE": "sales.Guests"}, 0, "# retention_period is 1d"),
            ("third", {"CHANGE_STREAM": "Names"}, 0, "# IGNORED_TABLES is sales.Guests, which the stream also watches"),
            ("third", {"CHANGE_STREAM": "Names", "BOOKING_TABLE": "sales.Guests"}, 78, "does not watch the column Status of sales.Guests"),
        ):
            path = f"projects/local-project/instances/hotel/databases/{database}"
            result = run(cloud, "deploy.sh", "diff", SPANNER_DATABASE=path, **more)
            self.assertEqual(result.returncode, status, (more, result.stdout, result.stderr))
            self.assertIn(said, result.stdout + result.stderr)
            self.assertNotIn("cannot be read", result.stderr)

    def test_a_change_of_the_status_is_in_the_stream_and_nothing_else_is(self):
        base = spanner_emulator(self)
        database = self.create(base, "i1", "d1", statements("bookings.sql") + statements("change-stream.sql"))
        _, session = http("POST", f"{database}/sessions", {})
        session = f"{base}/{session['name']}"

        def commit(kind, status):
            code, answer = http(
                "POST",
                f"{session}:commit",
                {
                    "singleUseTransaction": {"readWrite": {}},
                    "mutations": [{kind: {"table": "Bookings", "columns": ["ID", "Status"], "values": [["b1", status]]}}],
                },
            )
            self.assertEqual(code, 200, answer)
            return answer["commitTimestamp"]

        first = commit("insert", "Tentative")
        last = commit("update", "Booked")
        records = self.records(session, first, last)
        self.assertEqual([record[7] for record in records], ["INSERT", "UPDATE"])
        self.assertEqual({record[8] for record in records}, {"OLD_AND_NEW_VALUES"})
        # Keys, new values, old values: the emulator's order.
        self.assertEqual(records[1][6], [['{"ID":"b1"}', '{"Status":"Booked"}', '{"Status":"Tentative"}']])

    def records(self, session, start, end):
        def read(token):
            sql = (
                "SELECT ChangeRecord FROM READ_BookingsTableStatusStream(start_timestamp=>@start, end_timestamp=>@end, "
                "partition_token=>@token, heartbeat_milliseconds=>1000)"
            )
            _, answer = http(
                "POST",
                f"{session}:executeStreamingSql",
                {
                    "sql": sql,
                    "params": {"start": start, "end": end, "token": token},
                    "paramTypes": {"start": {"code": "TIMESTAMP"}, "end": {"code": "TIMESTAMP"}, "token": {"code": "STRING"}},
                },
            )
            self.assertIn("result", answer)
            return [change for value in answer["result"]["values"] for change in value]

        found = []
        for data, _heartbeats, children in read(None):
            for child in children:
                for token, _parents in child[2]:
                    for data, _heartbeats, _children in read(token):
                        found += data
        return sorted(found, key=lambda record: record[0])


if __name__ == "__main__":
    unittest.main()
