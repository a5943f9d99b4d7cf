"""function/deploy.sh, run twice with the real gcloud against a Google Cloud on loopback: once for
all tests, since gcloud takes a second a command.
"""

import atexit
import contextlib
import fcntl
import functools
import json
import os
import pathlib
import re
import subprocess
import tempfile

from google_cloud import GoogleCloud
from support import FUNCTION, http

SETTINGS = {
    "PROJECT": "local-project",
    "REGION": "europe-west1",
    "ZENDESK_URL": "https://example.zendesk.com",
    "ZENDESK_CLIENT_ID": "booking_status_sync",
    "ZENDESK_BOOKING_ID_FIELD": "1001",
    "ZENDESK_BOOKING_STATUS_FIELD": "1002",
    "ZENDESK_BOOKING_VERSION_FIELD": "1003",
    "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay,Booked & paid=booking_2_booked",
    "SPANNER_DATABASE": "projects/local-project/instances/hotel/databases/bookings",
}
SECRET = "very secret"


class Whole:
    """Ends with the process instead of with a test."""

    addCleanup = staticmethod(atexit.register)


NAMES = set(re.findall(r"^#?([A-Z_]+)=", (FUNCTION / "settings.example.env").read_text(), re.M))


def settings_file(folder, **more):
    """A settings file; a setting that is None is left out."""
    path = pathlib.Path(folder) / "settings.env"
    path.write_text("".join(f"{name}={value}\n" for name, value in {**SETTINGS, **more}.items() if name in NAMES and value is not None))
    return path


def run(cloud, script, *arguments, file=True, **more):
    """A script with a settings file as its last argument; what is no setting is in its environment."""
    environment = {name: value for name, value in more.items() if name not in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            ["sh", FUNCTION / script, *arguments, *([settings_file(folder, **more)] if file else [])],
            env={"PATH": os.environ["PATH"], **cloud.environment, **environment},
            capture_output=True,
            text=True,
            timeout=900,
        )


class Deployment:
    """What was asked of Google Cloud by a first deployment, and by a second one that changes
    nothing.
    """

    def __init__(self):
        self.cloud = GoogleCloud(Whole)
        secret = tempfile.NamedTemporaryFile("w")
        secret.write(SECRET)
        secret.flush()
        self.results, self.requests = [], []
        for refusals in (1, 0):
            self.cloud.refusals = self.cloud.api_refusals = refusals
            self.results.append(run(self.cloud, "deploy.sh", ZENDESK_CLIENT_SECRET_FILE=secret.name))
            self.requests.append(self.cloud.take_requests())
            assert self.results[-1].returncode == 0, self.results[-1].stderr

    def find(self, method, ending, attempt=0):
        """The body of the one request of this method whose path ends so."""
        found = [request.body for request in self.requests[attempt] if request.method == method and request.path.endswith(ending)]
        assert len(found) == 1, (method, ending, found)
        return found[0]

    @property
    def service(self):
        return self.find("POST", "/serving.knative.dev/v1/namespaces/local-project/services")

    @property
    def job(self):
        return self.find("POST", "/run.googleapis.com/v1/namespaces/local-project/jobs")


SHARED = pathlib.Path(os.environ.get("SHARED_BY_TESTS") or tempfile.mkdtemp())
SUBSCRIPTIONS = SHARED / "subscriptions.json"


@contextlib.contextmanager
def one_at_a_time():
    with open(SHARED / "deployment.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def deploy():
    deployed = Deployment()
    asked = [request for request in deployed.requests[0] if request.host == "pubsub.googleapis.com" and request.method == "PUT"]
    SUBSCRIPTIONS.write_text(json.dumps([(request.path, request.body) for request in asked]))
    return deployed


@functools.cache
def deployment():
    with one_at_a_time():
        return deploy()


def subscriptions():
    """Path and body of each topic and subscription that gcloud asked for. Modules that run beside
    each other look at one deployment.
    """
    with one_at_a_time():
        if not SUBSCRIPTIONS.exists():
            deploy()
        return json.loads(SUBSCRIPTIONS.read_text())


def set_up_emulator(pubsub, endpoint=None, quick=False):
    """Sends the emulator the topics and subscriptions that gcloud asked for, in place of those that it
    has; it delivers over plain HTTP to this machine, and sends no token.
    """
    for path, body in subscriptions():
        # Google's service takes 31 days, its emulator 7.
        if body.get("messageRetentionDuration") == "2678400s":
            body["messageRetentionDuration"] = "604800s"
        if "pushConfig" in body:
            body["pushConfig"] = {"pushEndpoint": endpoint or body["pushConfig"]["pushEndpoint"]}
        # Hours become seconds here; the shape of the policy stays.
        if quick and "deadLetterPolicy" in body:
            body["retryPolicy"] = {"minimumBackoff": "0.1s", "maximumBackoff": "0.2s"}
            body["deadLetterPolicy"] = {**body["deadLetterPolicy"], "maxDeliveryAttempts": 5}
            body["retainAckedMessages"] = True
        http("DELETE", f"http://{pubsub}{path}")
        status, answer = http("PUT", f"http://{pubsub}{path}", body)
        assert status == 200, (path, answer)
