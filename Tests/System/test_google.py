import pathlib
import signal
import subprocess
import time
import unittest

from support import (
    BINARIES,
    ROOT,
    Dev,
    Process,
    free_port,
    function_environment,
    http,
    needs,
    pubsub_emulator,
    spanner_emulator,
    wait_until,
)

DATABASE = "projects/local-project/instances/bookings/databases/bookings"


def emulators_of(dev):
    """The emulators' own processes: Spanner's two, and Pub/Sub's."""
    found, parents = [], {dev.process.pid}
    while parents:
        children = subprocess.run(["pgrep", "--parent", ",".join(map(str, parents))], capture_output=True, text=True).stdout.split()
        found += children
        parents = {int(child) for child in children}
    words = ("gateway_main", "emulator_main", "cloud-pubsub-emulator")
    emulators = [pid for pid in found if any(word in command_of(pid) for word in words)]
    assert len(emulators) == 3, [command_of(pid) for pid in found]
    return emulators


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


@needs("gcloud")
class GoogleTests(unittest.TestCase):
    """`bookingstatus dev --google`: from a row in Google's Spanner emulator to the ticket, through
    its Pub/Sub emulator.
    """

    def settle(self, dev, expected, seconds=180):
        wait_until(lambda: dev.shown() == expected, seconds, "every ticket is right")
        wait_until(lambda: all(event["state"] == "done" for event in dev.state()["events"]), seconds, "every message is acknowledged")
        self.assertEqual(dev.state()["deadLetters"], [])

    def test_every_ticket_is_right_though_the_function_is_killed_and_records_come_twice_and_in_any_order(self):
        grpc = free_port()
        rest = spanner_emulator(self, grpc, grpc + 10)
        environment = {"SPANNER_EMULATOR_HOST": f"127.0.0.1:{grpc}", "PUBSUB_EMULATOR_HOST": pubsub_emulator(self)}
        port = free_port()
        dev = Dev(
            self,
            "--google",
            "--empty",
            "--function",
            f"http://127.0.0.1:{port}",
            "--updates-per-minute",
            "2000",
            "--requests-per-minute",
            "10000",
            env=environment,
        )
        settings = function_environment(
            dev.console.rsplit(":", 1)[1],
            PORT=str(port),
            ZENDESK_WRITES_PER_MINUTE="1000",
            ZENDESK_READS_PER_MINUTE="5000",
            REORDER_WINDOW_SECONDS="10",
        )
        function = Process(self, [BINARIES / "booking-status-function"], settings).wait_for(port)
        bookings = [f"b-{number}" for number in range(40)]
        tickets = {dev.post("tickets", {"subject": "s", "booking": booking})["id"]: booking for booking in bookings}
        dev.post("faults", {"duplicates": True, "reordering": True})
        _, session = http("POST", f"{rest}/{DATABASE}/sessions", {})

        def commit(status):
            # Straight to Spanner, and several rows in one transaction, as any other system would.
            for begin in range(0, len(bookings), 8):
                values = [[booking, status] for booking in bookings[begin : begin + 8]]
                code, answer = http(
                    "POST",
                    f"{rest}/{session['name']}:commit",
                    {
                        "singleUseTransaction": {"readWrite": {}},
                        "mutations": [{"insertOrUpdate": {"table": "Bookings", "columns": ["ID", "Status"], "values": values}}],
                    },
                )
                self.assertEqual(code, 200, answer)
                time.sleep(0.2)

        commit("Tentative")
        commit("Booked")
        wait_until(lambda: dev.state()["places"][3] > 0, 30, "changes are in work")
        function.end(signal.SIGKILL)
        commit("InStay")
        time.sleep(1)
        Process(self, [BINARIES / "booking-status-function"], settings).wait_for(port)
        commit("CheckedOut")
        self.settle(dev, {ticket: "CheckedOut" for ticket in tickets})
        events = dev.state()
        self.assertEqual(events["eventCount"], 4 * 5 * 2, "each of 20 records was published twice")
        refused = sum(event["deliveries"] > 1 for event in events["events"])
        print(f"{events['eventCount']} messages, {refused} delivered more than once, 0 dead letters")
        self.assertGreater(refused, 0)

    def test_its_own_emulators_in_the_other_layout_and_their_end(self):
        dev = Dev(self, "--google", "--producer", "mercari", env={"SPANNER_EMULATOR_HOST": "", "PUBSUB_EMULATOR_HOST": ""})
        dev.post("bookings", {"id": "dcc5423e-09ab-4ff1-8e0d-c0fb299215e0", "status": "InStay"})
        self.settle(dev, {1: "InStay", 2: "Cancelled", 3: "Tentative", 4: "InStay", 5: "InStay"})
        _, message = http("GET", f"{dev.console}/console/message?id={dev.state()['events'][0]['id']}")
        self.assertIn('"type":"TYPE_CODE_UNSPECIFIED"', message["record"])
        group = emulators_of(dev)
        dev.process.send_signal(signal.SIGINT)
        self.assertEqual(dev.process.wait(20), 0)
        wait_until(lambda: not any(command_of(pid) for pid in group), 10, "the emulators have ended with it")

    def test_the_emulators_end_also_after_a_crash(self):
        dev = Dev(self, "--google", env={"SPANNER_EMULATOR_HOST": "", "PUBSUB_EMULATOR_HOST": ""})
        group = emulators_of(dev)
        dev.process.send_signal(signal.SIGKILL)
        wait_until(lambda: not any(command_of(pid) for pid in group), 10, "the emulators have ended with it")

    def test_without_the_cloud_sdk_it_says_so(self):
        result = subprocess.run(
            [BINARIES / "bookingstatus", "dev", "--google"], capture_output=True, text=True, timeout=30, cwd=ROOT, env={"PATH": "/nowhere"}
        )
        self.assertEqual(result.returncode, 69)
        self.assertIn("Install the Google Cloud SDK", result.stderr)


if __name__ == "__main__":
    unittest.main()
