import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

from deployment import set_up_emulator, settings_file
from support import (
    FUNCTION,
    ROOT,
    Process,
    free_port,
    function_environment,
    http,
    listens,
    needs,
    pubsub_emulator,
    sample,
    simulator,
    ticket_status,
    wait_until,
)

IMAGE = "localhost/booking-status-function:test"
BASE = "docker.io/library/debian:bookworm-slim"
PODMAN = ["podman", "--runtime", "runc"]
# Where a container may set no limits of its own.
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
TOPIC = "projects/local-project/topics/bookings-table-status"


def size(image):
    return json.loads(subprocess.run(["podman", "image", "inspect", image], check=True, capture_output=True, text=True).stdout)[0]["Size"]


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def glibc(text):
    return tuple(map(int, text.split()[-1].split(".")))


def stage(folder):
    """Does with the release build's binary what the Dockerfile does with its own."""
    commands = re.findall(r"^RUN ((?:.*\\\n)*.*)", (FUNCTION / "Dockerfile").read_text().split("\nFROM ${RUNTIME_IMAGE}")[0], re.M)
    for command in commands:
        if not command.startswith("swift "):
            run("sh", "-ec", command.replace("/staging/", f"{folder}/staging/").replace(".build/", ".build-release/"), cwd=ROOT)


