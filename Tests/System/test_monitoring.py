import json
import re
import subprocess
import unittest

import test_sweep
import yaml
from cloud_logging import Filter, log_entries
from deployment import run
from google_cloud import GoogleCloud, push_log
from support import BINARIES, FUNCTION, Process, free_port, needs, wait_until

NAMES = {"@service@": "booking-status-function", "@sweep_job@": "booking-status-sweep"}


def read(text):
    for name, value in NAMES.items():
        text = text.replace(name, value)
    return Filter(text)


def alerts():
    return {
        path.stem: json.loads(path.read_text()) for path in sorted((FUNCTION / "monitoring" / "alerts").glob("*.json"))
    }


def metrics():
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((FUNCTION / "monitoring" / "metrics").glob("*.yaml"))}


def audit_log(kind, message):
    """An entry of an audit log about the nightly job.

    Sources: Cloud Audit Logs' documentation, AuditLog; an entry of Cloud Run's in google/cloud-forensics-utils;
    a failed execution is told in the log of system events.
    """
    return {
        "logName": f"projects/local-project/logs/cloudaudit.googleapis.com%2F{kind}",
        "severity": "ERROR",
        "timestamp": "2026-11-24T03:09:00Z",
        "resource": {"type": "cloud_run_job", "labels": {"job_name": "booking-status-sweep", "location": "europe-west1"}},
        "protoPayload": {"serviceName": "run.googleapis.com", "status": {"code": 9, "message": message}},
    }


# Source: Cloud Scheduler's documentation, "View logs".
NOT_STARTED = {
    "logName": "projects/local-project/logs/cloudscheduler.googleapis.com%2Fexecutions",
    "severity": "ERROR",
    "timestamp": "2026-11-24T03:00:00Z",
    "resource": {"type": "cloud_scheduler_job", "labels": {"job_id": "booking-status-sweep-all", "location": "europe-west1"}},
    "httpRequest": {"status": 403},
    "jsonPayload": {"status": "PERMISSION_DENIED", "debugInfo": "URL_ERROR-ERROR_AUTHENTICATION"},
}


