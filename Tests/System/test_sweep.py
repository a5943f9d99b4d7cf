import json
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from support import BINARIES, Dev, Process, free_port, function_environment, http, needs, spanner_emulator, ticket_status, wait_until

PROJECT = "projects/local-project"
DATABASE = f"{PROJECT}/instances/bookings/databases/bookings"
STATUSES = ["Tentative", "Booked", "InStay", "CheckedOut"]
TAGS = {
    "Tentative": "booking_3_tentative",
    "Booked": "booking_2_booked",
    "InStay": "booking_1_in_stay",
    "CheckedOut": "booking_4_checked_out",
}


@needs("gcloud")
class SweepTests(unittest.TestCase):
    """The function's sweep, on Google's Spanner emulator."""

    def database(self, id_type="STRING(36)", table="Bookings", statements=None, dialect="GOOGLE_STANDARD_SQL"):
        self.table = table
        self.spanner = spanner_emulator(self)
        for path, body in (
            (
                f"{PROJECT}/instances",
                {
                    "instanceId": "bookings",
                    "instance": {"config": f"{PROJECT}/instanceConfigs/emulator-config", "displayName": "b", "nodeCount": 1},
                },
            ),
            (
                f"{PROJECT}/instances/bookings/databases",
                {
                    "createStatement": "CREATE DATABASE bookings",
                    "databaseDialect": dialect,
                    "extraStatements": (
                        [f"CREATE TABLE {table} (ID {id_type} NOT NULL, Status STRING(32)) PRIMARY KEY (ID)"]
                        if statements is None
                        else statements
                    ),
                },
            ),
        ):
            status, answer = http("POST", f"{self.spanner}/{path}", body)
            self.assertEqual(status, 200, answer)
        _, answer = http("POST", f"{self.spanner}/{DATABASE}/sessions", {})
        self.session = answer["name"]

    def commit(self, rows):
        status, answer = http(
            "POST",
            f"{self.spanner}/{self.session}:commit",
            {
                "singleUseTransaction": {"readWrite": {}},
                "mutations": [{"insertOrUpdate": {"table": self.table, "columns": ["ID", "Status"], "values": rows}}],
            },
        )
        self.assertEqual(status, 200, answer)
        return answer["commitTimestamp"]

    def account(self, tickets, age=300, is_blind=False, **limits):
        """A simulated account with these tickets: number and booking."""
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
        file = tempfile.NamedTemporaryFile("w", suffix=".json")
        self.addCleanup(file.close)
        json.dump(
            {
                "tickets": [
                    {"id": ticket, "created_at": created, "custom_fields": [{"id": 1001, "value": booking}]}
                    for ticket, booking in tickets.items()
                ],
                "search_is_blind": is_blind,
            },
            file,
        )
        file.flush()
        self.zendesk = free_port()
        flags = [word for name, value in limits.items() for word in (f"--{name.replace('_', '-')}", value)]
        Process(self, [BINARIES / "bookingstatus", "simulator", "--port", self.zendesk, "--tickets", file.name, *flags]).wait_for(
            self.zendesk
        )

    def environment(self, **more):
        return function_environment(
            self.zendesk, SPANNER_DATABASE=DATABASE, SPANNER_URL=self.spanner.removesuffix("/v1"), REORDER_WINDOW_SECONDS="0", **more
        )

    def function(self, **more):
        self.port = free_port()
        return Process(self, [BINARIES / "booking-status-function"], self.environment(PORT=str(self.port), **more)).wait_for(self.port)

    def invoke(self, *arguments, stdin=None):
        return subprocess.run(
            [BINARIES / "bookingstatus", "invoke", *arguments, "--to", f"http://127.0.0.1:{self.port}/"],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=120,
        )

    def shown(self):
        shown, url = {}, f"http://127.0.0.1:{self.zendesk}/api/v2/tickets.json"
        while url:
            _, answer = http("GET", url, headers={"authorization": "Bearer local"})
            for ticket in answer["tickets"]:
                shown[ticket["id"]] = next((field["value"] for field in ticket["custom_fields"] if field["id"] == 1002), None) or None
            url = answer["next_page"]
        return shown

    def calls(self, lasts=0):
        """How many the account has counted in its minute, this one included; in the next minute, if
        this one does not last long enough.
        """
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.zendesk}/api/v2/tickets/1.json", headers={"authorization": "Bearer local"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            if int(answer.headers["ratelimit-reset"]) < lasts:
                time.sleep(int(answer.headers["ratelimit-reset"]) + 1)
                return self.calls()
            return int(answer.headers["x-rate-limit"]) - int(answer.headers["x-rate-limit-remaining"])

    def test_500_late_tickets_of_120_bookings_are_right_while_live_changes_go_on(self):
        self.database()
        bookings = {f"b-{number}": STATUSES[number % 4] for number in range(120)}
        self.commit([[booking, status] for booking, status in bookings.items()])
        tickets = {number + 1: f"b-{number % 120}" for number in range(500)}
        self.account(tickets, requests_per_minute=100_000, updates_per_minute=20_000)
        function = self.function(
            ZENDESK_WRITES_PER_MINUTE="5000", ZENDESK_READS_PER_MINUTE="20000", FUNCTION_TIMEOUT_SECONDS="110"
        )

        def change():
            # Bookings whose rows change while the sweep runs: the record comes after the commit, as
            # it does.
            for number in range(0, 120, 10):
                booking, former = f"b-{number}", bookings[f"b-{number}"]
                new = STATUSES[(STATUSES.index(former) + 1) % 4]
                at = self.commit([[booking, new]])
                bookings[booking] = new
                record = subprocess.run(
                    [BINARIES / "bookingstatus", "event", "--booking", booking, "--from", former, "--to", new, "--at", at],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                for _ in range(10):
                    if self.invoke("-", stdin=record).returncode == 0:
                        break
                    time.sleep(1)

        start = self.calls()
        live = threading.Thread(target=change)
        live.start()
        begin = time.monotonic()
        self.assertEqual(self.invoke("--sweep").stdout.split()[0], "204", function.log)
        seconds = time.monotonic() - begin
        live.join()
        # A sweep that read a row before its change leaves the rest to the record, which came by
        # now.
        self.assertEqual(self.invoke("--sweep").returncode, 0)
        expected = {ticket: TAGS[bookings[booking]] for ticket, booking in tickets.items()}
        self.assertEqual(self.shown(), expected)

        filling = self.calls() - start - 1 - 5 if time.monotonic() - begin < 50 else "(more than a minute's) "

        # Nothing is left to write. As long as search may not show them, all that was updated is
        # looked at: five pages.
        time.sleep(2.5)
        before = self.calls(lasts=20)
        self.assertEqual(self.invoke("--sweep").returncode, 0)
        used = self.calls() - before - 1
        lines = [json.loads(line) for line in function.log.splitlines() if '"message":"sweep"' in line]
        self.assertEqual((lines[-1]["tickets"], lines[-1]["written"]), (500, 0))
        print(
            f"500 tickets in {seconds:.1f} s; {filling} calls, those of two sweeps and of 12 live changes "
            f"(a sweep's least: 5 pages of a list, 500 updates); a second sweep: {used} calls (least possible: 5), 0 writes"
        )
        # The three fields are looked at once a minute.
        self.assertIn(used, (5, 8))

    def test_the_job_looks_at_every_ticket_and_a_second_run_writes_nothing(self):
        self.database()
        self.commit([["b-1", "InStay"], ["b-2", "Booked"], ["b-3", None]])
        self.account({1: "b-1", 2: "b-2", 3: "b-3", 4: "unknown"})
        command = [BINARIES / "booking-status-function", "sweep", "--all"]
        first = Process(self, command, self.environment())
        self.assertEqual(first.process.wait(60), 0, first.log)
        self.assertEqual(self.shown(), {1: TAGS["InStay"], 2: TAGS["Booked"], 3: None, 4: None})
        done = [json.loads(line) for line in first.log.splitlines() if "sweep: done" in line][0]
        self.assertEqual((done["tickets"], done["written"], done["unknown_booking"]), (4, 2, 1))
        second = Process(self, command, self.environment())
        self.assertEqual(second.process.wait(60), 0, second.log)
        self.assertIn('"written":0', second.log)
        # A status that changed without its change ever coming is a lost change, and said loudly.
        self.commit([["b-1", "CheckedOut"]])
        time.sleep(2.5)
        third = Process(self, command, self.environment())
        self.assertEqual(third.process.wait(60), 0, third.log)
        self.assertEqual(ticket_status(self.zendesk, 1), TAGS["CheckedOut"])
        self.assertIn("changes were lost", third.log)
        wrong = Process(self, [BINARIES / "booking-status-function", "sweep"], self.environment())
        self.assertEqual(wrong.process.wait(30), 64)

    def test_a_table_in_a_named_schema(self):
        table = "sales.Bookings"
        definition = f"CREATE TABLE {table} (ID STRING(36) NOT NULL, Status STRING(32)) PRIMARY KEY (ID)"
        self.database(table=table, statements=["CREATE SCHEMA sales", definition])
        self.commit([["b-1", "InStay"]])
        self.account({1: "b-1"})
        self.function(BOOKING_TABLE=table)
        self.assertEqual(self.invoke("--sweep").stdout.split()[0], "204")
        self.assertEqual(self.shown(), {1: TAGS["InStay"]})

    def test_a_database_of_the_other_dialect_is_refused_by_name(self):
        self.database(statements=[], dialect="POSTGRESQL")
        definition = 'CREATE TABLE "Bookings" ("ID" character varying(36) PRIMARY KEY, "Status" character varying(32))'
        status, answer = http("PATCH", f"{self.spanner}/{DATABASE}/ddl", {"statements": [definition]})
        self.assertEqual(status, 200, answer)
        self.commit([["b-1", "InStay"]])
        self.account({1: "b-1"})
        function = self.function()
        answer = self.invoke("--sweep")
        self.assertEqual(answer.stdout.split()[0], "503")
        self.assertIn("PostgreSQL's dialect", function.log)
        # Changes of the stream go on.
        record = {
            "commitTimestamp": {"seconds": 1795464800, "nanos": 0},
            "serverTransactionId": "t1",
            "recordSequence": "0",
            "tableName": "Bookings",
            "modType": "INSERT",
            "mods": [{"keysJson": '{"ID":"b-1"}', "oldValuesJson": "{}", "newValuesJson": '{"Status":"Booked"}'}],
        }
        self.assertEqual(self.invoke("-", stdin=json.dumps(record)).stdout.split()[0], "204")
        self.assertEqual(self.shown(), {1: TAGS["Booked"]})

    def test_ids_of_another_type_and_ids_that_the_column_cannot_hold(self):
        self.database("INT64")
        self.commit([["7", "InStay"], ["8", "Booked"]])
        self.account({1: "7", 2: "07", 3: "not a number", 4: "99999999999999999999", 5: "8"})
        self.function()
        self.assertEqual(self.invoke("--sweep").returncode, 0)
        self.assertEqual(self.shown(), {1: TAGS["InStay"], 2: None, 3: None, 4: None, 5: TAGS["Booked"]})

    def test_without_a_database_it_is_refused_and_says_why(self):
        self.spanner = ""
        self.account({1: "b"})
        self.port = free_port()
        Process(self, [BINARIES / "booking-status-function"], function_environment(self.zendesk, PORT=str(self.port))).wait_for(self.port)
        result = self.invoke("--sweep")
        self.assertEqual(result.returncode, 1)
        self.assertIn("422", result.stdout)
        self.assertIn("SPANNER_DATABASE is not set", result.stdout)

    def test_a_new_ticket_fills_itself_under_dev(self):
        for arguments in ([], ["--google"]):
            with self.subTest(arguments):
                environment = {"SPANNER_EMULATOR_HOST": "", "PUBSUB_EMULATOR_HOST": ""}
                dev = Dev(self, "--no-webhooks", "--sweep-seconds", "1", *arguments, env=environment)
                booking = "7d0c9a53-0f5e-4f6e-9f43-0a1b8a3f2c77"
                # The ticket is to be later than the events of the start.
                wait_until(
                    lambda: [event["state"] for event in dev.state()["events"] if not event["sweep"]] == ["done"] * 4,
                    30,
                    "the first events are done",
                )
                ticket = dev.post("tickets", {"subject": "Late", "booking": booking})["id"]
                wait_until(lambda: dev.shown()[ticket] == "InStay", 30, "the ticket has filled itself")
                # The ticket shows it a moment before the sweep ends.
                wait_until(
                    lambda: any(
                        f"ticket #{ticket} shows InStay" == step["text"]
                        for event in dev.state()["events"]
                        if event["sweep"]
                        for step in event["steps"]
                    ),
                    10,
                    "the sweep tells of it",
                )
                dev.end()


if __name__ == "__main__":
    unittest.main()
