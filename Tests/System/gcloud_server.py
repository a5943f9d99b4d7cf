"""Runs gcloud commands in copies of one process that has loaded gcloud: loading takes most of a
command's second, and a deployment has a hundred commands.

`python3 gcloud_server.py FOLDER` writes FOLDER/gcloud, for the front of PATH, and serves it until it
or its parent ends. Each command is gcloud's own code in a process of its own, with its caller's arguments,
environment, folder and files.
"""

import array
import contextlib
import importlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import traceback

# An emulator is ended together with the process group of its command: that is the real one.
CLIENT = """#!/usr/bin/env -S python3 -S -E
import array, json, os, socket, sys
if "emulators" in sys.argv:
    os.execv("{gcloud}", ["{gcloud}", *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect("{address}")
call = json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "folder": os.getcwd()}})
server.sendmsg([call.encode() + b"\\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
sys.exit(int(server.makefile().readline() or 1))
"""


def main(folder):
    gcloud = shutil.which("gcloud")
    values = "--format=value(installation.sdk_root,basic.python_location)"
    root, python = subprocess.run([gcloud, "info", values], check=True, capture_output=True, text=True).stdout.split()
    address = f"{folder}/socket"
    # gcloud's own Python, which its libraries are for.
    environment = os.environ | {"CLOUDSDK_ROOT_DIR": root}
    server = subprocess.Popen([python, "-S", __file__, "serve", address, f"{root}/lib"], env=environment, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    parent = os.getppid()
    while not os.path.exists(address) and server.poll() is None:
        select.select([], [], [], 0.05)
    client = pathlib.Path(folder) / "gcloud.new"
    client.write_text(CLIENT.format(gcloud=gcloud, address=address))
    client.chmod(0o755)
    client.rename(client.with_name("gcloud"))
    # It ends with whoever started it, however that ended.
    while os.getppid() == parent:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return server.wait(1)
    server.terminate()
    return server.wait()


def serve(address, library):
    sys.path[:0] = [f"{library}/third_party", library]
    gcloud = importlib.import_module("googlecloudsdk.gcloud_main")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    learns, learned = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    while True:
        ready, _, _ = select.select([server, learns], [], [])
        if learns in ready:
            load(learns.recv(1 << 20).decode().split())
        if server in ready:
            connection, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                answer(connection, gcloud, f"{library}/gcloud.py", learned)
                os._exit(0)
            connection.close()


def load(modules):
    """What a command had to load, the next one finds."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def answer(connection, gcloud, program, learned):
    data, ancillary, _, _ = connection.recvmsg(1 << 20, socket.CMSG_SPACE(12))
    files = array.array("i", ancillary[0][2])
    while not data.endswith(b"\n"):
        data += connection.recv(1 << 20)
    call = json.loads(data)
    command = os.fork()
    if command == 0:
        for target, file in enumerate(files):
            os.dup2(file, target)
        os.chdir(call["folder"])
        os.environ.clear()
        os.environ.update(call["environment"])
        sys.argv = [program, *call["arguments"]]
        os._exit(run(gcloud, learned))
    _, status = os.waitpid(command, 0)
    connection.sendall(b"%d\n" % (os.waitstatus_to_exitcode(status) & 255))


def run(gcloud, learned):
    before = set(sys.modules)
    status = 0
    try:
        status = gcloud.main() or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    new = [name for name in sys.modules if name not in before and name.startswith(("googlecloudsdk.", "google.", "apitools."))]
    if new:
        with contextlib.suppress(OSError):
            learned.send(" ".join(new).encode())
    return status


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1]))
