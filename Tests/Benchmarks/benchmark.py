"""Drives servers on loopback, in alternation, and prints ratios with their spread. See README.md
beside this file.
"""

import argparse
import asyncio
import base64
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build-release"
TICK = os.sysconf("SC_CLK_TCK")
WRK_SECONDS = 3


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process in a group of its own, ended with the measurement."""

    def __init__(self, command, environment=None, log=subprocess.DEVNULL, output=subprocess.DEVNULL):
        self.port = free_port()
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [str(word).replace("PORT", str(self.port)) for word in command],
            stdout=output,
            stderr=log,
            start_new_session=True,
            cwd=pathlib.Path(__file__).parent,
            env={**os.environ, "PORT": str(self.port), **(environment or {})},
        )

    def __enter__(self):
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.0003)

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)

    def members(self):
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if os.getpgid(int(entry.name)) == self.process.pid:
                        yield entry
                except ProcessLookupError:
                    pass

    def memory(self, key="VmRSS"):
        """MB, of the whole group."""
        total = 0
        for entry in self.members():
            found = re.search(rf"{key}:\s+(\d+)", (entry / "status").read_text())
            total += int(found.group(1)) if found else 0
        return total / 1000

    def cpu(self):
        """Seconds."""
        return sum(sum(int(x) for x in (entry / "stat").read_text().rsplit(")", 1)[1].split()[11:13]) for entry in self.members()) / TICK


CONTESTANTS = {
    "ours": [BUILD / "NoopFunction.stripped"],
    "bare": [BUILD / "BareServer.stripped"],
    "python": [
        BUILD / "benchmarks-venv/bin/functions-framework",
        "--target",
        "noop",
        "--source",
        "noop.py",
        "--signature-type",
        "cloudevent",
        "--host",
        "127.0.0.1",
        "--port",
        "PORT",
    ],
}


def message(size):
    return {
        "messageId": "1",
        "publishTime": "2026-11-23T20:13:31.535Z",
        "attributes": {"a": "b"},
        "data": base64.b64encode(b"x" * size).decode(),
    }


def script(form, size, folder):
    body = json.dumps({"message": message(size), "subscription": "projects/p/subscriptions/s"})
    lines = ['wrk.method = "POST"', 'wrk.headers["content-type"] = "application/json"', f"wrk.body = [==[{body}]==]"]
    if form == "binary":
        for name, value in {
            "specversion": "1.0",
            "id": "1",
            "time": "2026-11-23T20:13:31.535Z",
            "source": "//pubsub.googleapis.com/projects/p/topics/t",
            "type": "google.cloud.pubsub.topic.v1.messagePublished",
        }.items():
            lines.append(f'wrk.headers["ce-{name}"] = "{value}"')
    else:
        # As deploy.sh has Pub/Sub push.
        lines.append('wrk.path = "/projects/p/topics/t"')
    lines.append(REPORT)
    path = folder / f"{form}-{size}.lua"
    path.write_text("\n".join(lines))
    return path


REPORT = """
done = function(summary, latency, requests)
  io.write(string.format('{"rps":%f,"p50":%f,"p99":%f,"errors":%d}\\n', summary.requests / summary.duration * 1e6, latency:percentile(50),
    latency:percentile(99), summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def wrk(port, script, connections, seconds=WRK_SECONDS):
    out = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}/"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    result = json.loads(out.splitlines()[-1])
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} errors in {out}")
    return result


