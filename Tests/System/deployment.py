"""Runs function/deploy.sh against the stand-in for gcloud."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from support import FUNCTION

SETTINGS = {
    "PROJECT": "local-project",
    "REGION": "europe-west1",
    "IMAGE": "registry.example/booking-status-function:1",
    "ZENDESK_URL": "https://example.zendesk.com",
    "ZENDESK_CLIENT_ID": "booking_status_sync",
    "ZENDESK_BOOKING_ID_FIELD": "1001",
    "ZENDESK_BOOKING_STATUS_FIELD": "1002",
    "ZENDESK_BOOKING_VERSION_FIELD": "1003",
    "BOOKING_STATUS_TAGS": "InStay=booking_1_in_stay,Booked & paid=booking_2_booked",
    "SPANNER_DATABASE": "projects/local-project/instances/hotel/databases/bookings",
}


class Deployment:
    def __init__(self, test):
        folder = tempfile.TemporaryDirectory(prefix="deployment-")
        test.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "gcloud").symlink_to(pathlib.Path(__file__).with_name("gcloud_stand_in.py"))

    def run(self, *arguments, **more):
        environment = {**SETTINGS, **more, "STAND_IN": str(self.folder), "PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
        environment = {name: value for name, value in environment.items() if value is not None}
        return subprocess.run(["sh", FUNCTION / "deploy.sh", *arguments], env=environment, capture_output=True, text=True, timeout=120)

    def take_calls(self):
        """The calls since the last time."""
        file = self.folder / "calls"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return calls

    @property
    def manifest(self):
        return (self.folder / "service.yaml").read_text()

    @property
    def job(self):
        return (self.folder / "sweep-job.yaml").read_text()


def words(call):
    return [word for word in call if not word.startswith("--")]


def flags(call):
    return dict(re.fullmatch(r"--([^=]+)=?(.*)", word, re.S).groups() for word in call if word.startswith("--"))
