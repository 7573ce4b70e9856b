"""A machine's view of the world: no network but the cloud's addresses, and an /etc of its own."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
UNSHARE = ("unshare", "--net", "--mount", "--propagation=private")
if os.geteuid():
    UNSHARE = ("unshare", "--user", "--map-root-user", *UNSHARE[1:])


def refusal() -> str:
    """Why namespaces cannot be had here; empty where they can."""
    missing = [name for name in ("unshare", "nsenter", "ip", "mount", "curl") if not shutil.which(name)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run([*UNSHARE, "mount", "--bind", "/etc", "/etc"], capture_output=True, text=True)
    return f"namespaces are not permitted here: {tried.stderr.strip()}" if tried.returncode else ""


class Namespace:
    """Network and mounts; sockets made in it are served from this process, and programs are run in it."""

    def __init__(self, folder: Path, hosts: tuple[str, ...]) -> None:
        if reason := refusal():
            pytest.skip(reason)
        self.etc = folder / "etc"
        shutil.copytree("/etc", self.etc, symlinks=True, ignore_dangling_symlinks=True, ignore=_unreadable)
        (self.etc / "hosts").write_text("".join(f"127.0.0.1 {host}\n" for host in ("localhost", *hosts)))
        (self.etc / "anywhere").mkdir(exist_ok=True)
        self.ours, theirs = socket.socketpair()
        with theirs:
            self.child = subprocess.Popen(
                [*UNSHARE, sys.executable, str(HERE / "inside.py"), str(theirs.fileno()), str(self.etc)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[theirs.fileno()],
            )
        assert self.child.stdout.readline() == "ready\n"

    def listen(self, address: str, port: int) -> socket.socket:
        """A socket that listens in the namespace."""
        self.child.stdin.write(f"{address} {port}\n")
        self.child.stdin.flush()
        _, descriptors, _, _ = socket.recv_fds(self.ours, 1, 1)
        return socket.socket(fileno=descriptors[0])

    def command(self, *line: str) -> list[str]:
        """`line` as a command that runs in the namespace."""
        user = ["--user", "--preserve-credentials"] if os.geteuid() else []
        return ["nsenter", "--target", str(self.child.pid), "--net", "--mount", *user, "--", *line]

    def close(self) -> None:
        self.child.stdin.close()
        self.child.wait(10)
        self.ours.close()


def _unreadable(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not os.access(Path(folder, name), os.R_OK, follow_symlinks=True)]
