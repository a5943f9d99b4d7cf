import copy
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import yaml
from deployment import SECRET, SETTINGS, deployment, run, set_up_emulator, settings_file
from google_cloud import GoogleCloud, push_log
from support import FUNCTION, ROOT, http, needs, pubsub_emulator


def environment(manifest):
    """The variables of a manifest's container."""
    spec = manifest["spec"]["template"]["spec"]
    container = spec.get("template", {}).get("spec", spec)["containers"][0]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def commands_of_the_pages():
    """What a reader of function/README.md and RUNBOOK.md is told to run."""
    for page in ("README.md", "RUNBOOK.md"):
        text = (FUNCTION / page).read_text()
        for block in re.findall(r"```sh\n(.*?)```", text, re.S):
            yield from block.replace("\\\n", " ").splitlines()
        inline = re.findall(r"`((?:[A-Z_]+=\S+\s)*(?:gcloud|function/\w+\.sh)[^`]*)`", re.sub(r"```.*?```", "", text, flags=re.S))
        yield from (command.replace("\n", " ") for command in inline)


def shell(cloud, command, **more):
    """A command of the pages, with the folder's live.env and staging.env."""
    environment = {"PROJECT": "local-project", "REGION": "europe-west1", "INSTANCE": "hotel", "DATABASE": "bookings"}
    environment["URL"] = "https://receiver.example.com/"
    return subprocess.run(
        ["sh", "-eu", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **cloud.environment, **environment, **more},
    )


# The alerts that refer to log-based metrics.
OF_METRICS = {"No change for a long time", "Sweeps stay behind"}


def seconds(text):
    return float(str(text).removesuffix("s"))