def post(port, body, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.request("POST", "/", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print(flush=True)


def noop(rounds, folder):
    cases = [(form, size, connections) for form in ("binary", "push") for size in (1000, 100_000) for connections in (1, 32)]
    found = {name: {case: [] for case in cases} for name in CONTESTANTS}
    memory = {name: {"idle": [], "after": []} for name in CONTESTANTS}
    for _ in range(rounds):
        with contextlib.ExitStack() as stack:
            servers = {name: stack.enter_context(Server(command)) for name, command in CONTESTANTS.items()}
            time.sleep(0.5)
            for name, server in servers.items():
                memory[name]["idle"].append(server.memory())
            # One after the other within a case: what else the machine does changes from minute to
            # minute. Who waits takes no processor.
            for case in cases:
                form, size, connections = case
                for name, server in servers.items():
                    if name != "python" or form != "push":
                        found[name][case].append(wrk(server.port, script(form, size, folder), connections))
            for name, server in servers.items():
                memory[name]["after"].append(server.memory("VmHWM"))
    rows, result = [], {}
    for case in cases:
        form, size, connections = case
        ours = found["ours"][case]
        row = [
            f"{form}, {size // 1000} KB, {connections} connection{'s' if connections > 1 else ''}",
            f"{statistics.median(x['rps'] for x in ours):,.0f}",
        ]
        entry = {"ours": ours}
        for other in ("bare", "python"):
            theirs = found[other][case]
            ratios = [a["rps"] / b["rps"] for a, b in zip(ours, theirs)]
            row.append(spread(ratios) if ratios else "–")
            entry[other] = theirs
            entry[f"ratio to {other}"] = ratios
        row += [
            f"{statistics.median(x['p50'] for x in ours):.0f} / {statistics.median(x['p99'] for x in ours):.0f}",
            " / ".join(f"{statistics.median(x[p] for x in found['bare'][case]):.0f}" for p in ("p50", "p99")),
        ]
        rows.append(row)
        result[", ".join(str(x) for x in case)] = entry
    print("### A function that does nothing\n")
    table(["", "requests/s", "of the bare server", "times Python's framework", "µs p50 / p99", "bare, µs p50 / p99"], rows)
    table(
        ["memory, MB", "idle", "peak under load"],
        [[name, *(f"{statistics.median(memory[name][key]):.0f}" for key in ("idle", "after"))] for name in CONTESTANTS],
    )
    return {"cases": result, "memory": memory}


def starts(count):
    body = json.dumps({"message": message(10)}).encode()
    commands = {**CONTESTANTS}
    result = {name: [] for name in commands}
    event = (("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "s"), ("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"))
    for _ in range(count):
        for name, command in commands.items():
            with Server(command) as server:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                connection.request("POST", "/", body, {"content-type": "application/json", **dict(event)})
                status = connection.getresponse().status
                result[name].append((time.monotonic() - server.begin) * 1000)
                if status not in (200, 204):
                    raise RuntimeError(f"{name} answered {status}")
    print("### From the start of the process to the first answer, ms\n")
    table(["", "median", "least", "most"], [[name, *(f"{f(x):.1f}" for f in (statistics.median, min, max))] for name, x in result.items()])
    return result


STATUSES = "InStay=booking_1_in_stay,Booked=booking_2_booked,Tentative=booking_3_tentative"


def function_environment(zendesk):
    return {
        "HOST": "127.0.0.1",
        "ZENDESK_URL": f"http://127.0.0.1:{zendesk}",
        "ZENDESK_ACCESS_TOKEN": "local",
        "ZENDESK_BOOKING_ID_FIELD": "1001",
        "ZENDESK_BOOKING_STATUS_FIELD": "1002",
        "ZENDESK_BOOKING_VERSION_FIELD": "1003",
        "BOOKING_STATUS_TAGS": STATUSES,
        "ZENDESK_WRITES_PER_MINUTE": "100000",
        "ZENDESK_READS_PER_MINUTE": "100000",
        "REORDER_WINDOW_SECONDS": "0",
        "FUNCTION_CONCURRENCY": "1000",
    }


def name(number, kind="booking"):
    """Of one length, since Zendesk's search takes a word for the beginning of a longer one."""
    return f"{kind}-{number:05}"


def push(booking, new, old=None, sequence=0, number=0):
    now = time.time()
    record = {
        "tableName": "Bookings",
        "modType": "UPDATE" if old else "INSERT",
        "serverTransactionId": f"t{number}-{sequence}",
        "recordSequence": f"{sequence:08}",
        "commitTimestamp": {"seconds": int(now), "nanos": int(now % 1 * 1e6) * 1000},
        "mods": [
            {
                "keysJson": json.dumps({"ID": booking}),
                "oldValuesJson": json.dumps({"Status": old} if old else {}),
                "newValuesJson": json.dumps({"Status": new}),
            }
        ],
    }
    data = base64.b64encode(json.dumps(record).encode()).decode()
    return json.dumps(
        {
            "message": {
                "messageId": f"{number}-{sequence}",
                "data": data,
                "publishTime": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
        }
    ).encode()


class Function:
    """The function and the simulated account, each in its own process, with everything of the
    account's limits out of the way.
    """

    def __init__(self, folder, tickets, delay):
        self.log = (folder / f"function-{time.monotonic_ns()}.log").open("w")
        file = folder / f"tickets-{tickets}.json"
        if not file.exists():
            file.write_text(
                json.dumps(
                    {
                        "tickets": [
                            {"id": n + 1, "created_at": "2026-11-01T00:00:00Z", "custom_fields": [{"id": 1001, "value": name(n)}]}
                            for n in range(tickets)
                        ]
                    }
                )
            )
        self.simulator = Server(
            [
                BUILD / "release/bookingstatus",
                "simulator",
                "--port",
                "PORT",
                "--tickets",
                file,
                "--delay-ms",
                delay,
                "--requests-per-minute",
                10_000_000,
                "--updates-per-minute",
                10_000_000,
                "--updates-per-ticket",
                1_000_000,
            ]
        )

    def __enter__(self):
        self.simulator.__enter__()
        self.server = Server([BUILD / "booking-status-function.stripped"], function_environment(self.simulator.port), self.log)
        self.server.__enter__()
        # The options of the drop-down are read once, and do not belong to any event.
        self.calls()
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        self.simulator.__exit__()

    def calls(self):
        """How many requests the account has had, this one aside: from what its header says is left."""
        connection = http.client.HTTPConnection("127.0.0.1", self.simulator.port, timeout=30)
        connection.request("GET", "/api/v2/users/me.json", headers={"authorization": "Bearer local"})
        answer = connection.getresponse()
        answer.read()
        self.probes = getattr(self, "probes", 0) + 1
        return 10_000_000 - int(answer.headers["x-rate-limit-remaining"]) - self.probes

    def answer_time(self):
        """What reading a ticket takes without the function, in milliseconds, in the middle of a
        hundred.
        """
        connection, times = http.client.HTTPConnection("127.0.0.1", self.simulator.port, timeout=30), []
        for _ in range(100):
            begin = time.monotonic()
            connection.request("GET", "/api/v2/tickets/1.json", headers={"authorization": "Bearer local"})
            connection.getresponse().read()
            times.append((time.monotonic() - begin) * 1000)
        connection.close()
        return statistics.median(times)

    def lines(self):
        return [json.loads(line) for line in pathlib.Path(self.log.name).read_text().splitlines() if '"booking status"' in line]


class Client:
    """One kept connection at a time an answer is waited for: what a client's own threads and
    handshakes take is not the server's.
    """

    def __init__(self, port):
        self.port, self.idle = port, []

    async def post(self, body):
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length:
            await reader.readexactly(int(length.group(1)))
        self.idle.append((reader, writer))
        return int(head[9:12])


def paced(port, bodies, per_second, warm=0):
    """Sends at a steady rate whatever the answers take; returns when all are answered. Each body is
    made when it is sent.

    `warm` connections are opened before.
    """

    async def run():
        client = Client(port)
        client.idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(warm)]
        loop, tasks = asyncio.get_running_loop(), []
        begin = loop.time()
        for number, body in enumerate(bodies):
            await asyncio.sleep(begin + number / per_second - loop.time())
            tasks.append(asyncio.create_task(client.post(body())))
        return [await task for task in tasks]

    failures = [status for status in asyncio.run(run()) if status != 204]
    if failures:
        raise RuntimeError(f"not acknowledged: {failures[:5]}")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def whole_function(folder):
    rows, result = [], {}
    for delay in (0, 80):
        with Function(folder, 2000, delay) as f:
            paced(f.server.port, [lambda n=n: push(name(n), "Booked", number=n) for n in range(100)], 50, warm=32)
            entry = measured(f, [lambda n=n: push(name(n), "Booked", number=n) for n in range(100, 1100)], 50)
            entry["answer"] = f.answer_time()
            rows.append(
                [
                    f"{delay} ms",
                    f"{entry['answer']:.1f}",
                    entry["p50"],
                    entry["p99"],
                    f"{entry['p99'] - 3 * entry['answer']:.1f}",
                    f"{entry['calls an event']:.2f}",
                    f"{entry['cpu ms an event']:.2f}",
                ]
            )
            result[f"written, {delay} ms"] = entry
    print("### The function, with the simulated Zendesk in a process of its own: 50 events a second, each written to one ticket\n")
    table(
        [
            "Zendesk is to answer in",
            "a call takes, ms",
            "commit to ticket, ms p50",
            "p99",
            "p99 beyond three calls",
            "Zendesk calls an event",
            "CPU ms an event",
        ],
        rows,
    )
    return result


def throughput(folder):
    rows, result = [], {}
    for bookings, known in ((10, True), (10_000, True), (10_000, False)):
        with Function(folder, bookings if known else 10, 0) as f:
            path = folder / f"events-{bookings}-{known}.lua"
            kind = "booking" if known else "stranger"
            bodies = [push(name(n, kind), "Booked", number=n).decode() for n in range(bookings)]
            path.write_text(
                'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nlocal bodies = {}\n'
                f'for line in io.lines("{folder}/bodies") do bodies[#bodies + 1] = line end\nlocal n = 0\n'
                "request = function() n = n % #bodies + 1; return wrk.format(nil, nil, nil, bodies[n]) end\n" + REPORT
            )
            (folder / "bodies").write_text("\n".join(bodies))
            post(f.server.port, push(name(0), "Booked", number=bookings))
            before, cpu = f.calls(), f.server.cpu()
            measured = wrk(f.server.port, path, 32, 10)
            events = measured["rps"] * 10
            entry = {
                "events/s": measured["rps"],
                "calls an event": (f.calls() - before) / events,
                "cpu ms an event": (f.server.cpu() - cpu) / events * 1000,
            }
            what = f"{bookings:,} bookings, {'with a ticket each' if known else 'no ticket'}"
            rows.append([what, f"{entry['events/s']:,.0f}", f"{entry['calls an event']:.2f}", f"{entry['cpu ms an event']:.2f}"])
            result[what] = entry
    print("### As fast as it can, 32 at once; a ticket is written once, then it shows the status already\n")
    table(["", "events/s", "Zendesk calls an event", "CPU ms an event"], rows)
    return result


def step(booking, pass_, number):
    """The booking's next change in a row of them, each of which its ticket has to show."""
    statuses = ["Tentative", "Booked", "InStay"]
    return push(name(booking), statuses[pass_ % 3], statuses[(pass_ - 1) % 3] if pass_ else None, pass_, number)


def few_or_many(folder):
    """The same events to few bookings or to many. A ticket is written every two seconds at most, by
    the rules of safe updates, so ten take three a second.
    """
    rows, result, events = [], {}, 150
    for bookings in (10, 1000, 10_000):
        with Function(folder, bookings, 0) as f:
            paced(f.server.port, [lambda: push(name(0, "stranger"), "Booked")] * 10, 5, warm=4)
            entry = measured(f, [lambda n=n: step(n % bookings, n // bookings, n) for n in range(events)], 3)
            rows.append([f"{bookings:,}", *cells(entry)])
            result[bookings] = entry
    print("### Three events a second, each of them written, Zendesk answering at once\n")
    table(["bookings, with a ticket each", *CELLS], rows)
    return result


CELLS = ["CPU ms an event", "and the simulator's", "commit to ticket, ms p50", "p99", "memory, MB"]


def cells(entry):
    return [
        f"{entry['cpu ms an event']:.2f}",
        f"{entry['simulator, cpu ms an event']:.2f}",
        entry["p50"],
        entry["p99"],
        f"{entry['memory, MB']:.0f}",
    ]


def measured(f, bodies, per_second):
    """What events cost, each of which is written. (Calls are counted within the account's minute:
    not for longer runs.)
    """
    before, cpu, simulator, done = f.calls(), f.server.cpu(), f.simulator.cpu(), len(f.lines())
    paced(f.server.port, bodies, per_second, warm=32)
    calls, cpu, simulator, lines = f.calls() - before, f.server.cpu() - cpu, f.simulator.cpu() - simulator, f.lines()[done:]
    written = sum(line["outcome"] in ("added", "updated") for line in lines)
    assert written == len(bodies) == len(lines), f"{written} of {len(bodies)} were written"
    times = [int(line["commit_to_write_ms"]) for line in lines]
    return {
        "cpu ms an event": cpu / len(bodies) * 1000,
        "simulator, cpu ms an event": simulator / len(bodies) * 1000,
        "p50": percentile(times, 0.5),
        "p99": percentile(times, 0.99),
        "calls an event": calls / len(bodies),
        "memory, MB": f.server.memory(),
    }


def long_run(folder, minutes):
    """Whether what an event costs grows with time: 50 events a second to 10,000 bookings, in parts."""
    rows, bookings, parts = [], 10_000, 6
    with Function(folder, bookings, 0) as f:
        paced(f.server.port, [lambda: push(name(0, "stranger"), "Booked")] * 100, 50, warm=32)
        number = 0
        for part in range(parts):
            events = minutes * 60 * 50 // parts
            entry = measured(f, [lambda n=n: step(n % bookings, n // bookings, n) for n in range(number, number + events)], 50)
            number += events
            rows.append([f"{part * minutes // parts} to {(part + 1) * minutes // parts}", *cells(entry)])
    print(f"### {minutes} minutes of 50 events a second to {bookings:,} bookings, each of them written, Zendesk answering at once\n")
    table(["minutes", *CELLS], rows)


def together(folder):
    """Changes of one booking, all at once: what is in flight together is written together."""
    rows, result = [], {}
    for count in (2, 10, 50):
        with Function(folder, 10, 80) as f:
            post(f.server.port, push(name(1), "Booked"))
            before, done = f.calls(), len(f.lines())
            statuses = ["InStay", "Booked"]
            threads = [
                threading.Thread(
                    target=post, args=(f.server.port, push(name(0), statuses[n % 2], statuses[(n + 1) % 2] if n else None, n, 1))
                )
                for n in range(count)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            writes = sum(line["outcome"] in ("added", "updated") for line in f.lines()[done:])
            entry = {"writes": writes, "calls": f.calls() - before}
            rows.append([count, entry["writes"], entry["calls"], f"{entry['calls'] / count:.2f}"])
            result[count] = entry
    print("### Changes of one booking that come at once, Zendesk answering in 80 ms\n")
    table(["changes", "ticket writes", "Zendesk calls", "calls an event"], rows)
    return result


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--minutes", type=int, help="measure nothing but a run of so many minutes")
    arguments.add_argument("--json")
    arguments = arguments.parse_args()
    cpu = next(
        line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    )
    machine = f"{os.cpu_count()} cores of {cpu}, {platform.system()} {platform.machine()}"
    print(f"{datetime.date.today()}, {machine}; {arguments.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if arguments.minutes:
            long_run(folder, arguments.minutes)
            return
        result = {
            "no-op": noop(arguments.rounds, folder),
            "starts": starts(20),
            "function": whole_function(folder),
            "throughput": throughput(folder),
            "few or many": few_or_many(folder),
            "together": together(folder),
        }
    sizes = {name: (BUILD / f"{name}.stripped").stat().st_size / 1e6 for name in ("booking-status-function", "NoopFunction", "BareServer")}
    print("### Stripped static binaries, MB\n")
    table(list(sizes), [[f"{size:.1f}" for size in sizes.values()]])
    result["binaries"] = sizes
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
