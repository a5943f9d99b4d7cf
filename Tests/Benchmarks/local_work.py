#!/usr/bin/env python3
"""Commit to ticket under `bookingstatus dev`, in memory and on Google's emulators: so many changes
of as many tickets, at an even pace.

The account's limits, and with them the function's budgets, are raised so that they do not decide
the result.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMITS = ["--updates-per-minute", "10000", "--requests-per-minute", "50000"]


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def measure(binary, arguments, changes, per_second):
    command = [binary, "dev", "--empty", "--port", "0", "--console-port", "0", *LIMITS, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        console = next(line.split()[1] for line in process.stdout if line.startswith("console"))
        for number in range(changes):
            call(f"{console}console/tickets", {"subject": "s", "booking": f"b-{number}"})
        # A stamp protects only if it is two seconds old: a ticket that was opened just now would be
        # read a second time.
        time.sleep(3)
        begin = time.monotonic()
        for number in range(changes):
            time.sleep(max(0, begin + number / per_second - time.monotonic()))
            call(f"{console}console/bookings", {"id": f"b-{number}", "status": "Booked"})
        pace = changes / (time.monotonic() - begin)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            latency = call(f"{console}console/state")["latency"]
            if latency["count"] == changes:
                return pace, latency
            time.sleep(0.5)
        sys.exit(f"{latency['count']} of {changes} changes were written")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / ".build-release" / "release" / "bookingstatus")
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--per-second", type=float, default=20)
    options = parser.parse_args()
    print("| bookings and messages | changes | at | p50 | p90 | p99 |\n|---|---|---|---|---|---|")
    for name, arguments in (("in memory", []), ("Google's emulators", ["--google"])):
        pace, latency = measure(options.binary, arguments, options.changes, options.per_second)
        print(
            f"| {name} | {latency['count']} | {pace:.1f}/s | {latency['p50']} ms | {latency['p90']} ms | {latency['p99']} ms |", flush=True
        )


if __name__ == "__main__":
    main()
