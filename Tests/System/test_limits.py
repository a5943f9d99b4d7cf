"""The function under the memory and CPU of its own manifest, with events that somebody made to stop
it.
"""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import time
import unittest

import yaml

from support import FUNCTION, ROOT, Process, free_port, function_environment, simulator, wait_until

BINARY = ROOT / ".build-release" / "release" / "booking-status-function"
MEGABYTE = 1_000_000


class Group:
    """A control group with so much memory and so much of a processor, of whichever version the
    machine has.
    """

    def __init__(self, test, memory, cpu):
        self.folders = {}
        name = f"booking-status-sync-{os.getpid()}-{time.monotonic_ns()}"
        root = pathlib.Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():
            files = {root: {"memory.max": memory, "memory.swap.max": 0, "cpu.max": f"{int(cpu * 100_000)} 100000"}}
            (root / "cgroup.subtree_control").write_text("+memory +cpu")
        else:
            files = {root / "memory": {"memory.limit_in_bytes": memory}, root / "cpu": {"cpu.cfs_quota_us": int(cpu * 100_000)}}
        for parent, values in files.items():
            folder = parent / name
            folder.mkdir()
            test.addCleanup(self.remove, folder)
            for file, value in values.items():
                (folder / file).write_text(str(value))
            self.folders[parent.name] = folder

    def remove(self, folder):
        wait_until(lambda: not (folder / "cgroup.procs").read_text().strip(), 20, "its processes have ended")
        folder.rmdir()

    def wrap(self, command):
        """The command in the group: a shell enters it, and becomes the command."""
        files = " ".join(f'"{folder}/cgroup.procs"' for folder in self.folders.values())
        return ["bash", "-c", f'for file in {files}; do echo $$ > "$file"; done; exec "$@"', "-", *command]


