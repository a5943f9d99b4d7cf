import datetime
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloud_logging import log_entries
from deployment import run, set_up_emulator
from google_cloud import GoogleCloud, push_log
from support import BINARIES, Process, Shared, free_port, function_environment, http, needs, pubsub_emulator, simulator

TOPIC = "projects/local-project/topics/bookings-table-status"


class CloudRun:
    """What stands between Pub/Sub and the function: gives each request a trace, and logs its
    answer.
    """

    def __init__(self, test, function, traces=True, refuses=None):
        self.log, self.pushes, self.refuses = [], 0, refuses
        run = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                run.pushes += 1
                trace = f"{run.pushes:032x}"
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "content-length")}
                if traces:
                    headers["traceparent"] = f"00-{trace}-b7ad6b7169203331-01"
                status = run.refuses or http("POST", f"http://127.0.0.1:{function}{self.path}", body, headers)[0]
                run.log += push_log("booking-status-function", status, f"projects/local-project/traces/{trace}")
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        test.addCleanup(server.server_close)
        test.addCleanup(server.shutdown)
        self.port = server.server_address[1]


@needs("gcloud")
@needs("jq")
class SmokeTests(unittest.TestCase):
    """function/smoke.sh: the real gcloud, Google's Pub/Sub emulator, and the real function."""

    @classmethod
    def setUpClass(cls):
        cls.zendesk = free_port()
        simulator(Shared(cls), cls.zendesk)
        cls.pubsub = pubsub_emulator(Shared(cls))

    def setUp(self):
        self.function = free_port()
        self.cloud = GoogleCloud(self, self.pubsub)

    def start(self, traces=True, refuses=None, **more):
        process = Process(
            self,
            [BINARIES / "booking-status-function"],
            function_environment(self.zendesk, PORT=str(self.function), GOOGLE_CLOUD_PROJECT="local-project", **more),
        ).wait_for(self.function)
        self.run = CloudRun(self, self.function, traces, refuses)
        self.cloud.logged = lambda: log_entries(process.log) + self.run.log
        set_up_emulator(self.pubsub, f"http://127.0.0.1:{self.run.port}/{TOPIC}", quick=True)
        return process

    def smoke(self, *arguments, **more):
        return run(self.cloud, "smoke.sh", *arguments, **{"SMOKE_SECONDS": "60", **more})

    def test_it_works_where_all_of_it_works(self):
        process = self.start()
        result = self.smoke()
        self.assertEqual(result.returncode, 0, result.stderr + process.log)
        self.assertIn("answered 204", result.stdout)
        # What the deployment's tests are told instead.
        [line] = [entry["jsonPayload"] for entry in log_entries(process.log) if entry["jsonPayload"]["message"] == "booking status"]
        told = {"message": "booking status", "booking": line["booking"], "outcome": "no_ticket"}
        self.assertEqual({**line, **told}, line)

    def test_it_works_where_the_platform_sends_no_trace(self):
        self.start(traces=False)
        result = self.smoke()
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_clocks_may_be_minutes_apart(self):
        process = self.start()
        for minutes in (-4, 4):

            def shifted(entry):
                moment = datetime.datetime.fromisoformat(entry["timestamp"]) + datetime.timedelta(minutes=minutes)
                return {**entry, "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}

            self.cloud.logged = lambda: [shifted(entry) for entry in log_entries(process.log) + self.run.log]
            result = self.smoke()
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_204_has_to_be_its_own(self):
        process = self.start()
        # Another's, of the same time.
        self.cloud.logged = lambda: log_entries(process.log) + push_log(
            "booking-status-function", 204, "projects/local-project/traces/" + "f" * 32
        )
        result = self.smoke(SMOKE_SECONDS="6")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no 204", result.stderr)

    def test_a_wrong_secret_is_told(self):
        self.start(ZENDESK_CLIENT_SECRET="wrong")
        result = self.smoke(SMOKE_SECONDS="8")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("check the OAuth client's id and secret", result.stderr)
        self.assertRegex(result.stderr, r"\d+ 503")

    def test_a_platform_that_lets_nobody_in_is_told(self):
        self.start(refuses=403)
        result = self.smoke(SMOKE_SECONDS="8")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stderr, r"\d+ 403")

    def test_a_backlog_is_told_from_a_fault(self):
        process = self.start()
        # Others come and are answered; this one's line is still to come.
        self.cloud.logged = lambda: [entry for entry in log_entries(process.log) if "booking" not in entry["jsonPayload"]] + self.run.log
        result = self.smoke(SMOKE_SECONDS="8")
        self.assertEqual(result.returncode, 75, result.stderr)
        self.assertIn("backlog", result.stderr)

    def test_a_sweep_is_no_push_of_a_change(self):
        self.start()
        http(
            "PATCH",
            f"http://{self.pubsub}/v1/projects/local-project/subscriptions/bookings-table-status-push",
            {
                "subscription": {"name": "projects/local-project/subscriptions/bookings-table-status-push", "pushConfig": {}},
                "updateMask": "pushConfig",
            },
        )
        self.cloud.logged = lambda: push_log("booking-status-function", 204, topic="bookings-table-status-sweep")
        result = self.smoke(SMOKE_SECONDS="4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Nothing was pushed", result.stderr)

    def test_another_region_s_function_is_not_this_one(self):
        self.start()
        result = self.smoke(SMOKE_SECONDS="8", REGION="europe-west4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Nothing was pushed", result.stderr)
        self.assertTrue(self.run.log)

    def test_a_log_that_cannot_be_read_says_nothing(self):
        self.start()
        self.cloud.logged = None
        for arguments in ([], ["--detached"]):
            result = self.smoke(*arguments, SMOKE_SECONDS="4", QUIET_SECONDS="3")
            self.assertEqual(result.returncode, 2, result.stdout)
            self.assertIn("the log cannot be read", result.stderr)

    def test_whatever_is_pushed_is_not_detached(self):
        process = self.start(ZENDESK_CLIENT_SECRET="wrong")
        for refuses, lines in ((None, 2000), (403, 2000), (None, 0)):
            # As Zendesk being down, as a platform that lets nobody in, and as lines of the function
            # that never come.
            self.run.refuses = refuses
            self.cloud.logged = lambda: log_entries(process.log)[:lines] + self.run.log
            result = self.smoke("--detached", SMOKE_SECONDS="3", QUIET_SECONDS="15")
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn("changes are still pushed", result.stderr)

    def test_detached_is_when_nothing_comes_any_more(self):
        self.start()
        result = run(self.cloud, "deploy.sh", "detach", QUIET_SECONDS="10", SMOKE_SECONDS="90")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nothing has been pushed", result.stdout)
        _, subscription = http("GET", f"http://{self.pubsub}/v1/projects/local-project/subscriptions/bookings-table-status-push")
        self.assertEqual(subscription.get("pushConfig", {}), {})
        self.run.log.clear()
        result = self.smoke(SMOKE_SECONDS="4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("Nothing was pushed", result.stderr)


if __name__ == "__main__":
    unittest.main()
