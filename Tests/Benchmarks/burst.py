"""A check-out hour: many bookings change at once, on an account with real limits. Run by
Tests/Benchmarks/burst; see README.md beside this file.
"""

import argparse
import asyncio
import base64
import datetime
import http.client
import json
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time

from benchmark import BUILD, Client, Server, function_environment, name, percentile, push, table

DELAY = 100
IN_FLIGHT = 80


class Account:
    """The function with its own limits, and the simulated account with Zendesk's: 700 requests and
    100 ticket updates a minute.
    """

    def __init__(self, folder, tickets, shared, settings, limits=(), delay=DELAY):
        self.folder = folder
        file = folder / "tickets.json"
        bookings = [*(name(n) for n in range(tickets)), *(name(n, "standby") for n in range(80))]
        file.write_text(
            json.dumps(
                {
                    "tickets": [
                        {"id": n + 1, "created_at": "2026-11-01T00:00:00Z", "custom_fields": [{"id": 1001, "value": booking}]}
                        for n, booking in enumerate(bookings)
                    ]
                }
            )
        )
        self.report = (folder / f"simulator-{time.monotonic_ns()}.txt").open("w+")
        self.log = (folder / f"function-{time.monotonic_ns()}.log").open("w")
        self.simulator = Server(
            [BUILD / "release/bookingstatus", "simulator", "--port", "PORT", "--tickets", file, "--delay-ms", delay, *limits],
            output=self.report,
        )
        self.environment = {
            "ZENDESK_WRITES_PER_MINUTE": "50",
            "ZENDESK_READS_PER_MINUTE": "350",
            "FUNCTION_CONCURRENCY": "80",
            "ZENDESK_SHARED_CALLS": "true" if shared else "false",
            **settings,
        }

    def __enter__(self):
        self.simulator.__enter__()
        self.server = Server(
            [BUILD / "booking-status-function.stripped"], {**function_environment(self.simulator.port), **self.environment}, self.log
        )
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.memory = self.server.memory("VmHWM")
        self.server.__exit__()
        self.simulator.__exit__()
        found = re.findall(r"answered (\d+) x (\S+ \S*) (\d+)", pathlib.Path(self.report.name).read_text())
        self.kinds = {f"{kind} {status}": int(count) for count, kind, status in found}
        self.calls = sum(self.kinds.values())
        self.limited = sum(count for kind, count in self.kinds.items() if kind.endswith(" 429"))

    def outcomes(self):
        found = {}
        for line in pathlib.Path(self.log.name).read_text().splitlines():
            entry = json.loads(line)
            if entry.get("message") == "booking status" and "outcome" in entry:
                found[entry["outcome"]] = found.get(entry["outcome"], 0) + 1
        return found


def record(bookings, number=0):
    """One record with a row for each booking."""
    single = json.loads(push(bookings[0], "Booked", number=number))
    data = json.loads(base64.b64decode(single["message"]["data"]))
    data["mods"] = [
        {"keysJson": json.dumps({"ID": booking}), "oldValuesJson": "{}", "newValuesJson": json.dumps({"Status": "Booked"})}
        for booking in bookings
    ]
    single["message"]["data"] = base64.b64encode(json.dumps(data).encode()).decode()
    return json.dumps(single).encode()


async def deliver(client, body, gate, limit, begin, statuses):
    """Again after one to ten seconds, until it is acknowledged, as Pub/Sub would; returns when that was, and the refusals."""
    refusals = 0
    while True:
        async with gate:
            if time.monotonic() - begin > limit:
                return None, refusals
            status = await client.post(body)
        statuses[status] = statuses.get(status, 0) + 1
        if status == 204:
            return time.monotonic() - begin, refusals
        refusals += 1
        await asyncio.sleep(random.uniform(1, 10))


def burst(account, bodies, limit, alone=None, in_flight=IN_FLIGHT, stops=False):
    """stops: end with the change that is alone, whatever the others do."""
    statuses = {}

    async def run():
        client, gate, begin = Client(account.server.port), asyncio.Semaphore(in_flight), time.monotonic()
        tasks = [asyncio.create_task(deliver(client, body, gate, limit, begin, statuses)) for body in bodies]
        lone = None
        if alone:
            await asyncio.sleep(3)
            sent = time.monotonic() - begin
            lone = (await deliver(client, alone, asyncio.Semaphore(1), limit, begin, statuses))[0] - sent
        if stops:
            await asyncio.sleep(30)
            for task in tasks:
                task.cancel()
            return [(None, 0)], lone
        return [await task for task in tasks], lone

    return *asyncio.run(run()), statuses


def row(title, folder, bodies, tickets, shared, limit, settings, alone=None, in_flight=IN_FLIGHT, stops=False, **options):
    with Account(folder, tickets, shared, settings, **options) as account:
        ends, lone, statuses = burst(account, bodies, limit, alone, in_flight, stops)
        changes = len(bodies) if len(bodies) > 1 else 1000
        done = [end for end, _ in ends if end is not None]
    refusals = sum(refusals for _, refusals in ends)
    return {
        "case": title,
        "shared": shared,
        "done": len(done),
        "of": len(bodies),
        "seconds": max(done, default=None),
        "refusals": refusals,
        "deliveries": refusals + len(done),
        "calls": account.calls,
        "calls a change": account.calls / changes,
        "429": account.limited,
        "memory": account.memory,
        "alone": lone,
        "statuses": statuses,
        "outcomes": account.outcomes(),
        "kinds": account.kinds,
    }