def post(port, body):
    """The answer's status, also where it comes before all of the body was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/", body, {"content-type": "application/json"})
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
        answer.read()
        return answer.status
    finally:
        connection.close()


def push(data, number=0):
    return json.dumps({"message": {"messageId": f"hostile-{number}", "data": base64.b64encode(data).decode()}}).encode()


def record(mods, table="Bookings"):
    return (
        f'{{"tableName":"{table}","modType":"UPDATE","serverTransactionId":"t","recordSequence":"0",'
        f'"commitTimestamp":"2026-11-23T20:13:31.535Z","mods":[{mods}]}}'
    ).encode()


def mod(value):
    return json.dumps({"keysJson": '{"ID":"1"}', "oldValuesJson": "{}", "newValuesJson": '{"Status":"Booked","Other":' + value + "}"})


def row(number):
    return '{"keysJson":"{\\"ID\\":\\"r%d\\"}","newValuesJson":"{\\"Status\\":\\"Booked\\"}"}' % number


def many(text, length):
    return text * (length // len(text))


# Bodies of about so many bytes, each of which is to cost as much as possible.
SHAPES = {
    "numbers in the values": lambda n: push(record(mod("[" + many("1,", n * 3 // 4) + "1]"))),
    "arrays in the values": lambda n: push(record(mod("[" + many("[],", n * 3 // 4) + "[]]"))),
    "values that nest": lambda n: push(record(mod("[" * 500 + many("],[", n * 3 // 4) + "]" * 500))),
    "many columns": lambda n: push(record(mod("1," + many('"a":1,', n * 2 // 4) + '"a":1'))),
    "many rows": lambda n: push(record(",".join(row(i) for i in range(n * 3 // 4 // 72)))),
    "many rows of another table": lambda n: push(record(",".join(row(i) for i in range(n * 3 // 4 // 72)), "Rooms")),
    "many attributes": lambda n: ('{"message":{"messageId":"1","attributes":{' + many('"a":"b",', n) + '"a":"b"}}}').encode(),
    "many members": lambda n: ('{"message":{"messageId":"1"},' + many('"a":1,', n) + '"a":1}').encode(),
    "many objects of many members": lambda n: (
        '{"message":{"messageId":"1"},' + ",".join('"%d":{%s"":0}' % (i, '"":0,' * 8000) for i in range(n // 40_000)) + "}"
    ).encode(),
    "nested arrays": lambda n: ("[" * 500 + many("],[", n) + "]" * 500).encode(),
    "escapes": lambda n: ('{"message":{"messageId":"1","data":"' + many("\\u0041", n) + '"}}').encode(),
    "half of a base64 text": lambda n: ('{"message":{"messageId":"1","data":"' + many("QUFB", n)).encode(),
}


class LimitsTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--scratch-path", ".build-release", "--product"]
        subprocess.run([*command, "booking-status-function"], cwd=ROOT, check=True, capture_output=True)
        manifest = (FUNCTION / "service.yaml").read_text().replace("@traffic@", "latestRevision: true")
        service = yaml.safe_load(re.sub(r"@\??\w+@", "x", manifest))
        container = service["spec"]["template"]["spec"]["containers"][0]
        cls.limits = container["resources"]["limits"]
        cls.manifest = {
            entry["name"]: entry["value"] for entry in container["env"] if re.fullmatch(r"FUNCTION_\w+|MAX_BODY_BYTES", entry["name"])
        }

    def start(self):
        """The function under the manifest's limits, beside a simulated Zendesk that has none."""
        zendesk, port = free_port(), free_port()
        simulator(self, zendesk)
        memory = int(re.fullmatch(r"(\d+)Mi", self.limits["memory"])[1]) << 20
        group = Group(self, memory, float(self.limits["cpu"]))
        settings = {"REORDER_WINDOW_SECONDS": "0", "IGNORED_TABLES": "Rooms", "LOG_LEVEL": "error"}
        environment = function_environment(zendesk, PORT=str(port), **settings, **self.manifest)
        self.function = Process(self, group.wrap([os.environ.get("FUNCTION_UNDER_TEST", BINARY)]), environment).wait_for(port)
        return port

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.function.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.function.process.pid}/status").read_text())[1]) / 1000

    def alive(self):
        self.assertIsNone(
            self.function.process.poll(), f"the function was killed: {self.function.process.returncode}\n{self.function.log[-2000:]}"
        )

    def cost(self, port, body):
        """Milliseconds of CPU a megabyte, with the answer."""
        before = self.cpu()
        status = post(port, body)
        self.alive()
        return (self.cpu() - before) * 1000 / (len(body) / MEGABYTE), status

    def slowness(self, port):
        """How many times as long this machine takes as the one that the figures are of, by a body
        that cannot cost less.
        """
        plain = push(record(mod(json.dumps("x" * (9 * MEGABYTE))), "Rooms"))
        return max(1, min(self.cost(port, plain)[0] for _ in range(3)) / 6)

    def test_a_body_costs_at_most_a_tenth_of_a_second_of_cpu_a_megabyte(self):
        port = self.start()
        slowness = self.slowness(port)
        print(f"\nthis machine takes {slowness:.1f} times as long")
        for name, shape in SHAPES.items():
            with self.subTest(name):
                body = shape(12 * MEGABYTE)
                # What the machine does besides, such as making memory, counts in a single measurement.
                cost, status = min(self.cost(port, body) for _ in range(1 if name == "many rows" else 3))
                print(f"{name}: {status}, {cost:.1f} ms of CPU a MB, peak {self.peak():.0f} MB", flush=True)
                # What the rows of the function's own table cost is its work.
                if name != "many rows":
                    self.assertLessEqual(cost, 100 * slowness)

    def test_ten_hostile_events_at_once_end_in_answers_and_hold_nobody_up(self):
        port = self.start()
        slowness = self.slowness(port)
        print()
        for name, shape in SHAPES.items():
            with self.subTest(name):
                body = shape(13 * MEGABYTE)
                answers, answers_beside, slowest, done = [], [], [0.0], threading.Event()

                def hostile():
                    answers.append(post(port, body))

                def normal():
                    number = 0
                    while not done.is_set():
                        number += 1
                        event = push(record(row(1), "Rooms"), number)
                        begin = time.monotonic()
                        status = post(port, event)
                        slowest[0] = max(slowest[0], time.monotonic() - begin)
                        answers_beside.append(status)
                        time.sleep(0.05)

                threads = [threading.Thread(target=hostile) for _ in range(10)]
                beside = threading.Thread(target=normal)
                beside.start()
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                done.set()
                beside.join()
                self.alive()
                print(
                    f"{name}: {sorted(answers)}, beside them {len(answers_beside)} events, "
                    f"slowest {slowest[0]:.2f} s, peak {self.peak():.0f} MB",
                    flush=True,
                )
                self.assertEqual(len(answers), 10)
                self.assertEqual(set(answers_beside), {204})
                self.assertLessEqual(slowest[0], 2 * slowness)


if __name__ == "__main__":
    unittest.main()
