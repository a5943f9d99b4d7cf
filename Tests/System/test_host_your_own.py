"""The package of the page "Host your own function", built, tested and run outside of the tree, from
the page's own text.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from support import ROOT, Process, free_port

PAGE = ROOT / "Sources" / "FunctionServer" / "FunctionServer.docc" / "HostYourOwnFunction.md"


def blocks(language):
    """The page's blocks of a language, each with the text before it."""
    parts = re.split(
        rf"^```{language}\n(.*?)^```\n",
        re.sub(rf"^```(?!{language}\n)\w+\n.*?^```\n", "", PAGE.read_text(), flags=re.M | re.S),
        flags=re.M | re.S,
    )
    return list(zip(parts[0::2], parts[1::2]))


class HostYourOwnTests(unittest.TestCase):
    def copy(self):
        """The package as it stands, in a repository of its own: what a dependency is fetched from."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="deployment-")) / "booking-status-sync"
        self.addCleanup(subprocess.run, ["rm", "-rf", folder.parent])
        files = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
        )
        for name in files.stdout.splitlines():
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for command in (
            ["init", "--quiet", "--initial-branch", "main"],
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message", "x"],
        ):
            subprocess.run(["git", *command], cwd=folder, check=True)
        return folder

    def test_the_page_is_a_package(self):
        source = self.copy()
        greeter = source.parent / "greeter"
        written = set()
        for before, code in blocks("swift"):
            name = (
                "Package.swift"
                if "swift-tools-version" in code
                else (re.findall(r"`((?:Sources|Tests)/[\w/]+\.swift)`:\s*\Z", before) or [None])[0]
            )
            if name:
                code, count = re.subn(r'url: "https://github.com/[^"]+/booking-status-sync"', f'url: "file://{source}"', code)
                self.assertEqual(count, 1 if name == "Package.swift" else 0)
                (greeter / name).parent.mkdir(parents=True, exist_ok=True)
                (greeter / name).write_text(code)
                written.add(name)
        self.assertEqual(
            written,
            {
                "Package.swift",
                "Sources/Greeter/Greeter.swift",
                "Sources/Greeter/Main.swift",
                "Sources/Greeter/NewObjects.swift",
                "Tests/GreeterTests/GreeterTests.swift",
            },
        )
        shell = [code.strip() for _, code in blocks("sh")]
        self.assertEqual(
            [command.split()[:2] for command in shell],
            [["swift", "run"], ["curl", "-i"], ["swift", "test"], ["swift", "build"], ["gcloud", "run"]],
        )

        tested = subprocess.run(shell[2], shell=True, cwd=greeter, capture_output=True, text=True)
        self.assertEqual(tested.returncode, 0, tested.stdout[-3000:] + tested.stderr[-3000:])
        self.assertIn("2 tests", tested.stdout)
        self.assertNotRegex(tested.stdout + tested.stderr, r"/greeter/.*warning:")

        built = subprocess.run(shell[3], shell=True, cwd=greeter, capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stdout[-3000:] + built.stderr[-3000:])
        program = greeter / ".build" / "release" / "Greeter"
        self.assertNotIn("libswift", subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout)
        port = free_port()
        running = Process(self, [program], {"PORT": str(port)})
        running.wait_for(port)
        answer = subprocess.run(shell[1].replace("localhost:8080", f"localhost:{port}"), shell=True, capture_output=True, text=True).stdout
        self.assertRegex(answer, r"^HTTP/1.1 204")
        self.assertIn('"hello"', running.log)
        self.assertIn('"name":"world"', running.log)
        self.assertEqual(running.end(), 0)

        wrong = subprocess.run([program], env={**os.environ, "PORT": "x", "LOG_LEVEL": "y"}, capture_output=True, text=True)
        self.assertEqual(wrong.returncode, 78)
        self.assertEqual(wrong.stderr.count("configuration: "), 2)


if __name__ == "__main__":
    unittest.main()