def latency(folder, changes):
    """One change at a time, with shared calls and without, in alternation: what the sharing costs
    one alone.
    """
    found = {True: [], False: []}
    settings = {"ZENDESK_WRITES_PER_MINUTE": "100000", "ZENDESK_READS_PER_MINUTE": "100000"}
    limits = ["--requests-per-minute", 10_000_000, "--updates-per-minute", 10_000_000]
    for shared in (True, False) * 2:
        with Account(folder, changes, shared, settings, limits) as account:
            connection = http.client.HTTPConnection("127.0.0.1", account.server.port, timeout=60)
            for number in range(changes):
                begin = time.monotonic()
                connection.request("POST", "/", push(name(number), "Booked", number=number), {"content-type": "application/json"})
                connection.getresponse().read()
                if number:
                    found[shared].append((time.monotonic() - begin) * 1000)
        calls = account.calls / changes
    return {str(shared): {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)} for shared, times in found.items()}, calls


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="the cases whose title begins so")
    parser.add_argument("--json", default=str(BUILD / "burst.json"))
    parser.add_argument("--shared", choices=["on", "off", "both"], default="both")
    arguments = parser.parse_args()
    service = {"ZENDESK_WRITES_PER_MINUTE": "40", "ZENDESK_READS_PER_MINUTE": "150"}
    cases = []
    for count in (100, 1000, 5000):
        cases.append(
            (f"{count} bookings with a ticket each", count, lambda n=count: [push(name(k), "Booked", number=k) for k in range(n)], {}, None)
        )
    for count in (100, 1000, 3000, 5000):
        cases.append(
            (f"{count} bookings without tickets", 0, lambda n=count: [push(name(k), "Booked", number=k) for k in range(n)], {}, None)
        )
    cases.append(
        (
            "one record of 1,000 rows, and one change alone",
            1001,
            lambda: [record([name(k) for k in range(1000)])],
            {},
            lambda: push(name(1000), "Booked", number=9999),
        )
    )
    cases.append(
        (
            "service.yaml's values: 1000 bookings with a ticket each",
            1000,
            lambda: [push(name(k), "Booked", number=k) for k in range(1000)],
            service,
            None,
        )
    )
    far = {"ZENDESK_WRITES_PER_MINUTE": "6000", "ZENDESK_READS_PER_MINUTE": "6000"}
    unlimited = {"limits": ["--requests-per-minute", 10_000_000, "--updates-per-minute", 10_000_000], "delay": 20}
    cases.append(
        (
            "200 changes, two at a time",
            200,
            lambda: [push(name(k), "Booked", number=k) for k in range(200)],
            far,
            None,
            {"in_flight": 2, **unlimited},
        )
    )
    cases.append(("15 changes at once", 15, lambda: [push(name(k), "Booked", number=k) for k in range(15)], service, None))
    cases.append(
        (
            "80 records of 5,000 rows, and one change alone",
            1001,
            lambda: [record([name(k, f"long{n}-") for k in range(5000)], n) for n in range(80)],
            {},
            lambda: push(name(1000), "Booked", number=9999),
            {"stops": True},
        )
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for title, tickets, bodies, settings, alone, *options in cases:
            if not title.startswith(arguments.only):
                continue
            for shared in {"on": [True], "off": [False], "both": [True, False]}[arguments.shared]:
                limit = 600 if shared else 240
                rows.append(
                    row(
                        title,
                        folder,
                        bodies(),
                        tickets,
                        shared,
                        limit,
                        settings,
                        alone() if alone else None,
                        **(options[0] if options else {}),
                    )
                )
                print(json.dumps(rows[-1]), flush=True)
        lone = latency(folder, 60) if arguments.only in ("", "latency") else None
    pathlib.Path(arguments.json).write_text(json.dumps({"rows": rows, "alone": lone}, indent=1))
    print("\n### A burst\n")
    table(
        ["", "shared calls", "done", "seconds", "refusals", "calls a change", "429 by Zendesk", "memory, MB", "one alone meanwhile, s"],
        [
            [
                r["case"],
                "on" if r["shared"] else "off",
                f"{r['done']} of {r['of']}",
                f"{r['seconds']:.0f}" if r["seconds"] else "–",
                str(r["refusals"]),
                f"{r['calls a change']:.2f}",
                str(r["429"]),
                f"{r['memory']:.0f}",
                f"{r['alone']:.1f}" if r["alone"] else "",
            ]
            for r in rows
        ],
    )
    if lone:
        found, calls = lone
        table(
            ["one change at a time", "p50, ms", "p99, ms"],
            [["shared calls " + ("on" if key == "True" else "off"), f"{x['p50']:.1f}", f"{x['p99']:.1f}"] for key, x in found.items()],
        )
        print(f"{calls:.2f} calls a change, the fields' included")


if __name__ == "__main__":
    main()
