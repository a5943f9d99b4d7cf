import base64
import datetime
import hashlib
import hmac
import http.client
import json
import subprocess
import tempfile
import time
import unittest

import yaml
from deployment import run
from google_cloud import GoogleCloud
from support import BINARIES, Dev, Process, free_port, http as call, needs, pubsub_emulator, wait_until

TOPIC = "projects/local-project/topics/tickets"
PULL = "projects/local-project/subscriptions/tickets"


def signed(body, secret="new", age=0):
    """The header fields with which Zendesk signs a body."""
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    timestamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = hmac.new(secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json; charset=utf-8",
        "x-zendesk-webhook-signature": base64.b64encode(signature).decode(),
        "x-zendesk-webhook-signature-timestamp": timestamp,
    }


def created(ticket):
    return json.dumps({"type": "zen:event-type:ticket.created", "id": "e", "detail": {"id": str(ticket)}, "event": {}}).encode()


@needs("gcloud")
class ReceiverTests(unittest.TestCase):
    """booking-status-webhook, the program that is deployed, with Google's Pub/Sub emulator."""

    @classmethod
    def setUpClass(cls):
        shared = type("Shared", (), {"addCleanup": cls.addClassCleanup})()
        cls.emulator = pubsub_emulator(shared)
        cls.port = free_port()
        environment = {
            "HOST": "127.0.0.1",
            "PORT": str(cls.port),
            "WEBHOOK_TOPIC": TOPIC,
            "ZENDESK_WEBHOOK_SECRET": "new,old",
            "PUBSUB_EMULATOR_HOST": cls.emulator,
            "FUNCTION_TIMEOUT_SECONDS": "3",
        }
        cls.receiver = Process(shared, [BINARIES / "booking-status-webhook"], environment).wait_for(cls.port)

    def setUp(self):
        for method, path, body in (("DELETE", PULL, None), ("DELETE", TOPIC, None), ("PUT", TOPIC, {}), ("PUT", PULL, {"topic": TOPIC})):
            call(method, f"http://{self.emulator}/v1/{path}", body)

    def post(self, body, headers, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        connection.request(method, "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())

    def messages(self):
        _, answer = call("POST", f"http://{self.emulator}/v1/{PULL}:pull", {"maxMessages": 100, "returnImmediately": True})
        return [received["message"]["attributes"] for received in answer.get("receivedMessages", [])]

    def test_a_signed_event_is_one_message_with_either_secret(self):
        for secret in ("new", "old"):
            body = created(7)
            self.assertEqual(self.post(body, signed(body, secret))[:2], (204, b""))
        self.assertEqual(self.messages(), [{"task": "ticket", "ticket": "7"}] * 2)

    def test_forged_replayed_changed_and_oversized_events_are_refused_and_nothing_is_published(self):
        body = created(7)
        large = created(7)[:-1] + b" " * (256 << 10) + b"}"
        for sent, headers, expected in (
            (body, signed(body, "guessed"), 401),
            (body, signed(body, age=3700), 401),
            (body, signed(body, age=-3700), 401),
            (created(8), signed(body), 401),
            (body, {}, 401),
            (large, signed(large), 413),
            (b"{}", signed(b"{}"), 422),
        ):
            status, answer, _ = self.post(sent, headers)
            self.assertEqual(status, expected, headers)
            if status == 401:
                self.assertEqual(answer, b"")
        self.assertEqual(self.post(None, {}, "GET")[0], 405)
        self.assertEqual(self.messages(), [])
        self.assertNotIn("guessed", self.receiver.log)

    def test_a_slow_sender_is_cut_off_and_others_are_served_meanwhile(self):
        slow = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(slow.close)
        slow.putrequest("POST", "/")
        slow.putheader("content-length", "100")
        slow.endheaders()
        slow.send(b"{")
        body = created(7)
        self.assertEqual(self.post(body, signed(body))[0], 204)
        self.assertEqual(slow.getresponse().status, 408)

    def test_what_cannot_be_published_is_503_with_a_short_wait(self):
        call("DELETE", f"http://{self.emulator}/v1/{TOPIC}")
        body = created(7)
        status, _, headers = self.post(body, signed(body))
        self.assertEqual((status, headers["Retry-After"]), (503, "2"))
        wait_until(lambda: "Pub/Sub answers 404" in self.receiver.log, 5, "the log says why")

    def test_settings_that_make_no_sense_end_the_start(self):
        wrong = subprocess.run(
            [BINARIES / "booking-status-webhook"], env={"WEBHOOK_TOPIC": "t", "PORT": "x"}, capture_output=True, text=True, timeout=60
        )
        self.assertEqual(wrong.returncode, 78)
        self.assertEqual((wrong.stdout + wrong.stderr).count("configuration: "), 3)


@needs("gcloud")
class WholeWayTests(unittest.TestCase):
    def test_a_new_ticket_shows_its_booking_s_status_without_a_sweep(self):
        dev = Dev(self, "--google", "--empty", "--sweep-seconds", "0")
        dev.post("bookings", {"id": "B-1", "status": "InStay"})
        wait_until(lambda: any(event["state"] == "done" for event in dev.state()["events"]), 30, "the booking's own change is done")
        ticket = dev.post("tickets", {"subject": "?", "booking": "B-1"})["id"]
        wait_until(lambda: dev.shown().get(ticket) == "InStay", 30, "the ticket shows it")
        [event] = [event for event in dev.state()["events"] if event["ticket"] == ticket]
        self.assertEqual(event["outcome"], "added")
        self.assertLess(event["ms"], 10_000)


@needs("gcloud")
class DeploymentTests(unittest.TestCase):
    """function/deploy.sh with WEBHOOK=true."""

    def test_the_receiver_is_deployed_beside_and_may_publish_to_one_topic(self):
        cloud = GoogleCloud(self)
        with tempfile.NamedTemporaryFile("w") as client, tempfile.NamedTemporaryFile("w") as webhook:
            client.write("very secret")
            webhook.write("signing secret")
            client.flush(), webhook.flush()
            settings = {"WEBHOOK": "true", "ZENDESK_CLIENT_SECRET_FILE": client.name, "WEBHOOK_SECRET_FILE": webhook.name}
            settings["WEBHOOK_FIELD_CHANGES"] = "true"
            deployed = run(cloud, "deploy.sh", **settings)
            self.assertEqual(deployed.returncode, 0, deployed.stderr)
            requests = cloud.take_requests()
            manifests = [request.body for request in requests if request.path.endswith("namespaces/local-project/services")]
            [receiver] = [manifest for manifest in manifests if manifest["metadata"]["name"] == "booking-status-webhook"]
            self.assertEqual(receiver["metadata"]["annotations"]["run.googleapis.com/invoker-iam-disabled"], "true")
            template = receiver["spec"]["template"]
            self.assertEqual(template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"], "2")
            container = template["spec"]["containers"][0]
            variables = {variable["name"]: variable["value"] for variable in container["env"]}
            topic = "projects/local-project/topics/bookings-table-status-ticket"
            self.assertEqual((variables["WEBHOOK_TOPIC"], variables["WEBHOOK_FIELD_CHANGES"]), (topic, "true"))
            self.assertFalse([name for name in variables if name.startswith("ZENDESK_CLIENT")])
            account = template["spec"]["serviceAccountName"]
            # All that its account may do.
            granted = [
                (request.path, binding["role"])
                for request in requests
                if request.path.endswith(":setIamPolicy")
                for binding in request.body["policy"]["bindings"]
                if f"serviceAccount:{account}" in binding["members"]
            ]
            self.assertEqual(
                dict(granted),
                {
                    f"/v1/{topic}:setIamPolicy": "roles/pubsub.publisher",
                    "/v1/projects/local-project/secrets/zendesk-webhook-secret:setIamPolicy": "roles/secretmanager.secretAccessor",
                },
            )
            puts = [request for request in requests if request.method == "PUT"]
            [subscription] = [request.body for request in puts if request.path.endswith("bookings-table-status-ticket-push")]
            self.assertEqual(subscription["topic"], topic)
            self.assertIn("booking-status-function-", subscription["pushConfig"]["pushEndpoint"])
            self.assertEqual(subscription["deadLetterPolicy"]["maxDeliveryAttempts"], 50)
            titles = [request.body["displayName"] for request in requests if request.path.endswith("/alertPolicies") and request.body]
            self.assertEqual(len([title for title in titles if "ebhook" in title]), 2)

            self.assertEqual(run(cloud, "deploy.sh", "diff", **settings).stdout, "nothing differs\n")
            webhook.write(" changed")
            webhook.flush()
            changed = run(cloud, "deploy.sh", "diff", **settings | {"WEBHOOK_FIELD_CHANGES": "false"}).stdout
            self.assertIn("zendesk-webhook-secret: gets a new version", changed)
            self.assertIn("WEBHOOK_FIELD_CHANGES", changed)
            cloud.take_requests()
            alone = run(cloud, "deploy.sh", "webhook", **settings)
            self.assertEqual(alone.returncode, 0, alone.stderr)
            replaced = [request.path for request in cloud.take_requests() if request.method == "PUT" and "/services/" in request.path]
            self.assertEqual([path.rsplit("/", 1)[-1] for path in replaced], ["booking-status-webhook"])

        self.assertEqual(run(cloud, "deploy.sh", "delete", WEBHOOK="true").returncode, 0)
        left = [name for name in cloud.things if "ticket" in name or name.endswith("services/booking-status-webhook")]
        self.assertEqual(left, [])

    def test_without_the_switch_there_is_no_receiver_and_with_it_what_is_missing_is_named(self):
        cloud = GoogleCloud(self)
        without = [*yaml.safe_load_all(run(cloud, "deploy.sh", "render").stdout)]
        self.assertEqual([manifest["kind"] for manifest in without], ["Service", "Job"])
        rendered = [*yaml.safe_load_all(run(cloud, "deploy.sh", "render", WEBHOOK="true").stdout)]
        self.assertEqual([manifest["metadata"]["name"] for manifest in rendered][2:], ["booking-status-webhook"])
        for settings, named in (
            ({"WEBHOOK": "true", "SPANNER_DATABASE": None}, "SPANNER_DATABASE is missing"),
            ({"WEBHOOK": "true", "ZENDESK_CLIENT_SECRET_FILE": __file__}, "setup --webhook https://booking-status-webhook-123456789.europe"),
        ):
            refused = run(cloud, "deploy.sh", **settings)
            self.assertEqual(refused.returncode, 78)
            self.assertIn(named, refused.stderr)
        self.assertEqual(run(cloud, "deploy.sh", "webhook").returncode, 78)
        changed = [request for request in cloud.take_requests() if request.method != "GET" and request.host != "spanner.googleapis.com"]
        self.assertEqual(changed, [])


if __name__ == "__main__":
    unittest.main()
