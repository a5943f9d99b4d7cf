import importlib.util
import pathlib
import subprocess
import unittest

import yaml
from deployment import SETTINGS, Deployment, flags, words
from support import FUNCTION, http, needs, pubsub_emulator

COMPLETIONS = pathlib.Path("/usr/lib/google-cloud-sdk/data/cli/gcloud_completions.py")


def seconds(text):
    return int(text) * 1 if text.isdigit() else int(text[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]


class DeployTests(unittest.TestCase):
    """function/deploy.sh, against a stand-in that records what gcloud is asked to do."""

    def setUp(self):
        self.deployment = Deployment(self)

    def deploy(self, *arguments, **more):
        result = self.deployment.run(*arguments, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_a_second_run_creates_nothing(self):
        self.deploy()
        created = [words(call) for call in self.deployment.take_calls() if "create" in call]
        self.assertEqual(len(created), 11, created)
        self.deploy()
        again = self.deployment.take_calls()
        self.assertEqual([call for call in again if "create" in call], [])
        self.assertIn(["pubsub", "subscriptions", "update", "bookings-table-status-push"], [words(call) for call in again])

    def test_a_dry_run_prints_what_a_first_run_does_and_does_nothing(self):
        printed = [line for line in self.deploy("--dry-run").splitlines() if line.startswith("gcloud ")]
        self.assertEqual(self.deployment.take_calls(), [])
        self.deploy()
        done = [call for call in self.deployment.take_calls() if "describe" not in call]
        self.assertEqual([line.split()[3:6] for line in printed], [call[2:5] for call in done])
        # What is printed can be pasted into a shell.
        for line in printed:
            subprocess.run(["sh", "-n", "-c", line], check=True)

    def test_what_is_missing_is_named_in_one_go(self):
        result = self.deployment.run(PROJECT=None, ZENDESK_URL="")
        self.assertEqual(result.returncode, 78)
        self.assertIn("PROJECT ZENDESK_URL", result.stderr)
        self.assertEqual(self.deployment.take_calls(), [])

    def test_the_secret_goes_to_secret_manager_by_its_file_alone(self):
        secret = self.deployment.folder / "client-secret"
        secret.write_text("very secret")
        printed = self.deploy(ZENDESK_CLIENT_SECRET_FILE=str(secret))
        self.assertEqual((self.deployment.folder / "secret").read_text(), "very secret")
        self.assertNotIn("very secret", printed + str(self.deployment.take_calls()) + self.deployment.manifest)

    def test_the_pieces_fit_together(self):
        self.deploy()
        calls = self.deployment.take_calls()
        push = flags(next(call for call in calls if words(call)[-1] == "bookings-table-status-push" and "create" in call))
        keep = flags(next(call for call in calls if words(call)[-1] == "bookings-table-status-dead-letter-keep" and "create" in call))
        service = yaml.safe_load(self.deployment.manifest)
        revision = service["spec"]["template"]["spec"]
        container = revision["containers"][0]
        environment = {variable["name"]: variable["value"] for variable in container["env"]}

        self.assertNotRegex(self.deployment.manifest, "@[A-Z_]+@")
        self.assertEqual(environment["BOOKING_STATUS_TAGS"], SETTINGS["BOOKING_STATUS_TAGS"])
        # Who waits longer, waits for an answer.
        self.assertGreater(seconds(push["ack-deadline"]), revision["timeoutSeconds"])
        self.assertGreater(revision["timeoutSeconds"], int(environment["FUNCTION_TIMEOUT_SECONDS"]))
        self.assertEqual(revision["containerConcurrency"], int(environment["FUNCTION_CONCURRENCY"]))
        # Four hours of Zendesk being down are outlasted; poison is out of the way the same day.
        pause, total = seconds(push["min-retry-delay"]), 0
        for _ in range(int(push["max-delivery-attempts"]) - 1):
            total += min(pause, seconds(push["max-retry-delay"]))
            pause *= 2
        self.assertTrue(4 * 3600 < total < 12 * 3600, total)
        # Dead letters stay.
        self.assertEqual((keep["expiration-period"], seconds(keep["message-retention-duration"])), ("never", 31 * 86400))
        # Two revisions overlap while one is deployed.
        scale = int(service["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
        self.assertLess(int(environment["ZENDESK_WRITES_PER_MINUTE"]) * 2 * scale, 100)
        # The message's largest size in base64, and memory for four of them at once, four times over.
        body = int(environment["MAX_BODY_BYTES"])
        self.assertGreater(body, 10_000_000 * 4 / 3 * 1.05)
        memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) << 20
        self.assertGreater(memory, body * 4 * 4 + (64 << 20))
        # The token's audience and account are the ones that the function asks for.
        self.assertEqual(environment["PUSH_AUDIENCE"], push["push-auth-token-audience"])
        self.assertEqual(environment["PUSH_SERVICE_ACCOUNT"], push["push-auth-service-account"])
        self.assertTrue(push["push-endpoint"].startswith(push["push-auth-token-audience"]))
        self.assertIn(["run", "services", "add-iam-policy-binding", "booking-status-function"], [words(call) for call in calls])

    def test_the_sweep_has_its_own_topic_schedule_and_job_and_may_read_two_columns(self):
        self.deploy()
        calls = self.deployment.take_calls()
        push = flags(next(call for call in calls if words(call)[-1] == "bookings-table-status-sweep-push" and "create" in call))
        self.assertEqual(push["topic"], "bookings-table-status-sweep")
        self.assertNotIn("dead-letter-topic", push)
        recent, every = (flags(next(call for call in calls if words(call)[-1] == f"booking-status-sweep-{name}" and "create" in call))
                         for name in ("recent", "all"))
        self.assertEqual((recent["schedule"], recent["topic"], recent["attributes"]), ("* * * * *", push["topic"], "task=sweep"))
        self.assertTrue(every["uri"].endswith("/jobs/booking-status-sweep:run"), every)
        roles = [flags(call)["role"] for call in calls if words(call)[:2] == ["spanner", "databases"]]
        self.assertEqual(roles, ["roles/spanner.fineGrainedAccessUser", "roles/spanner.databaseRoleUser"])
        role = (FUNCTION / "spanner" / "reader-role.sql").read_text()
        self.assertIn("GRANT SELECT(ID, Status) ON TABLE Bookings TO ROLE booking_status_reader;", role)

        self.assertNotRegex(self.deployment.job, "@[A-Z_]+@")
        job = yaml.safe_load(self.deployment.job)["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
        service = yaml.safe_load(self.deployment.manifest)["spec"]["template"]
        job_environment, environment = ({variable["name"]: variable["value"] for variable in container["env"]}
                                        for container in (job, service["spec"]["containers"][0]))
        self.assertEqual(job["args"], ["sweep", "--all"])
        for name in ("SPANNER_DATABASE", "SPANNER_DATABASE_ROLE", "BOOKING_STATUS_TAGS", "ZENDESK_BOOKING_VERSION_FIELD", "BOOKING_TABLE"):
            self.assertEqual(job_environment[name], environment[name], name)
        self.assertEqual(job_environment["SPANNER_DATABASE_ROLE"], "booking_status_reader")
        scale = int(service["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"])
        writes = int(environment["ZENDESK_WRITES_PER_MINUTE"]) * 2 * scale + int(job_environment["ZENDESK_WRITES_PER_MINUTE"])
        self.assertLess(writes, 100)

    def test_without_a_database_there_is_no_sweep(self):
        self.deploy(SPANNER_DATABASE="")
        calls = self.deployment.take_calls()
        self.assertFalse([call for call in calls if {"scheduler", "spanner", "jobs"} & set(words(call))], calls)
        self.assertIn('name: SPANNER_DATABASE\n              value: ""', self.deployment.manifest)

    @unittest.skipUnless(COMPLETIONS.exists(), "the Cloud SDK is not installed")
    def test_gcloud_knows_each_command_and_flag(self):
        spec = importlib.util.spec_from_file_location("completions", COMPLETIONS)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.deploy(IMAGE=None)
        self.deploy(IMAGE=None)
        calls = self.deployment.take_calls()
        for script in ("google-template.sh", "mercari.sh"):
            subprocess.run(["sh", FUNCTION / "dataflow" / script], check=True, env={
                "PATH": f"{self.deployment.folder}/bin:/usr/bin:/bin", "STAND_IN": str(self.deployment.folder), "PROJECT": "p", "REGION": "r",
                "INSTANCE": "i", "DATABASE": "d", "BUCKET": "b"})
        calls += self.deployment.take_calls()
        self.assertGreater(len(calls), 40)
        for call in calls:
            tree, known = module.STATIC_COMPLETION_CLI_TREE, set(module.STATIC_COMPLETION_CLI_TREE["flags"])
            for word in words(call):
                if word not in tree["commands"]:
                    break
                tree = tree["commands"][word]
                known |= set(tree["flags"])
            self.assertEqual(tree["commands"], {}, f"not a command of gcloud: {call}")
            for name in flags(call):
                self.assertIn(f"--{name}", known, call)

    @needs("gcloud")
    def test_pub_sub_takes_topics_and_subscriptions(self):
        host = pubsub_emulator(self)
        self.deploy(PUBSUB_EMULATOR_HOST=host)
        base = f"http://{host}/v1/projects/local-project"
        _, subscription = http("GET", f"{base}/subscriptions/bookings-table-status-push")
        self.assertEqual(subscription["ackDeadlineSeconds"], 60)
        self.assertEqual(subscription["retryPolicy"], {"minimumBackoff": "10s", "maximumBackoff": "600s"})
        self.assertEqual(subscription["deadLetterPolicy"]["maxDeliveryAttempts"], 50)
        _, dead = http("GET", f"{base}/subscriptions/bookings-table-status-dead-letter-keep")
        self.assertEqual(dead["topic"], "projects/local-project/topics/bookings-table-status-dead-letter")


if __name__ == "__main__":
    unittest.main()
