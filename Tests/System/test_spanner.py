import unittest

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

    def test_a_change_of_the_status_is_in_the_stream_and_nothing_else_is(self):
        base = spanner_emulator(self)
        instance = f"{base}/projects/local-project/instances"
        status, answer = http(
            "POST",
            instance,
            {
                "instanceId": "i1",
                "instance": {"config": "projects/local-project/instanceConfigs/emulator-config", "displayName": "i1", "nodeCount": 1},
            },
        )
        self.assertEqual(status, 200, answer)
        status, answer = http(
            "POST",
            f"{instance}/i1/databases",
            {"createStatement": "CREATE DATABASE d1", "extraStatements": statements("bookings.sql") + statements("change-stream.sql")},
        )
        self.assertEqual(status, 200, answer)
        _, session = http("POST", f"{instance}/i1/databases/d1/sessions", {})
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
