"""The function as a process: whoever reads its log stops, files run out, and a signal comes before
it is ready.
"""

import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import time
import unittest

from cloud_logging import Filter, log_entries
from support import BINARIES, FUNCTION, free_port, function_environment, http, listens, simulator, wait_until

BINARY = pathlib.Path(os.environ.get("FUNCTION_UNDER_TEST", BINARIES / "booking-status-function"))


def environment(port, **more):
    return os.environ | function_environment(1, PORT=str(port), LOG_LEVEL="debug", **more)


def event(port, timeout=20):
    return http("POST", f"http://127.0.0.1:{port}/", {"message": {"messageId": "1", "data": "e30="}}, timeout=timeout)[0]


class ProcessTests(unittest.TestCase):
    def start(self, port, **options):
        process = subprocess.Popen([BINARY], env=environment(port), **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: listens(port), 20, "it listens")
        return process

    def cpu(self, process):
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_a_log_that_nobody_reads_holds_up_neither_events_nor_the_end(self):
        port = free_port()
        reading, writing = os.pipe()
        process = self.start(port, stderr=writing)
        os.close(writing)
        # A pipe takes 64 KB; each event is a line of about 400 bytes.
        for _ in range(600):
            self.assertEqual(event(port), 422)
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)
        self.assertLess(time.monotonic() - begin, 9)
        os.close(reading)

    def test_what_was_not_written_is_counted_once_somebody_reads_again(self):
        port = free_port()
        reading, writing = os.pipe()
        process = self.start(port, stderr=writing)
        os.close(writing)
        answers = 0
        # More than the megabyte that waits: each answer of a refused path is a line at this level.
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as connection:
            request = b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
            for hundreds in range(1, 61):
                connection.sendall(request * 100)
                while answers < 100 * hundreds:
                    answers += connection.recv(1 << 20).count(b"HTTP/1.1 405")
        os.set_blocking(reading, False)
        text, end = b"", time.monotonic() + 20
        while not re.search(rb"log lines dropped.*\n", text) and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                text += os.read(reading, 1 << 16)
        lines = [json.loads(line) for line in text.splitlines() if line.endswith(b"}")]
        dropped = next(line for line in lines if line["message"].startswith("log lines dropped"))
        self.assertEqual(dropped["severity"], "WARNING")
        self.assertEqual(sum(line["message"] == "request refused" for line in lines) + dropped["count"], 6000)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)
        os.close(reading)

    def test_a_reader_of_the_log_that_has_gone_ends_nothing(self):
        port = free_port()
        reading, writing = os.pipe()
        process = self.start(port, stderr=writing)
        os.close(writing)
        os.close(reading)
        for _ in range(20):
            self.assertEqual(event(port), 422)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(10), 0)

    def test_more_connections_than_files_make_nobody_spin_and_leave_no_trace(self):
        port = free_port()
        process = self.start(port, stderr=subprocess.DEVNULL, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128)))
        connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        time.sleep(1)
        before = self.cpu(process)
        time.sleep(2)
        self.assertLess(self.cpu(process) - before, 0.2)
        self.assertLess(len(os.listdir(f"/proc/{process.pid}/fd")), 128)
        for connection in connections:
            connection.close()
        wait_until(lambda: event(port) == 422, 10, "it serves again")

    def time_to_listen(self):
        port = free_port()
        begin = time.monotonic()
        process = subprocess.Popen([BINARY], env=environment(port), stderr=subprocess.DEVNULL)
        while not listens(port):
            time.sleep(0.0005)
        taken = time.monotonic() - begin
        process.terminate()
        process.wait(20)
        return taken

    def test_a_signal_is_not_lost_before_the_server_is_ready(self):
        """As the first process of a namespace, for which the system drops signals that nobody has
        asked for.
        """
        start = min(self.time_to_listen() for _ in range(3))
        signalled, lost = [], []
        for tenths in range(1, 13):
            command = ["unshare", "--pid", "--fork", "--kill-child", str(BINARY)]
            process = subprocess.Popen(command, env=environment(free_port()), stderr=subprocess.DEVNULL)
            child = None
            while child is None:
                with contextlib.suppress(FileNotFoundError, IndexError):
                    pid = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
                    # The program itself, and not what is about to become it.
                    if os.readlink(f"/proc/{pid}/exe") == str(BINARY.resolve()):
                        child = int(pid)
            time.sleep(start * tenths / 10)
            os.kill(child, signal.SIGTERM)
            self.addCleanup(process.kill)
            signalled.append((tenths, process))
        end = time.monotonic() + 5
        for tenths, process in signalled:
            try:
                self.assertEqual(process.wait(max(0.1, end - time.monotonic())), 0)
            except subprocess.TimeoutExpired:
                lost.append(tenths)
                process.kill()
                process.wait()
        print(f"\nit listens after {start * 1000:.0f} ms; of signals at each tenth of that these were lost: {lost}", flush=True)
        # Until the program's first instruction nobody can ask for a signal.
        self.assertTrue(all(tenths <= 6 for tenths in lost), lost)

    def memory(self, process):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]) / 1000

    def test_what_comes_after_a_request_for_another_protocol_is_not_kept(self):
        port = free_port()
        process = self.start(port, stderr=subprocess.DEVNULL)
        self.assertEqual(event(port), 422)
        before = self.memory(process)
        with contextlib.closing(socket.create_connection(("127.0.0.1", port))) as connection:
            connection.settimeout(5)
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 0\r\n\r\n")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
                for _ in range(200):
                    connection.sendall(bytes(1_000_000))
        self.assertLess(self.memory(process) - before, 20)
        self.assertEqual(event(port), 422)

    def test_a_taken_port_is_named(self):
        with contextlib.closing(socket.socket()) as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            bookingstatus = BINARIES / "bookingstatus"
            for command in (
                [BINARY],
                [bookingstatus, "simulator", f"--port={port}"],
                [bookingstatus, "dev", f"--port={port}", f"--console-port={free_port()}"],
                [bookingstatus, "dev", f"--port={free_port()}", f"--console-port={port}"],
            ):
                ended = subprocess.run(command, env=environment(port), capture_output=True, text=True, timeout=60)
                self.assertIn(f"port {port} is in use: stop the process that listens there, or choose another", ended.stderr)
                self.assertNotEqual(ended.returncode, 0)

    def test_the_runbook_finds_why_a_revision_does_not_start(self):
        section = (FUNCTION / "RUNBOOK.md").read_text().split("## A revision that does not start\n")[1]
        command = re.search(r"gcloud logging read '(.*?)'.*?--format='value\((.*?)\)'", section, re.S)
        found = Filter(command[1])
        with contextlib.closing(socket.socket()) as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            for settings, said in ({"PORT": "x"}, "configuration: PORT is"), ({"PORT": str(port)}, f"cannot serve port {port} is in use"):
                ended = subprocess.run([BINARY], env=environment(port) | settings, capture_output=True, text=True, timeout=60)
                [entry] = [entry for entry in log_entries(ended.stderr) if found.matches(entry)]
                values = [entry["jsonPayload"].get(path.removeprefix("jsonPayload."), "") for path in command[2].split(",")]
                self.assertIn(said, " ".join(values))

    def test_a_sweep_of_all_tickets_ends_when_it_is_told_to(self):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as zendesk:
            zendesk.settimeout(20)
            more = {
                "SPANNER_DATABASE": "projects/p/instances/i/databases/d",
                "SPANNER_URL": "http://127.0.0.1:1",
                "ZENDESK_URL": f"http://127.0.0.1:{zendesk.getsockname()[1]}",
            }
            for sent in signal.SIGINT, signal.SIGTERM:
                process = subprocess.Popen([BINARY, "sweep", "--all"], env=environment(free_port()) | more, stderr=subprocess.DEVNULL)
                self.addCleanup(process.kill)
                # It is at work, and waits for Zendesk's answer.
                with contextlib.closing(zendesk.accept()[0]):
                    process.send_signal(sent)
                    self.assertEqual(process.wait(5), 128 + sent)

    def test_a_sweep_without_a_database_names_the_setting(self):
        ended = subprocess.run([BINARY, "sweep", "--all"], env=environment(free_port()), capture_output=True, text=True)
        self.assertEqual(ended.returncode, 78)
        self.assertIn("configuration: SPANNER_DATABASE is not set", ended.stderr)
        self.assertNotIn("go_on_with", ended.stderr)

    def test_setup_and_check_are_commands_of_the_function(self):
        port = free_port()
        simulator(self, port)
        settings = os.environ | function_environment(port)
        account = {name: value for name, value in settings.items() if not name.endswith("_FIELD")}
        for command, variables, status, said in (
            ("setup", account, 0, "Nothing was changed"),
            ("setup --yes", account, 0, "ZENDESK_BOOKING_STATUS_FIELD=1002"),
            ("setup", account | {"ZENDESK_URL": "http://example.com"}, 78, "ZENDESK_URL is not an https URL"),
            ("check", settings, 0, "ok       "),
            ("check", account, 78, "ZENDESK_BOOKING_ID_FIELD is missing"),
        ):
            ended = subprocess.run([BINARY, *command.split()], env=variables, capture_output=True, text=True, timeout=60)
            self.assertEqual(ended.returncode, status, ended.stdout + ended.stderr)
            self.assertIn(said, ended.stdout + ended.stderr)
        moved = subprocess.run([BINARIES / "bookingstatus", "setup", "--zendesk", "x"], capture_output=True, text=True)
        self.assertEqual(moved.returncode, 64)
        self.assertIn("run booking-status-function setup", moved.stderr)


if __name__ == "__main__":
    unittest.main()
