import os
import subprocess
import unittest

from host_your_own import commands, package
from support import BINARIES, Process, free_port


class HostYourOwnTests(unittest.TestCase):
    """The page's manifest, and the program that the tests build from its code.

    host_your_own_built.py builds the page's package, in minutes.
    """

    def test_the_manifest_resolves(self):
        greeter = package(self)
        files = {str(path.relative_to(greeter)) for path in greeter.rglob("*.swift")}
        sources = {f"Sources/Greeter/{name}.swift" for name in ("Greeter", "Guestbook", "Main", "NewObjects")}
        self.assertEqual(files, {"Package.swift", "Tests/GreeterTests/GreeterTests.swift"} | sources)
        shown = subprocess.run(["swift", "package", "show-dependencies"], cwd=greeter, capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr[-3000:])
        self.assertRegex(shown.stdout, r"── booking-status-sync<")

    def test_the_page_s_commands_are_those_that_are_run(self):
        known = [["swift", "run"], ["curl", "-i"], ["swift", "test"], ["swift", "build"], ["gcloud", "run"]]
        self.assertEqual([command.split()[:2] for command in commands()], known)

    def test_the_program_does_what_the_page_says(self):
        port, program = free_port(), BINARIES / "Greeter"
        running = Process(self, [program], {"PORT": str(port)})
        running.wait_for(port)
        curl = commands()[1].replace("localhost:8080", f"localhost:{port}")
        self.assertRegex(subprocess.run(curl, shell=True, capture_output=True, text=True).stdout, r"^HTTP/1.1 204")
        self.assertIn('"hello"', running.log)
        self.assertIn('"name":"world"', running.log)
        self.assertEqual(running.end(), 0)

        wrong = subprocess.run([program], env={**os.environ, "PORT": "x", "LOG_LEVEL": "y"}, capture_output=True, text=True)
        self.assertEqual(wrong.returncode, 78)
        self.assertEqual(wrong.stderr.count("configuration: "), 2)


if __name__ == "__main__":
    unittest.main()
