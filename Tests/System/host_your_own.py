"""The page "Host your own function" as a package outside the tree, from the page's own text."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from support import ROOT

PAGE = ROOT / "Sources" / "Runtime" / "FunctionHosting" / "FunctionHosting.docc" / "HostYourOwnFunction.md"


def blocks(language):
    """The page's blocks of a language, each with the text before it."""
    parts = re.split(
        rf"^```{language}\n(.*?)^```\n",
        re.sub(rf"^```(?!{language}\n)\w+\n.*?^```\n", "", PAGE.read_text(), flags=re.M | re.S),
        flags=re.M | re.S,
    )
    return list(zip(parts[0::2], parts[1::2]))


def commands():
    return [code.strip() for _, code in blocks("sh")]


def copy(test):
    """This package as it stands, in a repository of its own: what a dependency is fetched from."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="deployment-")) / "booking-status-sync"
    test.addCleanup(subprocess.run, ["rm", "-rf", folder.parent])
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


def package(test):
    """The folder of the page's package, which depends on a copy of this one."""
    source = copy(test)
    greeter = source.parent / "greeter"
    for before, code in blocks("swift"):
        named = re.findall(r"`((?:Sources|Tests)/[\w/]+\.swift)`:\s*\Z", before)
        name = "Package.swift" if "swift-tools-version" in code else named[0] if named else None
        if name:
            code, count = re.subn(r'url: "https://github.com/[^"]+/booking-status-sync"', f'url: "file://{source}"', code)
            test.assertEqual(count, 1 if name == "Package.swift" else 0)
            (greeter / name).parent.mkdir(parents=True, exist_ok=True)
            (greeter / name).write_text(code)
    return greeter
