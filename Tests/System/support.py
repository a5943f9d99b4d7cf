"""What the tests of whole processes share: processes that end with the test, Google's emulators,
HTTP.
"""

import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION = ROOT / "function"
BINARIES = ROOT / ".build" / "debug"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(holds, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def http(method, url, body=None, headers=None, timeout=30):
    """The answer's status and body; the body as JSON where it is some."""
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    request = urllib.request.Request(url, data=data, method=method, headers={"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text.decode(errors="replace")


class Shared:
    """Stands for the test where a class shares what its tests need: it ends with the class."""

    def __init__(self, test_class):
        self.addCleanup = test_class.addClassCleanup


class Process:
    """A process in a group of its own; the whole group ends with the test."""

    def __init__(self, test, command, env=None):
        self.log_file = tempfile.NamedTemporaryFile(prefix="deployment-", suffix=".log")
        test.addCleanup(self.log_file.close)
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=os.environ | {"CLOUDSDK_CORE_PROJECT": "local-project", "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"} | (env or {}),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self.log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        test.addCleanup(self.end)

    @property
    def log(self):
        return pathlib.Path(self.log_file.name).read_text(errors="replace")

    def end(self, sig=signal.SIGTERM):
        try:
            os.killpg(self.process.pid, sig)
            self.process.wait(10)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def wait_for(self, port, seconds=60):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log}")
            return listens(port)

        wait_until(ready, seconds, "a server listens")
        return self


def needs(program):
    """Skips, and says why, where the program is not there. `.ci/run` fails on a skip on machines
    that have all of them.
    """
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def spanner_emulator(test, grpc=None, rest=None):
    """The URL of its REST interface."""
    grpc, rest = grpc or free_port(), rest or free_port()
    process = Process(test, ["gcloud", "emulators", "spanner", "start", f"--host-port=127.0.0.1:{grpc}", f"--rest-port={rest}"])
    process.wait_for(rest)
    return f"http://127.0.0.1:{rest}/v1"


def pubsub_emulator(test):
    """Its HOST:PORT."""
    port = free_port()
    process = Process(test, ["gcloud", "beta", "emulators", "pubsub", "start", f"--host-port=127.0.0.1:{port}"])
    process.wait_for(port)
    wait_until(
        lambda: http("GET", f"http://127.0.0.1:{port}/v1/projects/local-project/topics")[0] == 200, 30, "the Pub/Sub emulator answers"
    )
    return f"127.0.0.1:{port}"


def simulator(test, port, tickets=ROOT / "events" / "tickets.json"):
    return Process(test, [BINARIES / "bookingstatus", "simulator", "--port", port, "--tickets", tickets]).wait_for(port)


def function_environment(zendesk_port, **more):
    return {
        "HOST": "127.0.0.1",
        "ZENDESK_URL": f"http://127.0.0.1:{zendesk_port}",
        "ZENDESK_CLIENT_ID": "booking-status-sync",
        "ZENDESK_CLIENT_SECRET": "local-secret",
        "ZENDESK_BOOKING_ID_FIELD": "1001",
        "ZENDESK_BOOKING_STATUS_FIELD": "1002",
        "ZENDESK_BOOKING_VERSION_FIELD": "1003",
        "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay,Booked=booking_2_booked,Tentative=booking_3_tentative,"
        "CheckedOut=booking_4_checked_out,Cancelled=booking_5_cancelled",
    } | more


def ticket_status(zendesk_port, ticket=1):
    """The tag that the ticket's status field shows."""
    _, answer = http("GET", f"http://127.0.0.1:{zendesk_port}/api/v2/tickets/{ticket}.json", headers={"authorization": "Bearer local"})
    # An empty field is null, "" or not there at all.
    return next((field["value"] for field in answer["ticket"]["custom_fields"] if field["id"] == 1002), None) or None


def sample(name):
    return base64.b64encode((ROOT / "events" / name).read_bytes()).decode()


class Dev(Process):
    """`bookingstatus dev` on free ports, with the addresses that it prints."""

    def __init__(self, test, *arguments, env=None):
        super().__init__(test, [BINARIES / "bookingstatus", "dev", "--port", "0", "--console-port", "0", *arguments], env)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.log}")
            return "Ctrl-C stops" in self.log

        wait_until(ready, 90, "all of it is there")
        words = {line.split()[0]: line.split()[1] for line in self.log.splitlines() if len(line.split()) > 1}
        self.console, self.function = words["console"].rstrip("/"), words["function"]

    def state(self):
        status, answer = http("GET", f"{self.console}/console/state")
        assert status == 200, answer
        return answer

    def post(self, path, body):
        status, answer = http("POST", f"{self.console}/console/{path}", body)
        assert status == 200, answer
        return answer

    def shown(self):
        """The status that each ticket shows, by its number."""
        return {ticket["id"]: ticket["status"] for ticket in self.state()["tickets"]}