@needs("gcloud")
class DeployTests(unittest.TestCase):
    """function/deploy.sh with the real gcloud."""

    def granted(self, resource, attempt=0):
        """The roles of a resource, with their members, as they were last set."""
        policies = [
            request.body["policy"] for request in deployment().requests[attempt] if request.path.endswith(f"{resource}:setIamPolicy")
        ]
        self.assertTrue(policies, resource)
        return {binding["role"]: binding for binding in policies[-1]["bindings"]}

    def serving(self, cloud):
        service = cloud.things["/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"]
        [name] = [target["revisionName"] for target in service["status"]["traffic"] if target.get("percent")]
        return name

    def test_a_second_run_creates_nothing(self):
        def created(attempt):
            return [
                f"{request.host} {request.path}"
                for request in deployment().requests[attempt]
                if request.method in ("POST", "PUT") and not re.search(r":[A-Za-z]+$|/sessions$", request.path)
                # Elsewhere a PUT takes the place of what is there.
                and (request.method == "POST" or request.host.startswith("pubsub"))
            ]

        # Three accounts, secret, three topics, three subscriptions, repository, upload and build,
        # service, job and two schedules; and what watches, except for webhooks.
        watched = len(list((FUNCTION / "monitoring").glob("*/[!w]*"))) + 1
        # And what was refused at first: two alerts, and a topic whose API was new.
        refused = deployment().cloud.metric_refusals * len(OF_METRICS) + 1
        self.assertEqual(len(created(0)), 17 + watched + refused, created(0))
        self.assertEqual(created(1), [])

    def test_a_role_that_cannot_be_granted_yet_is_granted_a_moment_later(self):
        self.assertEqual(deployment().results[0].stderr.count("Service account does not exist"), 1)
        self.assertIn("roles/secretmanager.secretAccessor", self.granted("/secrets/zendesk-client-secret"))

    def test_an_api_that_was_just_enabled_is_used_a_moment_later(self):
        self.assertEqual(deployment().results[0].stderr.count("has not been used in project"), 1)

    def test_an_alert_whose_metric_is_too_new_is_made_a_moment_later(self):
        made = [request for request in deployment().requests[0] if request.method == "POST" and "alertPolicies" in request.path]
        asked = [request.body["displayName"] for request in made]
        self.assertEqual({name for name in asked if asked.count(name) > 1}, {f"booking-status-function: {name}" for name in OF_METRICS})
        self.assertEqual({asked.count(f"booking-status-function: {name}") for name in OF_METRICS}, {3})

    def test_without_the_alerts_of_new_metrics_everything_else_works(self):
        cloud = GoogleCloud(self)
        cloud.things.update({path: thing for path, thing in deployment().cloud.things.items() if "alertPolicies" not in path})
        cloud.metric_refusals = 1000
        result = run(cloud, "deploy.sh", METRIC_TRIES="1")
        self.assertEqual(result.returncode, 75, result.stderr)
        for name in OF_METRICS:
            self.assertIn(f"booking-status-function: {name}", result.stderr)
        self.assertRegex(result.stderr, "run `function/deploy.sh monitoring .*` in ten minutes")
        requests = cloud.take_requests()
        self.assertEqual(len([request for request in requests if request.method == "PATCH" and "/dashboards/" in request.path]), 1)
        cloud.metric_refusals = 0
        self.assertEqual(run(cloud, "deploy.sh", "monitoring").returncode, 0)

    def test_events_flow_before_what_watches_them_is_made(self):
        paths = [f"{request.method} {request.path}" for request in deployment().requests[0]]
        [pushes] = [index for index, path in enumerate(paths) if path.startswith("PUT") and path.endswith("/bookings-table-status-push")]
        smoke = next(index for index, path in enumerate(paths) if path.endswith(":publish"))
        made = re.compile(r"^(POST|PUT|PATCH) .*(alertPolicies|/metrics|dashboards)")
        watched = [index for index, path in enumerate(paths) if made.match(path)]
        self.assertLess(pushes, smoke)
        self.assertLess(smoke, min(watched))

    def test_a_fresh_project_gets_what_it_lacks(self):
        enabled = {
            service
            for request in deployment().requests[0]
            if request.path.endswith("services:batchEnable")
            for service in request.body["serviceIds"]
        }
        used = {re.sub(r"^[a-z0-9]+-[a-z0-9]+-run", "run", request.host) for request in deployment().requests[0]}
        # Those two are there in every project.
        self.assertLessEqual(used - {"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com"}, enabled)
        self.assertTrue(
            any(request.path.endswith("/pubsub.googleapis.com:generateServiceIdentity") for request in deployment().requests[0])
        )
        [member] = self.granted("/projects/local-project")["roles/cloudbuild.builds.builder"]["members"]
        build = deployment().find("POST", "/builds")
        self.assertEqual(member, "serviceAccount:" + build["serviceAccount"].rsplit("/", 1)[-1])

    def test_the_build_gets_what_it_needs_and_nothing_else(self):
        [upload] = deployment().cloud.uploads
        names = {member.name.removeprefix("./") for member in tarfile.open(fileobj=io.BytesIO(upload)).getmembers() if not member.isdir()}
        kept = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "Package.swift", "Sources", "Tests", "function/Dockerfile"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        self.assertLessEqual(set(kept), names)
        self.assertLessEqual(
            {name.split("/")[0] for name in names - {"Package.swift", "Package.resolved", "function/Dockerfile"}}, {"Sources", "Tests"}
        )
        build = deployment().find("POST", "/builds")
        [step] = build["steps"]
        self.assertIn("--file=function/Dockerfile", step["args"])
        # By what is in it, not by a tag that could be moved.
        image = build["substitutions"]["_IMAGE"].rsplit(":", 1)[0] + "@sha256:" + "0" * 64
        for manifest in (deployment().service, deployment().job):
            self.assertIn(f"'image': '{image}'", str(manifest))
            self.assertIn(build["substitutions"]["_IMAGE"].rsplit(":", 1)[1], str(manifest))
        policies = deployment().find("PATCH", "/repositories/booking-status")["cleanupPolicies"]
        self.assertIn("mostRecentVersions", str(policies))
        # What the Dockerfile takes unless it is told otherwise.
        defaults = re.findall(r"^ARG (\w+_IMAGE)=(.*)$", (FUNCTION / "Dockerfile").read_text(), re.M)
        self.assertEqual(len(defaults), 2)
        for name, value in defaults:
            self.assertIn(f"--build-arg={name}=$_{name}", step["args"])
            self.assertEqual(build["substitutions"][f"_{name}"], value)
        printed = run(
            GoogleCloud(self), "deploy.sh", "--dry-run", "service", SWIFT_IMAGE="swift@sha256:1", RUNTIME_IMAGE="debian@sha256:2"
        ).stdout
        self.assertRegex(printed, "--substitutions='?_IMAGE=[^, ]*,_SWIFT_IMAGE=swift@sha256:1,_RUNTIME_IMAGE=debian@sha256:2")

    def test_the_secret_goes_to_secret_manager_once_and_its_version_into_the_manifests(self):
        added = [request for attempt in (0, 1) for request in deployment().requests[attempt] if request.path.endswith(":addVersion")]
        self.assertEqual(len(added), 1)
        for manifest in (deployment().service, deployment().job):
            self.assertEqual(re.findall(r"'items': \[\{'key': '([^']*)'", str(manifest)), ["1"])
            self.assertNotIn(SECRET, str(manifest))
        self.assertNotIn(SECRET, deployment().results[0].stdout + deployment().results[0].stderr)

    def test_without_a_secret_it_says_what_to_set(self):
        result = run(GoogleCloud(self), "deploy.sh", "service")
        self.assertEqual(result.returncode, 78)
        self.assertIn("set ZENDESK_CLIENT_SECRET_FILE", result.stderr)

    def test_what_is_deployed_is_what_the_file_says(self):
        cloud = GoogleCloud(self)
        cloud.things.update(deployment().cloud.things)
        cloud.columns = {"Stays": ["ID", "Status"]}
        cloud.watched = ["Stays"]
        path = "/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"

        def deployed(**more):
            result = run(cloud, "deploy.sh", "service", **more)
            self.assertEqual(result.returncode, 0, result.stderr)
            return environment(cloud.things[path])

        before = deployed(DRY_RUN="true", ZENDESK_WRITES_PER_MINUTE="100", BOOKING_TABLE="Stays", CHECK_PUSH_TOKEN="false")
        self.assertEqual((before["BOOKING_TABLE"], before["DRY_RUN"], before["PUSH_AUDIENCE"]), ("Stays", "true", ""))
        # Neither what is deployed nor a variable of the shell counts.
        cloud.columns["Bookings"], cloud.watched = ["ID", "Status"], ["Bookings"]
        after = deployed()
        self.assertEqual((after["BOOKING_TABLE"], after["DRY_RUN"], after["ZENDESK_WRITES_PER_MINUTE"]), ("Bookings", "false", "40"))
        self.assertTrue(after["PUSH_AUDIENCE"])

    def test_a_comparison_names_what_differs_and_changes_nothing(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        cloud.policies.update(deployment().cloud.policies)

        def differences(**more):
            result = run(cloud, "deploy.sh", "diff", **more)
            self.assertEqual(result.returncode, 0, result.stderr)
            written = [request for request in cloud.take_requests() if request.method != "GET"]
            self.assertEqual([request.path for request in written if not re.search(r"/sessions|:executeSql$", request.path)], [])
            return result.stdout

        self.assertEqual(differences(), "nothing differs\n")
        told = differences(DRY_RUN="true", ALERT_CHANNELS="projects/p/notificationChannels/3")
        for service in ("booking-status-function", "booking-status-sweep"):
            self.assertIn(f"{service}: DRY_RUN is false, and becomes true\n", told)
        channels = "notificationChannels[0] is not set, and becomes projects/p/notificationChannels/3\n"
        self.assertEqual(told.count(channels), len(list((FUNCTION / "monitoring" / "alerts").glob("[!w]*"))))
        network = {"EGRESS_NETWORK": "net", "EGRESS_SUBNETWORK": "sub"}
        self.assertEqual(run(cloud, "deploy.sh", "service", **network).returncode, 0)
        self.assertEqual(run(cloud, "deploy.sh", "job", **network).returncode, 0)
        cloud.take_requests()
        self.assertEqual(differences(**network), "nothing differs\n")
        self.assertEqual([run(cloud, "deploy.sh", part).returncode for part in ("service", "job")], [0, 0])
        cloud.take_requests()
        # What somebody has changed in the cloud.
        push = cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]
        push["retryPolicy"]["maximumBackoff"], push["pushConfig"] = "60s", {}
        [revision] = [thing for path, thing in cloud.things.items() if path.endswith("/revisions/" + self.serving(cloud))]
        revision["spec"]["containers"][0]["env"].append({"name": "BY_HAND", "value": "7"})
        told = differences()
        self.assertIn("booking-status-function: BY_HAND is 7, and goes away\n", told)
        self.assertIn("bookings-table-status-push: retryPolicy.maximumBackoff is 60s, and becomes 600s\n", told)
        self.assertIn("bookings-table-status-push: pushConfig.pushEndpoint is not set, and becomes https://", told)
        self.assertEqual(len(told.splitlines()), 5, told)
        self.assertIn("booking-status-function-staging: not deployed\n", differences(SUFFIX="-staging"))

    def test_a_deployment_shifts_traffic_to_a_ready_revision_and_can_be_rolled_back(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        cloud.revisions = deployment().cloud.revisions
        services = "/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"
        job = "/apis/run.googleapis.com/v1/namespaces/local-project/jobs/booking-status-sweep"
        [first] = [target["revisionName"] for target in cloud.things[services]["status"]["traffic"]]
        cloud.things[job]["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["image"] = "newer"
        result = run(cloud, "deploy.sh", "service", DRY_RUN="true")
        self.assertEqual(result.returncode, 0, result.stderr)
        replaced, shifted = [
            request.body["spec"]["traffic"]
            for request in cloud.take_requests()
            if request.method == "PUT" and request.path.endswith("/services/booking-status-function")
        ]
        self.assertEqual(replaced, [{"percent": 100, "revisionName": first}])
        self.assertEqual([target.get("latestRevision") for target in shifted if target["percent"]], [True])
        self.assertIn("answered 204", result.stdout)

        result = run(cloud, "deploy.sh", "rollback", DRY_RUN="true")
        self.assertEqual(result.returncode, 0, result.stderr)
        [target] = [target for target in cloud.things[services]["status"]["traffic"] if target["percent"]]
        self.assertEqual(target["revisionName"], first)
        self.assertIn("sha256:", cloud.things[job]["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["image"])
        # The specification still has what was rolled back; what serves does not.
        self.assertEqual(environment(cloud.things[services])["DRY_RUN"], "true")
        self.assertIn("booking-status-function: DRY_RUN is false, and becomes true\n", result.stdout)
        told = run(cloud, "deploy.sh", "status").stdout
        self.assertIn(f"{first} serves commit", told)
        self.assertNotIn("DRY RUN", told)
        # Not every revision before is one that writes.
        result = run(cloud, "deploy.sh", "service", DRY_RUN="true", LOG_LEVEL="debug")
        result = run(cloud, "deploy.sh", "rollback", DRY_RUN="true")
        self.assertIn("a DRY RUN, which writes nothing", result.stdout)
        self.assertIn("a DRY RUN, which writes nothing", run(cloud, "deploy.sh", "status").stdout)
        self.assertEqual(run(cloud, "deploy.sh", "rollback").returncode, 0)
        self.assertIn("rolled back, or never ready", told)
        # There is nothing before the first one.
        self.assertEqual(run(cloud, "deploy.sh", "rollback").returncode, 1)

    def test_staging_and_a_new_secret_are_deployed_beside_and_leave_nothing_that_differs(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        cloud.policies.update(deployment().cloud.policies)
        cloud.revisions, cloud.metric_refusals = deployment().cloud.revisions, 0
        live = copy.deepcopy(cloud.things)
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write("another secret")
            secret.flush()
            staging = {"SUFFIX": "-staging", "DRY_RUN": "true", "ZENDESK_CLIENT_SECRET_FILE": secret.name}
            result = run(cloud, "deploy.sh", **staging)
            self.assertEqual(result.returncode, 0, result.stderr)
            # Nothing of the live function's has changed.
            self.assertEqual({path: thing for path, thing in cloud.things.items() if path in live and thing != live[path]}, {})
            accounts = {path.rsplit("/", 1)[-1].split("@")[0] for path in cloud.things if "/serviceAccounts/" in path and path not in live}
            self.assertEqual(accounts, {"booking-function-staging", "booking-push-staging", "booking-build-staging"})
            for more in (staging, {}):
                self.assertEqual(run(cloud, "deploy.sh", "diff", **more).stdout, "nothing differs\n")
            # A new secret for the live one.
            told = run(cloud, "deploy.sh", "diff", ZENDESK_CLIENT_SECRET_FILE=secret.name).stdout
            self.assertEqual(told, "zendesk-client-secret: gets a new version\n")
            result = run(cloud, "deploy.sh", "service", ZENDESK_CLIENT_SECRET_FILE=secret.name)
            self.assertEqual(result.returncode, 0, result.stderr)
            service = cloud.things["/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"]
            self.assertIn("'items': [{'key': '2', 'path': 'client-secret'}]", str(service["spec"]))
            told = run(cloud, "deploy.sh", "diff").stdout
            self.assertRegex(told, r"^booking-status-sweep: spec.*secret\.items\[0\]\.key is 1, and becomes 2\n$")
            self.assertEqual(run(cloud, "deploy.sh", "job").returncode, 0)
            self.assertEqual(run(cloud, "deploy.sh", "diff").stdout, "nothing differs\n")

    def test_a_revision_that_does_not_work_is_told_with_the_way_back(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        cloud.revisions = deployment().cloud.revisions
        cloud.logged = lambda: push_log("booking-status-function", 503)
        result = run(cloud, "deploy.sh", "service", DRY_RUN="true", SMOKE_SECONDS="3")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "that serves now does not work: `function/deploy.sh rollback .*` sends all requests back")

    def test_the_state_of_everything_fits_on_a_screen(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        self.assertEqual(run(GoogleCloud(self), "deploy.sh", "status").returncode, 1)
        cloud.points = {
            "dataflow.googleapis.com/job/system_lag": 7,
            "pubsub.googleapis.com/subscription/num_undelivered_messages": 12,
            "pubsub.googleapis.com/subscription/oldest_unacked_message_age": 34,
        }
        cloud.open_alerts = ["booking-status-function: Sweeps stay behind", "something else"]
        change = {"message": "booking status", "booking": "b-7", "outcome": "updated"}
        cloud.logged = lambda: push_log("booking-status-function", 204, line=change)
        cloud.things["/v1b3/projects/local-project/locations/europe-west1/jobs/job-1"] = {
            "id": "job-1",
            "name": "bookings-status-to-pubsub",
            "currentState": "JOB_STATE_RUNNING",
            "type": "JOB_TYPE_STREAMING",
            "createTime": "2026-11-24T00:00:00Z",
            "currentStateTime": "2026-11-24T00:00:00Z",
            "location": "europe-west1",
        }
        result = run(cloud, "deploy.sh", "status")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(len(result.stdout.splitlines()), 20)
        for told in (
            r"^service +booking-status-function-00001 serves commit [0-9a-f]{12}-\d+, the checkout is ",
            r"^secret +version 1 of zendesk-client-secret$",
            r"^pipeline +job-1 Running",
            r"lag 7 s, watermark unknown s behind$",
            r"^backlog +12 messages, the oldest 34 s old$",
            r"^dead letters +12$",
            r"^last change .*b-7$",
            r"^alerts +Sweeps stay behind$",
        ):
            self.assertRegex(result.stdout, re.compile(told, re.M))
        self.assertEqual([request for request in cloud.take_requests() if request.method != "GET" and "entries" not in request.path], [])

    def test_what_cannot_be_read_is_not_taken_for_absent(self):
        refused = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        play = cloud.play_monitoring
        cloud.play_monitoring = lambda request, resource, verb: (403, refused)
        told = run(cloud, "deploy.sh", "status")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertRegex(told.stdout, re.compile("^alerts +unknown$", re.M))
        self.assertEqual(run(cloud, "deploy.sh", "diff").returncode, 1)
        # An API that was never enabled has nothing.
        disabled = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "it is disabled", "details": [{"reason": "SERVICE_DISABLED"}]}}
        cloud.play_monitoring = lambda request, resource, verb: (403, disabled)
        told = run(cloud, "deploy.sh", "diff")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("Sweeps stay behind: not deployed", told.stdout)
        # A database that does not answer is not one that may not be read.
        cloud.play_monitoring = play
        unavailable = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "try again"}}
        cloud.play_spanner = lambda request, resource, verb: (503, unavailable) if "/sessions" in resource else None
        cloud.take_requests()
        told = run(cloud, "deploy.sh", "service")
        self.assertEqual(told.returncode, 1, told.stdout)
        self.assertEqual([request for request in cloud.take_requests() if request.method not in ("GET", "POST")], [])

    def test_what_nobody_pushes_to_is_not_tested(self):
        cloud = GoogleCloud(self)
        cloud.things.update(copy.deepcopy(deployment().cloud.things))
        cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]["pushConfig"] = {}
        result = run(cloud, "deploy.sh", "service", SMOKE_SECONDS="3")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Nothing is pushed to the function, so it is not tested", result.stdout)

    def test_other_tables_that_the_stream_watches_are_ignored(self):
        path = "/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"
        for watched, columns, more, ignored, told in (
            (["Bookings", "Rooms", "sales.Guests"], None, {}, "Rooms,sales.Guests", "IGNORED_TABLES is Rooms,sales.Guests"),
            (["Bookings", "Rooms"], None, {"IGNORED_TABLES": "*"}, "*", ""),
            ([], {}, {}, "", "cannot be read, so table, columns and stream are not checked"),
        ):
            cloud = GoogleCloud(self)
            cloud.things.update(copy.deepcopy(deployment().cloud.things))
            cloud.watched, cloud.columns = watched, cloud.columns if columns is None else columns
            result = run(cloud, "deploy.sh", "service", **more)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(environment(cloud.things[path])["IGNORED_TABLES"], ignored)
            self.assertIn(told, result.stdout + result.stderr)

    def test_a_database_that_is_not_as_the_file_says_is_named_before_anything_is_made(self):
        for change, more, said in (
            ({"columns": {"Stays": ["ID"]}}, {}, "the database has no table Bookings (BOOKING_TABLE)"),
            ({"columns": {"Bookings": ["Status"]}}, {}, "the table Bookings has no column ID"),
            ({"columns": {"Bookings": ["ID"]}}, {}, "the table Bookings has no column Status"),
            ({}, {"CHANGE_STREAM": "Other"}, "the database has no change stream Other (CHANGE_STREAM)"),
            ({"watched": ["sales.Guests"]}, {}, "the change stream does not watch Bookings, but sales.Guests"),
            ({"watched_columns": ["Nights"]}, {}, "the change stream does not watch the column Status of Bookings"),
        ):
            cloud = GoogleCloud(self)
            for name, value in change.items():
                setattr(cloud, name, value)
            result = run(cloud, "deploy.sh", ZENDESK_CLIENT_SECRET_FILE=__file__, **more)
            self.assertEqual((result.returncode, result.stderr), (78, f"deploy.sh: {said}\n"))
            self.assertFalse(cloud.policies)
        cloud = GoogleCloud(self)
        cloud.stream_options = {"value_capture_type": "NEW_VALUES", "retention_period": "36h"}
        told = run(cloud, "deploy.sh", "diff").stdout
        self.assertIn("# value_capture_type is NEW_VALUES", told)
        self.assertIn("# retention_period is 36h", told)

    def test_a_deployment_that_cannot_be_read_is_not_replaced(self):
        cloud = GoogleCloud(self)
        cloud.play_run = lambda request, resource, verb: (403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}})
        result = run(cloud, "deploy.sh", "service")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("PERMISSION_DENIED", result.stderr)
        self.assertFalse(cloud.policies)

    def test_a_dry_run_prints_what_a_first_run_does_and_does_nothing(self):
        cloud = GoogleCloud(self)
        printed = run(cloud, "deploy.sh", "--dry-run", ZENDESK_CLIENT_SECRET_FILE=__file__).stdout
        self.assertEqual(cloud.take_requests(), [])
        commands = [line for line in printed.splitlines() if line.startswith("gcloud ")]
        metrics, alerts = ([*(FUNCTION / "monitoring" / kind).iterdir()] for kind in ("metrics", "alerts"))
        self.assertEqual(len([line for line in commands if " create " in line]), 14 + len(metrics) + 1)
        self.assertEqual(len(re.findall("^curl -X POST https?://monitoring", printed, re.M)), len(alerts) - 2)
        # What is printed can be pasted into a shell.
        for line in commands:
            subprocess.run(["sh", "-n", "-c", line], check=True)

    def test_all_that_is_wrong_with_a_settings_file_is_named_in_one_go(self):
        cloud = GoogleCloud(self)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "live.env"
            path.write_text(
                "# a comment\r\n\nPROJECT=local-project\r\nREGION=europe-west1 \nZENDESK=1\nexport DRY_RUN=true\n"
                "PROJECT=other\nZENDESK_URL='https://example.zendesk.com'\nBOOKING_STATUS_TAGS=In Stay\nSUFFIX=-that-is-much-too-long\n"
                "SPANNER_DATABASE=bookings\nCHECK_PUSH_TOKEN=True\nIGNORED_TABLES=\nZENDESK_CLIENT_ID=a"
            )
            result = shell(cloud, f"PROJECT=other DRY_RUN=maybe function/deploy.sh {path}")
            faults = [line.strip() for line in result.stderr.splitlines()]
            self.assertEqual(result.returncode, 78)
            self.assertEqual(
                faults,
                [
                    f"deploy.sh: {path}:",
                    "line 4 has quotes or a space around the value of REGION: remove them",
                    "line 5 has an unknown setting: ZENDESK",
                    "line 6 is not NAME=value without spaces",
                    "line 7 sets PROJECT again",
                    "line 8 has quotes or a space around the value of ZENDESK_URL: remove them",
                    *(
                        f"{name} is missing"
                        for name in (
                            "REGION",
                            "ZENDESK_URL",
                            "ZENDESK_BOOKING_ID_FIELD",
                            "ZENDESK_BOOKING_STATUS_FIELD",
                            "ZENDESK_BOOKING_VERSION_FIELD",
                        )
                    ),
                    "BOOKING_STATUS_TAGS=In Stay: it must be like InStay=booking_1_in_stay,Booked=booking_2_booked",
                    "SUFFIX=-that-is-much-too-long: it must be a hyphen and at most 12 small letters, digits and hyphens",
                    "SPANNER_DATABASE=bookings: it must be like projects/P/instances/I/databases/D",
                    "CHECK_PUSH_TOKEN=True: it must be true or false",
                ],
            )
            missing = shell(cloud, f"function/deploy.sh {folder}/none.env")
            self.assertEqual(missing.returncode, 78)
            self.assertIn("copy function/settings.example.env and fill it in", missing.stderr)
            # Nothing of it is run.
            path.write_text("PROJECT=$(touch ran)\nZENDESK_URL=`touch ran`\n")
            self.assertEqual(shell(cloud, f"cd {folder} && sh {FUNCTION}/deploy.sh live.env").returncode, 78)
            self.assertEqual([entry.name for entry in pathlib.Path(folder).iterdir()], ["live.env"])
        for settings, said in (
            ({"ZENDESK_CLIENT_SECRET_FILE": "/nowhere/secret"}, "ZENDESK_CLIENT_SECRET_FILE: /nowhere/secret cannot be read"),
            ({"EGRESS_NETWORK": "default"}, "EGRESS_NETWORK and EGRESS_SUBNETWORK belong together"),
        ):
            result = run(cloud, "deploy.sh", "--dry-run", **settings)
            self.assertEqual(result.returncode, 78)
            self.assertIn(said, result.stderr)
        self.assertIn("SPANNER_DATABASE is missing", run(cloud, "deploy.sh", "job", SPANNER_DATABASE=None).stderr)
        self.assertEqual(cloud.take_requests(), [])

    def test_the_example_is_a_settings_file(self):
        result = shell(GoogleCloud(self), "function/deploy.sh --dry-run function/settings.example.env")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_networks_and_policies_are_passed_on(self):
        printed = run(
            GoogleCloud(self),
            "deploy.sh",
            "--dry-run",
            ZENDESK_CLIENT_SECRET_FILE=__file__,
            EGRESS_NETWORK="net",
            EGRESS_SUBNETWORK="sub",
            SECRET_FLAGS="--replication-policy=user-managed --locations=europe-west1",
            BUILD_FLAGS="--region=europe-west1 --gcs-source-staging-dir=gs://b/source",
            TOPIC_FLAGS="--topic-encryption-key=k",
        ).stdout
        for flags in (
            "secrets create zendesk-client-secret --replication-policy=user-managed --locations=europe-west1\n",
            "builds submit .* --region=europe-west1 --gcs-source-staging-dir=gs://b/source\n",
            "topics create bookings-table-status .*--topic-encryption-key=k\n",
        ):
            self.assertRegex(printed, flags)
        # In both manifests, and in neither without it.
        interfaces = """run.googleapis.com/network-interfaces: '[{"network":"net","subnetwork":"sub"}]'"""
        self.assertEqual((printed.count(interfaces), printed.count("vpc-access-egress: all-traffic")), (2, 2))
        self.assertNotIn("vpc-access-egress", str(deployment().service) + str(deployment().job))

    def test_each_script_explains_itself_and_refuses_other_arguments(self):
        cloud = GoogleCloud(self)
        for script in ("deploy.sh", "smoke.sh", "replay.sh", "dataflow/start.sh"):
            help = run(cloud, script, "help", file=False)
            self.assertEqual((help.returncode, help.stderr), (0, ""))
            self.assertIn(f"function/{script}", help.stdout)
            self.assertNotIn("set -eu", help.stdout)
            name = script.rsplit("/", 1)[-1]
            for arguments in (["wrong", "now"], ["since", "now", "then", "there"], ["dead-letters", "now", "then"], []):
                wrong = run(cloud, script, *arguments, file=False)
                explained = f"{name}: invalid arguments: {' '.join(arguments)}; see `{name} help`\n"
                self.assertEqual((wrong.returncode, wrong.stdout, wrong.stderr), (64, "", explained))
        for arguments in (["since"], ["since", "yesterday"]):
            wrong = run(cloud, "replay.sh", *arguments)
            self.assertEqual(wrong.returncode, 64)
            self.assertRegex(wrong.stderr, "^replay.sh: .* like 2026-11-24T03:00:00Z")
        for time in ("2026-11-24T03:00:00Z", "2026-11-24T03:00:00.5Z", "2026-11-24T04:00:00+01:00", "2026-11-24t03:00:00z"):
            self.assertNotEqual(run(cloud, "replay.sh", "since", time, PUBSUB_EMULATOR_HOST="127.0.0.1:1").returncode, 64)
        self.assertEqual(cloud.take_requests(), [])

    def test_the_manifests_can_be_printed(self):
        cloud = GoogleCloud(self)
        service, job = yaml.safe_load_all(run(cloud, "deploy.sh", "render").stdout)
        self.assertEqual(cloud.take_requests(), [])
        self.assertEqual((service["kind"], job["kind"]), ("Service", "Job"))
        self.assertEqual(environment(service)["BOOKING_STATUS_TAGS"], SETTINGS["BOOKING_STATUS_TAGS"])

    def test_the_platform_alone_can_check_the_push_token(self):
        service, _ = yaml.safe_load_all(run(GoogleCloud(self), "deploy.sh", "render", CHECK_PUSH_TOKEN="false").stdout)
        variables = environment(service)
        self.assertEqual((variables["PUSH_AUDIENCE"], variables["PUSH_SERVICE_ACCOUNT"]), ("", ""))

    def test_each_setting_that_the_manifest_names_can_be_set(self):
        fixed = {
            "FUNCTION_CONCURRENCY",
            "FUNCTION_TIMEOUT_SECONDS",
            "LIVENESS_PATH",
            "MAX_BODY_BYTES",
            "ZENDESK_CLIENT_SECRET_FILE",
            "PUSH_AUDIENCE",
            "PUSH_SERVICE_ACCOUNT",
            "GOOGLE_CLOUD_PROJECT",
            "SPANNER_DATABASE_ROLE",
        }
        service, _ = yaml.safe_load_all(run(GoogleCloud(self), "deploy.sh", "render").stdout)
        names = set(environment(service)) - fixed
        self.assertLessEqual({"ZENDESK_SHARED_CALLS", "LOG_LEVEL", "REORDER_WINDOW_SECONDS", "DRY_RUN"}, names)
        values = {name: f"{name} set" for name in names} | {
            "ZENDESK_URL": "https://set.zendesk.com",
            "BOOKING_STATUS_TAGS": "Set=set",
            "DRY_RUN": "true",
            "SPANNER_DATABASE": "projects/set/instances/set/databases/set",
            **{name: "7" for name in names if name.endswith(("_FIELD", "_MINUTE", "_SECONDS"))},
            **{name: "true" for name in ("SWEEP_MAY_CLEAR", "ZENDESK_SHARED_CALLS")},
            "LOG_LEVEL": "debug",
            **{name: name for name in ("BOOKING_TABLE", "BOOKING_ID_COLUMN", "BOOKING_STATUS_COLUMN")},
        }
        self.assertEqual(set(values), names)
        service, _ = yaml.safe_load_all(run(GoogleCloud(self), "deploy.sh", "render", **values).stdout)
        self.assertEqual({name: value for name, value in environment(service).items() if name in names}, values)

    def test_the_image_is_named_after_all_that_it_is_built_from(self):
        def image(root, **more):
            printed = subprocess.run(
                ["sh", root / "function/deploy.sh", "render", settings_file(folder, **more)], capture_output=True, text=True, check=True
            ).stdout
            return re.search("image: (.*)", printed)[1]

        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "clone"
            subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, root], check=True)
            shutil.copytree(FUNCTION, root / "function", dirs_exist_ok=True)
            names = [image(root), image(root)]
            self.assertEqual(names[0], names[1])
            for change in (
                lambda: (root / "Package.resolved").write_text("{}"),
                lambda: (root / "Sources" / "New.swift").write_text("// new"),
                lambda: (root / "Sources" / "New.swift").write_text("// newer"),
                lambda: (root / "Package.swift").write_text("// other"),
            ):
                change()
                names.append(image(root))
            names.append(image(root, RUNTIME_IMAGE="debian@sha256:1"))
            # What was downloaded as an archive has no commit.
            shutil.rmtree(root / ".git")
            names.append(image(root))
        self.assertEqual(len(set(names)), 7, names)
        self.assertRegex(names[-1], r":sources-\d+$")

    def test_a_deployment_ends_with_a_change_that_goes_the_whole_way(self):
        for result in deployment().results:
            self.assertIn("and answered 204: it works\n\n# Log-based metrics", result.stdout)
            self.assertIn("\n\n# Done", result.stdout)
        self.assertEqual(len(deployment().cloud.pushed), 2)

    def test_the_pieces_fit_together(self):
        push = deployment().find("PUT", "/subscriptions/bookings-table-status-push")
        keep = deployment().find("PUT", "/subscriptions/bookings-table-status-dead-letter-keep")
        service = deployment().service
        revision = service["spec"]["template"]["spec"]
        container, variables = revision["containers"][0], environment(service)

        self.assertNotRegex(str(service) + str(deployment().job), r"@\??\w+@")
        self.assertEqual(variables["BOOKING_STATUS_TAGS"], SETTINGS["BOOKING_STATUS_TAGS"])
        # Who waits longer, waits for an answer.
        self.assertGreater(push["ackDeadlineSeconds"], revision["timeoutSeconds"])
        self.assertGreater(revision["timeoutSeconds"], int(variables["FUNCTION_TIMEOUT_SECONDS"]))
        self.assertEqual(container["livenessProbe"]["httpGet"]["path"], variables["LIVENESS_PATH"])
        self.assertEqual(revision["containerConcurrency"], int(variables["FUNCTION_CONCURRENCY"]))
        # Four hours of Zendesk being down are outlasted; poison is out of the way the same day.
        pause, total = seconds(push["retryPolicy"]["minimumBackoff"]), 0
        for _ in range(push["deadLetterPolicy"]["maxDeliveryAttempts"] - 1):
            total += min(pause, seconds(push["retryPolicy"]["maximumBackoff"]))
            pause *= 2
        self.assertTrue(4 * 3600 < total < 12 * 3600, total)
        # Dead letters stay.
        self.assertEqual((keep["expirationPolicy"], seconds(keep["messageRetentionDuration"])), ({}, 31 * 86400))
        # Two revisions overlap while one is deployed.
        scale = int(service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
        self.assertLess(int(variables["ZENDESK_WRITES_PER_MINUTE"]) * 2 * scale, 100)
        # The message's largest size in base64, and memory for four of them at once, four times
        # over.
        body = int(variables["MAX_BODY_BYTES"])
        self.assertGreater(body, 10_000_000 * 4 / 3 * 1.05)
        memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) << 20
        self.assertGreater(memory, body * 4 * 4 + (64 << 20))
        # The token's audience and account are the ones that the function asks for.
        token = push["pushConfig"]["oidcToken"]
        self.assertEqual(variables["PUSH_AUDIENCE"], token["audience"])
        self.assertEqual(variables["PUSH_SERVICE_ACCOUNT"], token["serviceAccountEmail"])
        self.assertTrue(push["pushConfig"]["pushEndpoint"].startswith(token["audience"]))
        self.assertEqual(
            self.granted("/services/booking-status-function")["roles/run.invoker"]["members"],
            ["serviceAccount:booking-status-push@local-project.iam.gserviceaccount.com"],
        )

    def test_the_sweep_has_its_own_topic_schedule_and_job_and_may_read_two_columns(self):
        push = deployment().find("PUT", "/subscriptions/bookings-table-status-sweep-push")
        self.assertTrue(push["topic"].endswith("/bookings-table-status-sweep"))
        self.assertNotIn("deadLetterPolicy", push)
        schedules = {
            request.body["name"].rsplit("/", 1)[-1]: request.body
            for request in deployment().requests[0]
            if request.method == "POST" and request.host.startswith("cloudscheduler")
        }
        recent, every = schedules["booking-status-sweep-recent"], schedules["booking-status-sweep-all"]
        self.assertEqual((recent["schedule"], recent["pubsubTarget"]["topicName"]), ("* * * * *", push["topic"]))
        attributes = recent["pubsubTarget"]["attributes"]
        if "additionalProperties" in attributes:
            attributes = {entry["key"]: entry["value"] for entry in attributes["additionalProperties"]}
        self.assertEqual(attributes, {"task": "sweep"})
        self.assertTrue(every["httpTarget"]["uri"].endswith("/jobs/booking-status-sweep:run"), every)
        roles = self.granted("/databases/bookings")
        self.assertIn("booking_status_reader", roles["roles/spanner.databaseRoleUser"]["condition"]["expression"])
        self.assertEqual(every["retryConfig"]["retryCount"], 3)
        role = (FUNCTION / "spanner" / "reader-role.sql").read_text()
        self.assertIn("GRANT SELECT(ID, Status) ON TABLE Bookings TO ROLE booking_status_reader;", role)

        service, job = environment(deployment().service), environment(deployment().job)
        for name in ("SPANNER_DATABASE", "SPANNER_DATABASE_ROLE", "BOOKING_STATUS_TAGS", "ZENDESK_BOOKING_VERSION_FIELD", "BOOKING_TABLE"):
            self.assertEqual(job[name], service[name], name)
        self.assertEqual(job["SPANNER_DATABASE_ROLE"], "booking_status_reader")
        scale = int(deployment().service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
        self.assertLess(int(service["ZENDESK_WRITES_PER_MINUTE"]) * 2 * scale + int(job["ZENDESK_WRITES_PER_MINUTE"]), 100)

    def test_without_a_database_there_is_no_sweep(self):
        printed = run(GoogleCloud(self), "deploy.sh", "--dry-run", SPANNER_DATABASE="", ZENDESK_CLIENT_SECRET_FILE=__file__).stdout
        self.assertNotRegex(printed, "gcloud.*(scheduler|spanner| jobs )")
        self.assertIn('name: SPANNER_DATABASE\n#                 value: ""', printed)

    def test_the_job_alone_can_get_another_budget(self):
        cloud = deployment().cloud
        result = run(cloud, "deploy.sh", "job", SWEEP_WRITES_PER_MINUTE="50")
        self.assertEqual(result.returncode, 0, result.stderr)
        changes = [
            request
            for request in cloud.take_requests()
            if request.method in ("POST", "PUT", "PATCH") and not re.search(r"IamPolicy$|/sessions$|:executeSql$", request.path)
        ]
        self.assertEqual([environment(request.body)["ZENDESK_WRITES_PER_MINUTE"] for request in changes], ["50"])

    def test_staging_shares_the_topic_the_accounts_and_the_images_alone(self):
        printed = run(GoogleCloud(self), "deploy.sh", "--dry-run", SUFFIX="-staging", ZENDESK_CLIENT_SECRET_FILE=__file__).stdout
        names = set(re.findall(r"(?:bookings-table-status|booking-|zendesk-client-secret)[a-z-]*", printed))
        shared = {name for name in names if "-staging" not in name}
        # The image's name, and its repository's.
        self.assertEqual(shared, {"bookings-table-status", "booking-status-function", "booking-status"})
        for account in re.findall(r"[a-z-]+(?=@local-project\.iam)", printed):
            self.assertTrue(account.endswith("-staging") and len(account) <= 30, account)
        self.assertNotIn("The pipeline", printed)
        for kind in (r"run services replace", r"subscriptions create bookings-table-status-push-staging --topic=bookings-table-status "):
            self.assertRegex(printed, kind)
        self.assertIn("#     name: booking-status-function-staging", printed)
        self.assertIn("--dead-letter-topic=projects/local-project/topics/bookings-table-status-dead-letter-staging", printed)

    def test_staging_is_deleted_without_the_rest(self):
        names = re.findall(
            r"(?:bookings-table-status[a-z-]*|booking-status-(?:function|sweep)[a-z-]*)",
            run(GoogleCloud(self), "deploy.sh", "--dry-run", "delete", SUFFIX="-staging").stdout.split("# Still there")[0],
        )
        self.assertTrue(names)
        self.assertEqual([name for name in names if not name.endswith(("-staging", "-staging-recent", "-staging-all"))], [])

    def test_delete_takes_away_what_runs(self):
        cloud = GoogleCloud(self)
        cloud.things.update(deployment().cloud.things)
        result = run(cloud, "deploy.sh", "delete")
        self.assertEqual(result.returncode, 0, result.stderr)
        deleted = [request.path.rsplit("/", 1)[-1] for request in cloud.take_requests() if request.method == "DELETE"]
        self.assertEqual(
            deleted,
            [
                "bookings-table-status-push",
                "booking-status-sweep-recent",
                "booking-status-sweep-all",
                "bookings-table-status-sweep-push",
                "bookings-table-status-sweep",
                "booking-status-sweep",
                "booking-status-function",
            ],
        )

    def test_gcloud_takes_each_command_of_the_pages(self):
        lines = list(commands_of_the_pages())
        exports = "\n".join(line for line in lines if line.startswith("export ") and "$(" not in line)
        commands = [command for line in lines for command in re.findall(r"^gcloud .*|(?<=\$\()gcloud .*(?=\)$)", line)]
        self.assertGreater(len(commands), 20)
        cloud = GoogleCloud(self)
        for command in commands:
            result = shell(cloud, f"{exports}\n{command}")
            # 1: what it names is not there. What gcloud does not know ends with 2.
            self.assertIn(result.returncode, (0, 1), f"{command}\n{result.stderr}")
            if not command.startswith("gcloud components"):
                self.assertTrue(cloud.take_requests(), f"{command}\n{result.stderr}")

    def test_each_deployment_of_the_pages_is_one_that_the_script_knows(self):
        commands = [line for line in commands_of_the_pages() if "function/deploy.sh" in line and "/deploy.sh help" not in line]
        self.assertGreater(len(commands), 20)
        cloud = GoogleCloud(self)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        known = {"status", "diff", "rollback"}
        for command in commands:
            more = {"SUFFIX": "-staging"} if "staging.env" in command else {"WEBHOOK": "true"} if "webhook" in command else {}
            settings = settings_file(folder.name, **more)
            command = re.sub(r"\b(live|staging)\.env", str(settings), command)
            # What only looks, and what looks first, is tried elsewhere.
            if known & set(command.split()):
                self.assertRegex(command, rf"^function/deploy.sh ({'|'.join(known)}) \S+$")
                continue
            command = re.sub(r"function/deploy.sh(?! --dry-run)", "function/deploy.sh --dry-run", command)
            result = shell(cloud, command)
            self.assertEqual(result.returncode, 0, f"{command}\n{result.stderr}")
        self.assertEqual(cloud.take_requests(), [])

    def test_an_existing_account_is_adopted_as_the_page_says(self):
        cloud = GoogleCloud(self)
        cloud.things.update(deployment().cloud.things)
        cloud.policies.update(deployment().cloud.policies)
        overrides, writes, pushes, states = [], [], [], []
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        # As the page tells: first to look, then to go live.
        settings = settings_file(folder.name, DRY_RUN="true")
        cloud.revisions = deployment().cloud.revisions
        [section] = [part for part in (FUNCTION / "RUNBOOK.md").read_text().split("\n## ") if part.startswith("Adopt")]
        for block in re.findall(r"```sh\n(.*?)```", section, re.S):
            for command in block.replace("\\\n", " ").splitlines():
                if "jobs execute" in command and overrides:
                    settings = settings_file(folder.name, DRY_RUN="false")
                result = shell(cloud, command.replace("live.env", str(settings)), QUIET_SECONDS="4")
                self.assertEqual(result.returncode, 0, f"{command}\n{result.stderr}")
                job = environment(cloud.things["/apis/run.googleapis.com/v1/namespaces/local-project/jobs/booking-status-sweep"])
                if "jobs execute" in command:
                    [execution] = [request for request in cloud.take_requests() if request.path.endswith("/jobs/booking-status-sweep:run")]
                    override = execution.body.get("overrides", {}).get("containerOverrides", [{}])[0].get("env", [])
                    overrides.append({variable["name"]: variable["value"] for variable in override})
                    writes.append(job["DRY_RUN"])
                    states.append(
                        cloud.things["/v1/projects/local-project/locations/europe-west1/jobs/booking-status-sweep-recent"].get("state")
                    )
                    push = cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]
                    pushes.append(bool(push["pushConfig"].get("pushEndpoint")))
        # The first time it is looked at, with a job that writes nothing; then nothing is pushed, and
        # half of the account's limits are one execution's.
        budget = {"DRY_RUN": "false", "ZENDESK_WRITES_PER_MINUTE": "50", "ZENDESK_READS_PER_MINUTE": "350"}
        self.assertEqual((writes, pushes, overrides), (["true", "true"], [True, False], [{}, budget]))
        self.assertEqual((job["DRY_RUN"], job["ZENDESK_WRITES_PER_MINUTE"]), ("false", "10"))
        schedule = "/v1/projects/local-project/locations/europe-west1/jobs/booking-status-sweep-recent"
        self.assertEqual((states, cloud.things[schedule]["state"]), ([None, "PAUSED"], "ENABLED"))
        self.assertTrue(cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]["pushConfig"]["pushEndpoint"])

    def test_what_the_page_and_the_scripts_name_is_there(self):
        names = ("README.md", "RUNBOOK.md", "deploy.sh", "settings.sh", "dataflow/start.sh", "dataflow/README.md", "settings.example.env")
        paths = ["README.md", *(f"function/{name}" for name in names)]
        texts = [(ROOT / path).read_text() for path in paths]
        named = {name for text in texts for name in re.findall(r"\bfunction/[\w./-]+\.(?:sh|sql|yaml|json|md)\b", text)}
        self.assertGreater(len(named), 5)
        self.assertEqual([name for name in sorted(named) if not (ROOT / name).exists()], [])

    def test_delete_does_not_take_a_failure_for_absence(self):
        cloud = GoogleCloud(self)
        cloud.play_pubsub = lambda request, resource, verb: (403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}})
        result = run(cloud, "deploy.sh", "delete")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("PERMISSION_DENIED", result.stderr)

    def test_pub_sub_takes_topics_and_subscriptions(self):
        host = pubsub_emulator(self)
        set_up_emulator(host)
        base = f"http://{host}/v1/projects/local-project"
        _, subscription = http("GET", f"{base}/subscriptions/bookings-table-status-push")
        self.assertEqual(subscription["ackDeadlineSeconds"], 60)
        self.assertEqual(subscription["retryPolicy"], {"minimumBackoff": "10s", "maximumBackoff": "600s"})
        self.assertEqual(subscription["deadLetterPolicy"]["maxDeliveryAttempts"], 50)
        _, dead = http("GET", f"{base}/subscriptions/bookings-table-status-dead-letter-keep")
        self.assertEqual(dead["topic"], "projects/local-project/topics/bookings-table-status-dead-letter")


if __name__ == "__main__":
    unittest.main()