@needs("podman")
@needs("debootstrap")
class ContainerTests(unittest.TestCase):
    """The image of the unmodified Dockerfile, run as Cloud Run would: another user, a read-only
    root, a secret in a file.

    The last stage is built around the release build's own binary, unless WHOLE_DOCKERFILE is set or
    this machine's C library is too new for the base image.
    """

    @classmethod
    def setUpClass(cls):
        images = pathlib.Path(__file__).with_name("base-images")
        run(images, "runtime")
        base = glibc(run(*PODMAN, "run", "--rm", "--network", "host", *LIMITS, BASE, "getconf", "GNU_LIBC_VERSION"))
        here = glibc(os.confstr("CS_GNU_LIBC_VERSION"))
        if "WHOLE_DOCKERFILE" in os.environ or here > base:
            print(f"\nthe whole Dockerfile is built (C library here {here}, in the base image {base})", flush=True)
            flags = run(images).split("\n")[:-1]
        else:
            folder = tempfile.TemporaryDirectory()
            cls.addClassCleanup(folder.cleanup)
            stage(folder.name)
            flags = ["--build-context", f"build={folder.name}"]
        build = ["podman", "build", "--isolation", "chroot", "--network", "host", *flags, "-f", "function/Dockerfile", "-t", IMAGE, "."]
        with tempfile.TemporaryFile("w+") as log:
            if subprocess.run(build, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode != 0:
                log.seek(0)
                raise AssertionError("".join(log.readlines()[-40:]))

    def start(self, zendesk, port, *flags, **more):
        folder = tempfile.TemporaryDirectory(prefix="deployment-")
        self.addCleanup(folder.cleanup)
        secret = pathlib.Path(folder.name) / "client-secret"
        secret.write_text("local-secret\n")
        secret.chmod(0o444)
        os.chmod(folder.name, 0o755)
        environment = function_environment(zendesk, PORT=str(port), ZENDESK_CLIENT_SECRET_FILE="/secrets/zendesk/client-secret", **more)
        del environment["ZENDESK_CLIENT_SECRET"]
        self.name = f"booking-status-function-{port}"
        command = [
            *PODMAN,
            "run",
            "--rm",
            "--name",
            self.name,
            "--network",
            "host",
            "--read-only",
            "--user",
            "12345:12345",
            "--cap-drop",
            "all",
            *LIMITS,
            "--volume",
            f"{folder.name}:/secrets/zendesk:ro",
            *flags,
        ]
        for name, value in environment.items():
            command += ["--env", f"{name}={value}"]
        self.addCleanup(lambda: subprocess.run([*PODMAN, "rm", "--force", self.name], capture_output=True))
        return Process(self, [*command, IMAGE])

    def file(self, name):
        """What the image keeps of its build."""
        path = f"/usr/share/booking-status-function/{name}"
        command = [*PODMAN, "run", "--rm", "--network", "host", *LIMITS, "--entrypoint", "/bin/cat", IMAGE, path]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def test_the_account_is_set_up_from_the_image_and_the_settings_file(self):
        zendesk = free_port()
        simulator(self, zendesk)
        local = function_environment(zendesk)
        with tempfile.TemporaryDirectory() as folder:
            secret = pathlib.Path(folder) / "zendesk-client-secret"
            secret.write_text(local["ZENDESK_CLIENT_SECRET"])
            secret.chmod(0o600)
            names = ("ZENDESK_URL", "ZENDESK_CLIENT_ID", "BOOKING_STATUS_TAGS")
            settings = settings_file(folder, SPANNER_DATABASE=None, **{name: local[name] for name in names})
            flags = ["--env-file", settings, "--user", str(os.getuid()), "-v", f"{secret}:/secret:ro"]
            flags += ["-e", "ZENDESK_CLIENT_SECRET_FILE=/secret"]
            told = run(*PODMAN, "run", "--rm", "--network", "host", *LIMITS, *flags, IMAGE, "setup", "--yes")
            self.assertIn("\nZENDESK_BOOKING_STATUS_FIELD=", told)
            self.assertIn(f"\nBOOKING_STATUS_TAGS={local['BOOKING_STATUS_TAGS']}\n", told)

    def test_it_is_small_and_runs_as_nobody(self):
        above = (size(IMAGE) - size(BASE)) / 1e6
        print(f"\nthe image is {above:.1f} MB above its base", flush=True)
        # Two programs, each with its function names for backtraces.
        self.assertLess(above, 130)
        config = json.loads(subprocess.run(["podman", "image", "inspect", IMAGE], capture_output=True, text=True).stdout)[0]["Config"]
        self.assertEqual((config["User"], config["StopSignal"]), ("10001:10001", "SIGTERM"))

    def test_it_keeps_what_it_was_built_from(self):
        kept = self.file("Package.resolved")
        pins = {pin["identity"]: pin["state"] for pin in json.loads(kept)["pins"]}
        self.assertRegex(pins["swift-nio"]["version"], r"^2\.\d+\.\d+$")
        self.assertRegex(pins["swift-nio"]["revision"], "^[0-9a-f]{40}$")
        if (ROOT / "Package.resolved").exists():
            self.assertEqual(pins, {pin["identity"]: pin["state"] for pin in json.loads((ROOT / "Package.resolved").read_text())["pins"]})
        self.assertRegex(self.file("toolchain"), r"Swift version \d+\.\d+")

    @needs("gcloud")
    def test_events_from_pub_sub_reach_the_tickets_and_sigterm_ends_it(self):
        zendesk, port = free_port(), free_port()
        pubsub = pubsub_emulator(self)
        simulator(self, zendesk)
        set_up_emulator(pubsub, f"http://127.0.0.1:{port}/{TOPIC}", quick=True)
        container = self.start(zendesk, port, REORDER_WINDOW_SECONDS="0").wait_for(port)
        for name in ("1-inserted.google.json", "2-booked.google.json"):
            http("POST", f"http://{pubsub}/v1/{TOPIC}:publish", {"messages": [{"data": sample(name)}]})
        wait_until(lambda: ticket_status(zendesk) == "booking_2_booked", 30, "the ticket is right")

        begin = time.monotonic()
        subprocess.run([*PODMAN, "kill", "--signal", "TERM", self.name], check=True, capture_output=True)
        self.assertEqual(container.process.wait(15), 0)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertIn('"message":"stopped"', container.log)
        self.assertNotIn("local-secret", container.log)

    def test_a_crash_says_where_it_happened(self):
        zendesk, port = free_port(), free_port()
        # The first process of a namespace is spared a signal that another sends it: here it is not
        # the first.
        container = self.start(zendesk, port, "--pid", "host").wait_for(port)
        subprocess.run([*PODMAN, "kill", "--signal", "ILL", self.name], check=True, capture_output=True)
        wait_until(lambda: "Registers:" in container.log, 60, "the backtrace is complete")
        self.assertRegex(container.log, r"Program crashed: .*[Ii]llegal instruction")
        self.assertRegex(container.log, r"\] 0x[0-9a-f]+ \S.* in booking-status-function")
        self.assertNotRegex(container.log, r"<unknown> in booking-status-function")

    def test_a_cold_start_is_measured(self):
        zendesk = free_port()
        simulator(self, zendesk)
        folder = tempfile.TemporaryDirectory(prefix="deployment-")
        self.addCleanup(folder.cleanup)
        mounted = subprocess.run([*PODMAN, "create", IMAGE], check=True, capture_output=True, text=True).stdout.strip()
        self.addCleanup(lambda: subprocess.run([*PODMAN, "rm", mounted], capture_output=True))
        binary = pathlib.Path(folder.name) / "booking-status-function"
        subprocess.run([*PODMAN, "cp", f"{mounted}:/usr/local/bin/booking-status-function", binary], check=True, capture_output=True)
        body = (ROOT / "events" / "booked.push.json").read_bytes()

        def first_answer(start):
            port = free_port()
            begin = time.monotonic()
            process = start(port)
            while not listens(port):
                self.assertIsNone(process.process.poll(), process.log)
                time.sleep(0.0005)
            listening = time.monotonic() - begin
            status, answer = http("POST", f"http://127.0.0.1:{port}/", body)
            self.assertIn(status, (204, 503), answer)
            taken = time.monotonic() - begin
            process.end()
            return listening * 1000, taken * 1000

        alone = sorted(first_answer(lambda port: Process(self, [binary], function_environment(zendesk, PORT=str(port)))) for _ in range(9))[
            4
        ]
        contained = sorted(first_answer(lambda port: self.start(zendesk, port)) for _ in range(3))[1]
        print(
            f"\ncold start, median: the process listens after {alone[0]:.0f} ms and has answered its first event, "
            f"Zendesk's calls included, after {alone[1]:.0f} ms; with `podman run` around it {contained[0]:.0f} and {contained[1]:.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    unittest.main()