@needs("gcloud")
class MonitoringTests(unittest.TestCase):
    """function/monitoring: each filter against lines that the function and the job have logged."""

    database, commit = test_sweep.SweepTests.database, test_sweep.SweepTests.commit
    account, environment = test_sweep.SweepTests.account, test_sweep.SweepTests.environment

    def function(self, *events, expect=204, until=None, **more):
        """What a function logs on these records, and on a sweep where there is none."""
        port = free_port()
        process = Process(self, [BINARIES / "booking-status-function"], self.environment(PORT=str(port), **more)).wait_for(port)
        for event in events or ["--sweep"]:
            command = [BINARIES / "bookingstatus", "invoke", "--to", f"http://127.0.0.1:{port}/", "--sweep" if event == "--sweep" else "-"]
            answer = subprocess.run(command, capture_output=True, text=True, timeout=120, input=None if event == "--sweep" else event)
            self.assertEqual(answer.stdout.split()[0], str(expect), answer.stdout + process.log)
        if until:
            wait_until(lambda: until in process.log, 20, until)
        process.end()
        return log_entries(process.log)

    def record(self, *bookings, status="Booked", seconds=1):
        mods = [
            {"keysJson": json.dumps({"ID": booking}), "oldValuesJson": "{}", "newValuesJson": json.dumps({"Status": status})}
            for booking in bookings
        ]
        return json.dumps(
            {
                "commitTimestamp": {"seconds": 1795464800 + seconds, "nanos": 0},
                "serverTransactionId": f"t{seconds}",
                "recordSequence": "0",
                "tableName": "Bookings",
                "modType": "INSERT",
                "mods": mods,
            }
        )

    def logs(self):
        """What was logged, by what was wrong."""
        self.database()
        self.account({1: "b-1"}, age=3600, is_blind=True)
        blind = self.function(self.record("b-1"), expect=503)
        held = [f"h-{number}" for number in range(1, 26)]
        self.account(dict(enumerate(held, 1)))
        absent = self.function(self.record(*held), "--sweep", ZENDESK_WRITES_PER_MINUTE="100")
        self.account(
            {**{1: "b-1", 2: "b-2", 3: "b-3"}, **{number: f"c-{number}" for number in range(10, 3120)}},
            requests_per_minute=100_000,
            updates_per_minute=20_000,
        )
        generous = {"ZENDESK_READS_PER_MINUTE": "20000", "ZENDESK_WRITES_PER_MINUTE": "5000"}
        logs = {
            "search-is-blind": blind,
            "clears-held": absent,
            "other-table": self.function(self.record("b-2"), expect=422, BOOKING_TABLE="Stays"),
            "nothing": self.function(self.record("b-1"), self.record("nobody"), **generous),
            "unknown-status": self.function(self.record("b-2", status="Lost"), expect=422),
            "ambiguous-booking": self.function(self.record("b-2", "b-2"), expect=422),
            "tag-not-accepted": self.function(self.record("b-2"), expect=422, BOOKING_STATUS_TAGS="Booked=not_an_option"),
            "needs-a-person": self.function(self.record("b-2"), expect=503, ZENDESK_CLIENT_SECRET="wrong"),
            # Three thousand tickets, on whatever machine this is.
            "sweep-cut": self.function(**generous, FUNCTION_TIMEOUT_SECONDS="110"),
        }
        # A row that has changed since its ticket was written, and no record of it.
        self.commit([["b-1", "InStay"]])
        job = subprocess.run(
            [BINARIES / "booking-status-function", "sweep", "--all"],
            capture_output=True,
            text=True,
            timeout=300,
            env=self.environment(**generous),
        )
        logs["changes-lost"] = log_entries(job.stdout + job.stderr, job=True)
        logs["nightly-sweep-failed"] = [NOT_STARTED]
        return logs

    def test_each_alert_fires_on_its_line_and_on_no_other(self):
        logs = self.logs()
        self.assertGreater(sum(map(len, logs.values())), 3000)
        filters = {
            name: policy["conditions"][0]["conditionMatchedLog"]["filter"]
            for name, policy in alerts().items()
            if "conditionMatchedLog" in policy["conditions"][0]
        }
        self.assertEqual(set(filters), set(logs) - {"nothing"})
        failed = audit_log("system_event", "Execution booking-status-sweep-x has failed to complete, 0/1 tasks were a success.")
        self.assertTrue(read(filters["nightly-sweep-failed"]).matches(failed))
        self.assertFalse(read(filters["needs-a-person"]).matches(failed))
        # Somebody who was not allowed to.
        logs["nothing"].append(audit_log("activity", "Permission 'run.jobs.run' denied"))
        # Cloud Run logs each request beside them. Refusals are routine.
        for status in (204, 422, 429, 503):
            logs["nothing"] += push_log("booking-status-function", status)
        for name, text in filters.items():
            fired = {cause for cause, entries in logs.items() if any(read(text).matches(entry) for entry in entries)}
            self.assertEqual(fired, {name}, text)
        counted = {
            name: sum(read(metric["filter"]).matches(entry) for entries in logs.values() for entry in entries)
            for name, metric in metrics().items()
        }
        self.assertGreater(counted["booking_status_outcomes"], 5)
        # What a sweep does is no sign that changes come.
        swept = [
            entry
            for entry in logs["sweep-cut"]
            if entry["jsonPayload"].get("task") == "sweep" and entry["jsonPayload"]["message"] == "booking status"
        ]
        self.assertTrue(swept)
        self.assertFalse(any(read(metrics()["booking_status_outcomes"]["filter"]).matches(entry) for entry in swept))
        self.assertEqual(counted["booking_status_commit_to_write_ms"], 26)
        for kind in ("reads", "writes", "jobs"):
            self.assertEqual(counted[f"booking_status_zendesk_{kind}"], 2)

    def test_a_count_in_a_line_is_compared_as_a_number(self):
        text = metrics()["booking_status_sweep_unfinished"]["filter"]
        entry = {
            "severity": "INFO",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "booking-status-function"}},
            "jsonPayload": {"message": "sweep", "unfinished": 3},
        }
        self.assertTrue(read(text).matches(entry))
        for payload in ({"message": "sweep"}, {"message": "sweep", "unfinished": "3"}, {"message": "sweep", "unfinished": 0}):
            self.assertFalse(read(text).matches({**entry, "jsonPayload": payload}))

    def test_what_alerts_and_dashboard_name_is_there(self):
        text = " ".join(path.read_text() for path in (FUNCTION / "monitoring").rglob("*.*") if path.parent.name != "metrics")
        self.assertEqual(set(re.findall(r"logging.googleapis.com/user/(\w+)@SUFFIX@", text)), set(metrics()))
        self.assertTrue(all(policy["documentation"]["content"] for policy in alerts().values()))

    def test_the_runbook_has_each_alert_and_no_other(self):
        [section] = [part for part in (FUNCTION / "RUNBOOK.md").read_text().split("\n## ") if part.startswith("Alerts")]
        told = [row.split("|")[1].strip() for row in section.splitlines() if row.startswith("| ")][1:]
        self.assertEqual(sorted(told), sorted(policy["displayName"].removeprefix("@service@: ") for policy in alerts().values()))

    def test_the_pipeline_is_watched_as_itself(self):
        policies = alerts()
        for name, conditions in (("pipeline-behind", 2), ("pipeline-stopped", 2), ("sweeps-stopped", 1), ("dead-letters", 1)):
            self.assertEqual(len(policies[name]["conditions"]), conditions)
            # By metrics that Google has without us.
            self.assertNotIn("logging.googleapis.com", str(policies[name]))
        conditions = policies["pipeline-behind"]["conditions"] + policies["pipeline-stopped"]["conditions"]
        filters = {condition["displayName"]: str(condition) for condition in conditions}
        for condition, metric in (
            ("system-lag", "system_lag"),
            ("watermark-age", "data_watermark_age"),
            ("failed", "is_failed"),
            ("silent", "system_lag"),
        ):
            self.assertIn(f'metric.type="dataflow.googleapis.com/job/{metric}"', filters[condition])
        # One that waits for a person does not hide the next.
        self.assertIn("subscription/dead_letter_message_count", str(policies["dead-letters"]))
        # A smoke test is no sign that changes come.
        entry = push_log("booking-status-function", 204, line={"message": "booking status", "booking": "b-1", "outcome": "no_ticket"})[1]
        counted = read(metrics()["booking_status_outcomes"]["filter"])
        self.assertTrue(counted.matches(entry))
        self.assertFalse(counted.matches({**entry, "jsonPayload": {**entry["jsonPayload"], "booking": "smoke-test-1796058334-4475"}}))

    def test_what_a_person_did_to_an_alert_stays(self):
        cloud = GoogleCloud(self)
        cloud.metric_refusals = 0
        self.assertEqual(run(cloud, "deploy.sh", "monitoring").returncode, 0)
        [path] = [path for path, thing in cloud.things.items() if "Sweeps stay behind" in str(thing.get("displayName"))]
        policy = cloud.things[path]
        identity = policy["conditions"][0]["name"]
        policy["enabled"] = False
        policy["conditions"][0]["conditionThreshold"]["thresholdValue"] = 99
        cloud.take_requests()
        result = run(cloud, "deploy.sh", "monitoring")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Sweeps stay behind: conditions[0].conditionThreshold.thresholdValue is 99, and becomes 30", result.stdout)
        [changed] = [request for request in cloud.take_requests() if request.method == "PATCH" and "alertPolicies" in request.path]
        self.assertNotIn("enabled", changed.query["updateMask"])
        policy = cloud.things[path]
        self.assertEqual((policy["enabled"], policy["conditions"][0]["name"]), (False, identity))
        self.assertEqual(policy["conditions"][0]["conditionThreshold"]["thresholdValue"], 30)

    def test_it_is_put_there_once_and_channels_stay(self):
        cloud = GoogleCloud(self)
        cloud.metric_refusals = 0
        channels = "projects/local-project/notificationChannels/7,projects/local-project/notificationChannels/8"
        # With the alerts about webhooks.
        result = run(cloud, "deploy.sh", "monitoring", WEBHOOK="true")
        self.assertEqual(result.returncode, 0, result.stderr)
        created = [request for request in cloud.take_requests() if request.method == "POST"]
        self.assertEqual(len(created), len(alerts()) + len(metrics()) + 1)
        self.assertNotRegex(str([request.body for request in created]), r"@\??\w+@")
        result = run(cloud, "deploy.sh", "monitoring", WEBHOOK="true", ALERT_CHANNELS=channels)
        self.assertEqual(result.returncode, 0, result.stderr)
        cloud.take_requests()
        result = run(cloud, "deploy.sh", "monitoring", WEBHOOK="true")
        self.assertEqual(result.returncode, 0, result.stderr)
        again = cloud.take_requests()
        self.assertEqual([request for request in again if request.method == "POST"], [])
        # What is as it should be is not touched, so nothing is armed anew.
        self.assertEqual([request for request in again if request.method == "PATCH" and "alertPolicies" in request.path], [])
        found = [thing["notificationChannels"] for path, thing in cloud.things.items() if "/alertPolicies/" in path]
        self.assertEqual((len(found), {",".join(names) for names in found}), (len(alerts()), {channels}))


if __name__ == "__main__":
    unittest.main()
