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
from deployment import SECRET, SETTINGS, deployment, run, set_up_emulator
from google_cloud import GoogleCloud
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
    return subprocess.run(
        ["sh", "-eu", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            **cloud.environment,
            **SETTINGS,
            "INSTANCE": "hotel",
            "DATABASE": "bookings",
            **more,
        },
    )


# The alerts that refer to log-based metrics.
OF_METRICS = {"No change for six hours", "Sweeps stay behind"}


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
        # service, job and two schedules; and what watches.
        watched = len(list((FUNCTION / "monitoring").glob("*/*.yaml"))) + 1
        refused = deployment().cloud.metric_refusals * len(OF_METRICS)
        self.assertEqual(len(created(0)), 17 + watched + refused, created(0))
        self.assertEqual(created(1), [])

    def test_a_role_that_cannot_be_granted_yet_is_granted_a_moment_later(self):
        self.assertEqual(deployment().results[0].stderr.count("Service account does not exist"), 1)
        self.assertIn("roles/secretmanager.secretAccessor", self.granted("/secrets/zendesk-client-secret"))

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
        self.assertIn("run `function/deploy.sh monitoring` in ten minutes", result.stderr)
        requests = cloud.take_requests()
        self.assertEqual(len([request for request in requests if request.method == "PATCH" and "/dashboards/" in request.path]), 1)
        cloud.metric_refusals = 0
        self.assertEqual(run(cloud, "deploy.sh", "monitoring").returncode, 0)

    def test_events_flow_before_what_watches_them_is_made(self):
        paths = [f"{request.method} {request.path}" for request in deployment().requests[0]]
        [pushes] = [index for index, path in enumerate(paths) if path.startswith("PUT") and path.endswith("/bookings-table-status-push")]
        smoke = next(index for index, path in enumerate(paths) if path.endswith(":publish"))
        watched = [index for index, path in enumerate(paths) if "alertPolicies" in path or "/metrics" in path or "dashboards" in path]
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
        self.assertIn(build["substitutions"]["_IMAGE"], str(deployment().service))
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

    def test_what_is_not_set_again_stays_as_it_is_deployed(self):
        cloud = GoogleCloud(self)
        settings = {"DRY_RUN": "true", "ZENDESK_WRITES_PER_MINUTE": "100", "BOOKING_TABLE": "Stays", "CHECK_PUSH_TOKEN": "false"}
        cloud.watched = [("", "Stays")]
        cloud.things.update(deployment().cloud.things)
        path = "/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"

        def deployed(part, **more):
            result = run(cloud, "deploy.sh", part, **more)
            self.assertEqual(result.returncode, 0, result.stderr)
            return environment(cloud.things[path])

        before = deployed("service", **settings)
        self.assertEqual((before["BOOKING_TABLE"], before["PUSH_AUDIENCE"]), ("Stays", ""))
        unset = {name: None for name in SETTINGS if name not in ("PROJECT", "REGION")}
        self.assertEqual(deployed("service", **unset), before)
        # The job's own budget is what it always is.
        deployed("job", **unset)
        job = environment(cloud.things["/apis/run.googleapis.com/v1/namespaces/local-project/jobs/booking-status-sweep"])
        self.assertEqual((job["BOOKING_TABLE"], job["DRY_RUN"], job["ZENDESK_WRITES_PER_MINUTE"]), ("Stays", "true", "10"))
        after = deployed("service", **{**unset, "DRY_RUN": "false", "SPANNER_DATABASE": "", "CHECK_PUSH_TOKEN": "true"})
        changed = {name for name in before if before[name] != after[name]}
        self.assertEqual(changed, {"DRY_RUN", "SPANNER_DATABASE", "SPANNER_DATABASE_ROLE", "PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"})

    def test_other_tables_that_the_stream_watches_are_ignored(self):
        path = "/apis/serving.knative.dev/v1/namespaces/local-project/services/booking-status-function"
        for watched, more, ignored, told in (
            ([("", "Bookings"), ("", "Rooms"), ("sales", "Guests")], {}, "Rooms,sales.Guests", "IGNORED_TABLES is Rooms,sales.Guests"),
            ([("", "Bookings"), ("", "Rooms")], {"IGNORED_TABLES": "*"}, "*", ""),
            ([], {}, "", "the stream's tables cannot be looked up"),
        ):
            cloud = GoogleCloud(self)
            cloud.things.update(deployment().cloud.things)
            cloud.watched = watched
            result = run(cloud, "deploy.sh", "service", **more)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(environment(cloud.things[path])["IGNORED_TABLES"], ignored)
            self.assertIn(told, result.stdout + result.stderr)

    def test_a_stream_that_does_not_watch_the_table_is_refused_before_anything_is_made(self):
        cloud = GoogleCloud(self)
        cloud.watched = [("", "Bookings"), ("sales", "Guests")]
        for table in ("bookings", "Guests"):
            result = run(cloud, "deploy.sh", "service", BOOKING_TABLE=table)
            self.assertEqual(result.returncode, 78, result.stderr)
            self.assertIn(f"does not watch {table}", result.stderr)
        self.assertFalse(cloud.policies)

    def test_a_deployment_that_cannot_be_read_is_not_replaced(self):
        cloud = GoogleCloud(self)
        cloud.play_run = lambda request, resource, verb: (403, {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}})
        result = run(cloud, "deploy.sh", "service")
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("PERMISSION_DENIED", result.stderr)
        self.assertEqual([request for request in cloud.take_requests() if request.method != "GET"], [])

    def test_a_dry_run_prints_what_a_first_run_does_and_does_nothing(self):
        cloud = GoogleCloud(self)
        printed = run(cloud, "deploy.sh", "--dry-run", ZENDESK_CLIENT_SECRET_FILE="/dev/null").stdout
        self.assertEqual(cloud.take_requests(), [])
        commands = [line for line in printed.splitlines() if line.startswith("gcloud ")]
        watched = len(list((FUNCTION / "monitoring").glob("*/*.yaml"))) + 1
        self.assertEqual(len([line for line in commands if " create " in line]), 14 + watched)
        # What is printed can be pasted into a shell.
        for line in commands:
            subprocess.run(["sh", "-n", "-c", line], check=True)

    def test_what_is_missing_is_named_in_one_go(self):
        cloud = GoogleCloud(self)
        for names in (["PROJECT", "REGION"], ["ZENDESK_URL", "BOOKING_STATUS_TAGS", "ZENDESK_CLIENT_SECRET_FILE"]):
            result = run(cloud, "deploy.sh", "--dry-run", **{name: None for name in names})
            self.assertEqual(result.returncode, 78)
            self.assertIn(f"not set: {' '.join(names)}", result.stderr)
        self.assertEqual(cloud.take_requests(), [])

    def test_a_value_that_cannot_be_is_refused_before_anything_is_made(self):
        cloud = GoogleCloud(self)
        for name, value, said in (
            ("ZENDESK_URL", "example.zendesk.com", "ZENDESK_URL is not an https URL: example.zendesk.com"),
            ("BOOKING_STATUS_TAGS", "In Stay", "BOOKING_STATUS_TAGS must look like InStay=booking_1_in_stay,Booked=booking_2_booked"),
            ("DRY_RUN", "maybe", "DRY_RUN must be true or false"),
            ("SPANNER_DATABASE", "bookings", "SPANNER_DATABASE must look like projects/P/instances/I/databases/D, not bookings"),
            ("CHECK_PUSH_TOKEN", "True", "CHECK_PUSH_TOKEN must be true or false"),
            ("ZENDESK_CLIENT_SECRET_FILE", "/nowhere/secret", "ZENDESK_CLIENT_SECRET_FILE: /nowhere/secret cannot be read"),
        ):
            result = run(cloud, "deploy.sh", "--dry-run", **{"ZENDESK_CLIENT_SECRET_FILE": "/dev/null", name: value})
            self.assertEqual((result.returncode, result.stderr), (78, f"deploy.sh: {said}\n"))
        # A real run has only looked for what is deployed by then.
        for settings in ({"DRY_RUN": "maybe"}, {"ZENDESK_CLIENT_SECRET_FILE": "/nowhere/secret"}, {}):
            self.assertEqual(run(cloud, "deploy.sh", **settings).returncode, 78)
            self.assertEqual({request.method for request in cloud.take_requests()}, {"GET"})
        # What the function takes, and what the part does not need, is no mistake.
        more = {"DRY_RUN": "True", "ZENDESK_CLIENT_SECRET_FILE": "/nowhere/secret"}
        self.assertEqual(run(cloud, "deploy.sh", "render", **more).returncode, 0)

    def test_each_script_explains_itself_and_refuses_other_arguments(self):
        cloud = GoogleCloud(self)
        for script in ("deploy.sh", "smoke.sh", "replay.sh"):
            help = run(cloud, script, "help", PROJECT=None)
            self.assertEqual((help.returncode, help.stderr), (0, ""))
            self.assertIn(f"function/{script}", help.stdout)
            self.assertNotIn("set -eu", help.stdout)
            for arguments in (["wrong"], ["since", "now", "then"], ["dead-letters", "now"]):
                wrong = run(cloud, script, *arguments, PROJECT=None)
                explained = f"{script}: invalid arguments: {' '.join(arguments)}; see `{script} help`\n"
                self.assertEqual((wrong.returncode, wrong.stdout, wrong.stderr), (64, "", explained))
        for arguments in (["since"], ["since", "yesterday"]):
            wrong = run(cloud, "replay.sh", *arguments)
            self.assertEqual(wrong.returncode, 64)
            self.assertRegex(wrong.stderr, "^replay.sh: .* like 2026-11-24T03:00:00Z")
        for time in ("2026-11-24T03:00:00Z", "2026-11-24T03:00:00.5Z", "2026-11-24T04:00:00+01:00", "2026-11-24t03:00:00z"):
            self.assertNotEqual(run(cloud, "replay.sh", "since", time, PUBSUB_EMULATOR_HOST="127.0.0.1:1").returncode, 64)
        for script in ("dataflow/google-template.sh", "dataflow/mercari.sh"):
            help = run(cloud, script, "help", PROJECT=None)
            self.assertEqual((help.returncode, help.stderr), (0, ""))
            self.assertRegex(help.stdout, "PROJECT, REGION, INSTANCE, DATABASE +required")
            self.assertNotIn("set -eu", help.stdout)
            wrong = run(cloud, script, "wrong", PROJECT=None)
            self.assertEqual((wrong.returncode, wrong.stdout), (64, ""))
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
        result = run(GoogleCloud(self), "deploy.sh", "render", CHECK_PUSH_TOKEN="True")
        self.assertEqual(result.returncode, 78)

    def test_each_setting_that_the_manifest_names_can_be_set(self):
        fixed = {
            "FUNCTION_CONCURRENCY",
            "FUNCTION_TIMEOUT_SECONDS",
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
        }
        self.assertEqual(set(values), names)
        service, _ = yaml.safe_load_all(run(GoogleCloud(self), "deploy.sh", "render", **values).stdout)
        self.assertEqual({name: value for name, value in environment(service).items() if name in names}, values)

    def test_the_image_is_named_after_all_that_it_is_built_from(self):
        def image(root, **more):
            environment = {"PATH": os.environ["PATH"], **SETTINGS, **more}
            printed = subprocess.run(
                ["sh", root / "function/deploy.sh", "render"], env=environment, capture_output=True, text=True, check=True
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
        self.assertEqual(len(set(names)), 6, names)

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

        self.assertNotRegex(str(service) + str(deployment().job), "@[A-Z_]+@")
        self.assertEqual(variables["BOOKING_STATUS_TAGS"], SETTINGS["BOOKING_STATUS_TAGS"])
        # Who waits longer, waits for an answer.
        self.assertGreater(push["ackDeadlineSeconds"], revision["timeoutSeconds"])
        self.assertGreater(revision["timeoutSeconds"], int(variables["FUNCTION_TIMEOUT_SECONDS"]))
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
        role = (FUNCTION / "spanner" / "reader-role.sql").read_text()
        self.assertIn("GRANT SELECT(ID, Status) ON TABLE Bookings TO ROLE booking_status_reader;", role)

        service, job = environment(deployment().service), environment(deployment().job)
        for name in ("SPANNER_DATABASE", "SPANNER_DATABASE_ROLE", "BOOKING_STATUS_TAGS", "ZENDESK_BOOKING_VERSION_FIELD", "BOOKING_TABLE"):
            self.assertEqual(job[name], service[name], name)
        self.assertEqual(job["SPANNER_DATABASE_ROLE"], "booking_status_reader")
        scale = int(deployment().service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
        self.assertLess(int(service["ZENDESK_WRITES_PER_MINUTE"]) * 2 * scale + int(job["ZENDESK_WRITES_PER_MINUTE"]), 100)

    def test_without_a_database_there_is_no_sweep(self):
        printed = run(GoogleCloud(self), "deploy.sh", "--dry-run", SPANNER_DATABASE="", ZENDESK_CLIENT_SECRET_FILE="/dev/null").stdout
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
        printed = run(GoogleCloud(self), "deploy.sh", "--dry-run", SUFFIX="-staging", ZENDESK_CLIENT_SECRET_FILE="/dev/null").stdout
        names = set(re.findall(r"(?:bookings-table-status|booking-status-|zendesk-client-secret)[a-z-]*", printed))
        shared = {name for name in names if "-staging" not in name}
        self.assertEqual(shared, {"bookings-table-status", "booking-status-function", "booking-status-push", "booking-status-build"})
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
        result = run(cloud, "deploy.sh", "delete", **{name: None for name in SETTINGS if name.startswith("ZENDESK")})
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
        commands = [line for line in commands_of_the_pages() if "function/deploy.sh" in line and "=…" not in line]
        self.assertGreater(len(commands), 8)
        cloud = GoogleCloud(self)
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        # Where the page keeps it.
        pathlib.Path(home.name, "zendesk-client-secret").touch()
        for command in commands:
            command = re.sub(r"function/deploy.sh(?! --dry-run)", "function/deploy.sh --dry-run", command)
            result = shell(cloud, command, HOME=home.name, ZENDESK_CLIENT_SECRET_FILE="/dev/null")
            self.assertEqual(result.returncode, 0, f"{command}\n{result.stderr}")
        self.assertEqual(cloud.take_requests(), [])

    def test_an_existing_account_is_adopted_as_the_page_says(self):
        cloud = GoogleCloud(self)
        cloud.things.update(deployment().cloud.things)
        cloud.policies.update(deployment().cloud.policies)
        budgets, writes, pushes, states = [], [], [], []
        [section] = [part for part in (FUNCTION / "RUNBOOK.md").read_text().split("\n## ") if part.startswith("Adopt")]
        for block in re.findall(r"```sh\n(.*?)```", section, re.S):
            for command in block.splitlines():
                result = shell(cloud, command, QUIET_SECONDS="4")
                self.assertEqual(result.returncode, 0, f"{command}\n{result.stderr}")
                job = environment(cloud.things["/apis/run.googleapis.com/v1/namespaces/local-project/jobs/booking-status-sweep"])
                if "jobs execute" in command:
                    self.assertTrue(any(request.path.endswith("/jobs/booking-status-sweep:run") for request in cloud.take_requests()))
                    budgets.append((job["ZENDESK_WRITES_PER_MINUTE"], job["ZENDESK_READS_PER_MINUTE"]))
                    writes.append(job["DRY_RUN"])
                    states.append(
                        cloud.things["/v1/projects/local-project/locations/europe-west1/jobs/booking-status-sweep-recent"].get("state")
                    )
                    push = cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]
                    pushes.append(bool(push["pushConfig"].get("pushEndpoint")))
        # The first time it is looked at, with a function that writes nothing; then nothing is
        # pushed, and half of the account's limits are the job's.
        self.assertEqual((writes, pushes, budgets), (["true", "false"], [True, False], [("10", "30"), ("50", "350")]))
        self.assertEqual((job["DRY_RUN"], job["ZENDESK_WRITES_PER_MINUTE"]), ("false", "10"))
        schedule = "/v1/projects/local-project/locations/europe-west1/jobs/booking-status-sweep-recent"
        self.assertEqual((states, cloud.things[schedule]["state"]), ([None, "PAUSED"], "ENABLED"))
        self.assertTrue(cloud.things["/v1/projects/local-project/subscriptions/bookings-table-status-push"]["pushConfig"]["pushEndpoint"])

    def test_what_the_page_and_the_scripts_name_is_there(self):
        paths = ["README.md", "function/README.md", "function/RUNBOOK.md", "function/deploy.sh", "function/dataflow/README.md"]
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
