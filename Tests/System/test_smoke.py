import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cloud_logging import log_entries
from deployment import run, set_up_emulator
from google_cloud import GoogleCloud, push_log
from support import BINARIES, Process, free_port, function_environment, http, needs, pubsub_emulator, simulator

TOPIC = "projects/local-project/topics/bookings-table-status"


class CloudRun:
    """What stands between Pub/Sub and the function: gives each request a trace, and logs its answer."""

    def __init__(self, test, function, traces=True, refuses=None):
        self.log, self.pushes = [], 0
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
                status = refuses or http("POST", f"http://127.0.0.1:{function}{self.path}", body, headers)[0]
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

    def setUp(self):
        self.zendesk, self.function = free_port(), free_port()
        simulator(self, self.zendesk)
        self.pubsub = pubsub_emulator(self)
        self.cloud = GoogleCloud(self, self.pubsub)

    def start(self, traces=True, refuses=None, **more):
        process = Process(self, [BINARIES / "booking-status-function"], function_environment(
            self.zendesk, PORT=str(self.function), GOOGLE_CLOUD_PROJECT="local-project", **more)).wait_for(self.function)
        self.run = CloudRun(self, self.function, traces, refuses)
        self.cloud.logged = lambda: log_entries(process.log) + self.run.log
        set_up_emulator(self.pubsub, f"http://127.0.0.1:{self.run.port}/{TOPIC}", quick=True)
        return process

    def smoke(self, *arguments, **more):
        return run(self.cloud, "smoke.sh", *arguments, **{"SMOKE_SECONDS": "60", "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay", **more})

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

    def test_the_204_has_to_be_its_own(self):
        process = self.start()
        # Another's, of the same time.
        self.cloud.logged = lambda: log_entries(process.log) + push_log("booking-status-function", 204, "projects/local-project/traces/" + "f" * 32)
        result = self.smoke(SMOKE_SECONDS="5")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no 204", result.stderr)

    def test_a_wrong_secret_is_told(self):
        self.start(ZENDESK_CLIENT_SECRET="wrong")
        result = self.smoke(SMOKE_SECONDS="10")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("check the OAuth client's id and secret", result.stderr)
        self.assertRegex(result.stderr, r"\d+ 503")

    def test_a_platform_that_lets_nobody_in_is_told(self):
        self.start(refuses=403)
        result = self.smoke(SMOKE_SECONDS="8")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stderr, r"\d+ 403")

    def test_detached_is_when_nothing_comes_any_more(self):
        self.start()
        result = self.smoke("--detached", SMOKE_SECONDS="3", QUIET_SECONDS="10")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("changes still come", result.stderr)

        result = run(self.cloud, "deploy.sh", "detach", QUIET_SECONDS="8", SMOKE_SECONDS="60")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("nothing is pushed", result.stdout)
        _, subscription = http("GET", f"http://{self.pubsub}/v1/projects/local-project/subscriptions/bookings-table-status-push")
        self.assertEqual(subscription.get("pushConfig", {}), {})
        # Nothing that is published then is lost, and a smoke test says why it does not come.
        result = self.smoke(SMOKE_SECONDS="6")
        self.assertIn("Nothing was pushed", result.stderr)


if __name__ == "__main__":
    unittest.main()
