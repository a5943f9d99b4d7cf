"""`booking-status-function sweep --all` on an account that has never been filled, at real limits:
how long 10,000 tickets take.

Tests/Benchmarks/burst builds what it runs. Rows are in Google's Spanner emulator, a booking for
each ticket.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from benchmark import BUILD, Server, function_environment, name

sys.path.append(str(pathlib.Path(__file__).parents[1] / "System"))
from support import http, spanner_emulator  # noqa: E402

PROJECT = "projects/local-project"
DATABASE = f"{PROJECT}/instances/bookings/databases/bookings"


def database(test, bookings):
    base = spanner_emulator(test)
    for path, body in (
        (
            f"{PROJECT}/instances",
            {
                "instanceId": "bookings",
                "instance": {"config": f"{PROJECT}/instanceConfigs/emulator-config", "displayName": "b", "nodeCount": 1},
            },
        ),
        (
            f"{PROJECT}/instances/bookings/databases",
            {
                "createStatement": "CREATE DATABASE bookings",
                "extraStatements": ["CREATE TABLE Bookings (ID STRING(36) NOT NULL, Status STRING(32)) PRIMARY KEY (ID)"],
            },
        ),
    ):
        assert http("POST", f"{base}/{path}", body)[0] == 200
    session = http("POST", f"{base}/{DATABASE}/sessions", {})[1]["name"]
    for start in range(0, len(bookings), 1000):
        rows = [[booking, "Booked"] for booking in bookings[start : start + 1000]]
        assert (
            http(
                "POST",
                f"{base}/{session}:commit",
                {
                    "singleUseTransaction": {"readWrite": {}},
                    "mutations": [{"insert": {"table": "Bookings", "columns": ["ID", "Status"], "values": rows}}],
                },
            )[0]
            == 200
        )
    return base.removesuffix("/v1")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tickets", type=int, default=10_000)
    parser.add_argument("--shared", choices=["on", "off"], default="on")
    parser.add_argument("--writes", default="50")
    arguments = parser.parse_args()
    bookings = [name(n) for n in range(arguments.tickets)]
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        stack.addCleanup = stack.callback
        url = database(stack, bookings)
        tickets = pathlib.Path(folder) / "tickets.json"
        tickets.write_text(
            json.dumps(
                {
                    "tickets": [
                        {"id": n + 1, "created_at": "2026-11-01T00:00:00Z", "custom_fields": [{"id": 1001, "value": booking}]}
                        for n, booking in enumerate(bookings)
                    ]
                }
            )
        )
        report = pathlib.Path(folder) / "report.txt"
        simulator = Server(
            [BUILD / "release/bookingstatus", "simulator", "--port", "PORT", "--tickets", tickets, "--delay-ms", 100],
            output=report.open("w"),
        )
        with simulator:
            environment = {
                **os.environ,
                **function_environment(simulator.port),
                "SPANNER_DATABASE": DATABASE,
                "SPANNER_URL": url,
                "ZENDESK_WRITES_PER_MINUTE": arguments.writes,
                "ZENDESK_READS_PER_MINUTE": "350",
                "ZENDESK_SHARED_CALLS": "true" if arguments.shared == "on" else "false",
            }
            begin = time.monotonic()
            done = subprocess.run(
                [BUILD / "booking-status-function.stripped", "sweep", "--all"], env=environment, capture_output=True, text=True
            )
            seconds = time.monotonic() - begin
        calls = {
            f"{kind} {status}": int(count) for count, kind, status in re.findall(r"answered (\d+) x (\S+ \S*) (\d+)", report.read_text())
        }
        print((done.stdout + done.stderr).splitlines()[-1])
        print(json.dumps({"tickets": arguments.tickets, "exit": done.returncode, "minutes": round(seconds / 60, 1), "calls": calls}))


if __name__ == "__main__":
    main()
