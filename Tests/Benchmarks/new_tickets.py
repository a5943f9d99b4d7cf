"""From a new ticket to its status: simulator, receiver, Google's Pub/Sub and Spanner emulators and the
function, in release. See README.md beside this file.

new_tickets.py [TICKETS [BURST]]
"""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".build-release" / "release" / "bookingstatus"
# An account with High Volume, of which the function uses half.
ACCOUNT = ["--requests-per-minute", "2500", "--updates-per-minute", "300", "--delay-ms", "100"]
# 100 tickets a minute: fewer than the function may update one by one.
PAUSE = 0.6


class Dev:
    def __init__(self, *arguments):
        command = [PROGRAM, "dev", "--empty", "--sweep-seconds", "0", "--port", "0", "--console-port", "0", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        for line in self.process.stdout:
            if line.startswith("console"):
                self.console = line.split()[1].rstrip("/")
            if "Ctrl-C stops" in line:
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.console}/console/{path}", data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def booking(self, name):
        self.call("bookings", {"id": name, "status": "InStay"})

    def ticket(self, booking):
        return self.call("tickets", {"subject": "?", "booking": booking})["id"]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def steady(count):
    """Tickets one after the other: milliseconds from each ticket's creation to its status."""
    with Dev("--google", *ACCOUNT) as dev:
        dev.booking("B-1")
        # Instances are warm: fields and options are known.
        dev.ticket("B-1")
        time.sleep(10)
        times = {}
        opened = {dev.ticket("B-1")}

        def look():
            for event in dev.call("state")["events"]:
                if event["ticket"] in opened and event["ms"] is not None:
                    times[event["ticket"]] = event["ms"]

        for index in range(count):
            time.sleep(PAUSE)
            opened.add(dev.ticket("B-1"))
            if index % 20 == 19:
                look()
        end = time.monotonic() + 60
        while len(times) < len(opened) and time.monotonic() < end:
            time.sleep(0.5)
            look()
        assert len(times) == len(opened), f"{len(opened) - len(times)} tickets show no status"
        return [*times.values()]


def burst(count):
    """Tickets at once, on an account with Zendesk's default limits: seconds until all show a status, and
    the updates of the account's minute. The messages are in memory: Google's emulator pushes only a few at
    a time for its first minutes.
    """
    with Dev("--delay-ms", "100") as dev:
        for index in range(count):
            dev.booking(f"B-{index}")
        time.sleep(5)
        begin = time.monotonic()
        for index in range(count):
            dev.ticket(f"B-{index}")
        highest = 0
        while True:
            time.sleep(0.2)
            state = dev.call("state")
            highest = max(highest, state["usage"]["updates"][0])
            shown = state["ticketCounts"].get("InStay", 0)
            if shown == count or time.monotonic() - begin > 900:
                return shown, time.monotonic() - begin, highest, state["usage"]


def main():
    count, many = (int(sys.argv[index]) if len(sys.argv) > index else value for index, value in ((1, 200), (2, 500)))
    times = steady(count)
    print(
        f"{len(times)} tickets, 100 ms an answer: p50 {percentile(times, 0.5)} ms, p90 {percentile(times, 0.9)} ms, "
        f"p99 {percentile(times, 0.99)} ms, mean {statistics.mean(times):.0f} ms"
    )
    shown, seconds, updates, usage = burst(many)
    print(f"{many} tickets at once: {shown} show their status after {seconds:.0f} s; at most {updates} single updates a minute; {usage}")


if __name__ == "__main__":
    main()
