"""Runs test modules, four processes beside each other, and prints the seconds of the slowest tests.

`run.py` runs every module `test_*`, `run.py MODULE …` those. Fails on a skip, too: .ci/machine says
what the tests need.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).parent
# Tests that compare times, which others beside them would change.
ALONE = ["test_limits", "test_process"]
# A module that takes longer hangs. Two of them build in release.
MAXIMUM_SECONDS = 2400
# They begin first.
LONGEST = ["test_deploy", "test_console", "test_smoke", "test_container", "test_google"]


class TimedResult(unittest.TextTestResult):
    seconds = []

    def startTest(self, test):
        self.begin = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds.append((time.monotonic() - self.begin, test.id()))


def run_here(module):
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=TimedResult).run(suite)
    for seconds, test in TimedResult.seconds:
        print(f"seconds: {seconds:7.1f} {test}")
    for test, reason in result.skipped:
        print(f"a test was skipped: {test}: {reason}")
    return result.wasSuccessful() and not result.skipped and result.testsRun > 0


def run(module):
    """The output of a process for the module, printed as a whole when it ends."""
    process = subprocess.Popen(
        [sys.executable, "-u", __file__, "--here", module], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # An interrupted module ends what it has started.
    watch = threading.Timer(MAXIMUM_SECONDS, process.send_signal, [signal.SIGINT])
    watch.start()
    output = process.communicate()[0]
    watch.cancel()
    print(f"\n== {module}\n{output}", end="", flush=True)
    return process.returncode == 0, [line.removeprefix("seconds: ") for line in output.splitlines() if line.startswith("seconds: ")]


@contextlib.contextmanager
def fast_gcloud(folder):
    """gcloud's commands come from a process that has loaded gcloud already."""
    if not shutil.which("gcloud"):
        yield
        return
    server = subprocess.Popen([sys.executable, HERE / "gcloud_server.py", folder])
    while not (folder / "gcloud").exists():
        if server.poll() is not None:
            raise AssertionError("gcloud_server.py has ended")
        time.sleep(0.05)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def main(modules):
    modules = [module.removesuffix(".py") for module in modules] or sorted(path.stem for path in HERE.glob("test_*.py"))
    beside = sorted((module for module in modules if module not in ALONE), key=lambda module: (LONGEST + [module]).index(module))
    with tempfile.TemporaryDirectory() as folder, fast_gcloud(pathlib.Path(folder)):
        os.environ["SHARED_BY_TESTS"] = folder
        results = [run(module) for module in ALONE if module in modules]
        with concurrent.futures.ThreadPoolExecutor(4) as workers:
            results += workers.map(run, beside)
    print("\nThe slowest tests, in seconds:")
    print("\n".join(sorted((line for _, seconds in results for line in seconds), reverse=True)[:20]))
    return all(passed for passed, _ in results)


if __name__ == "__main__":
    sys.exit(not (run_here(sys.argv[2]) if sys.argv[1:2] == ["--here"] else main(sys.argv[1:])))
