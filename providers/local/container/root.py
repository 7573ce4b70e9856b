"""What only root may do for machines that are containers: `python -m providers.local.container.root VERB PATH...`.

Who is not root runs it by sudo. Each verb is one call of a function of this package, and no more.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from generator.command import find
from generator.errors import UserError
from providers.local.container import cgroup
from providers.local.home import ClusterFolder

HINT = "Run this as root, have sudo, or use machines: vm."
SYSTEMD = Path("/run/systemd/system")
# Beside null and its like: what mounts the base image, terminals, and the way out. Images may hold any device node, and
# to create one is permitted (m), as Docker permits it: to open one (rw) is not.
DEVICES = ("/dev/loop-control rw", "block-loop rwm", "char-pts rwm", "/dev/net/tun rwm", "char-* m", "block-* m")
REASON = "anywhere makes machines as containers (namespaces, mounts, control groups)"


def call(verb: str, *words: str | Path) -> None:
    """Run a verb as root. UserError with what it says where it fails."""
    done = subprocess.run(_command(verb, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        message, _, hint = done.stderr.partition("\n\n")
        raise UserError(message.strip() or f"`{verb}` failed (exit {done.returncode}).", hint.strip())


def _command(verb: str, *words: str | Path) -> list[str]:
    around = _scope() if verb == "start" else []
    program = ["-m", __spec__.name if __spec__ else __name__, verb, *map(str, words)]
    if os.geteuid() == 0:
        return [*around, sys.executable, *program]
    return [find("sudo"), "--non-interactive", "--", *around, sys.executable, "-I", *program]


def _scope() -> list[str]:
    """Where systemd runs this computer, a machine is a scope that may divide its control group; elsewhere nothing.

    Only with cgroup v2 can runc's own device filter stand below another one.
    """
    if not SYSTEMD.is_dir():
        return []
    words = [find("systemd-run"), "--scope", "--quiet", "--collect", "--property=Delegate=yes"]
    if cgroup.unified():
        words += ["--property=DevicePolicy=closed", *(f"--property=DeviceAllow={device}" for device in DEVICES)]
    return words


def permitted() -> bool:
    """Whether this user may become root without being asked now."""
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "--non-interactive", "true"], capture_output=True, check=False).returncode == 0


def ask() -> None:
    """Have the user's password for sudo now, where it takes one: Terraform cannot ask for it later."""
    if permitted():
        return
    prompt = f"{REASON}. Password of %u for sudo: "
    done = subprocess.run([find("sudo"), "--validate", "--prompt", prompt], check=False)
    if done.returncode:
        raise UserError("Machines as containers need root.", HINT)


def _start(cluster: str, folder: str, images: str) -> None:
    from providers.local.container import supervisor

    supervisor.start(_cluster(cluster), Path(folder), Path(images))


def _signal(pid: str, number: str) -> None:
    os.kill(int(pid), int(number))


def _remove(folder: str) -> None:
    from providers.local.container import filesystem

    cgroup.recorded(Path(folder)).remove()
    filesystem.remove(Path(folder))


def _disconnect(cluster: str) -> None:
    from providers.local.container import network

    network.remove_bridge(_cluster(cluster))


def _load_images(image: str, plan: str) -> None:
    from providers.local.container import image as images

    images.load(Path(image), Path(plan))


def _prepare_computer(*modules: str) -> None:
    from providers.local.container import kernel

    kernel.prepare(modules)


def _cluster(path: str) -> ClusterFolder:
    return ClusterFolder(Path(path).name, Path(path))


VERBS: Mapping[str, Callable[..., None]] = {
    "start": _start,
    "signal": _signal,
    "remove": _remove,
    "disconnect": _disconnect,
    "load-images": _load_images,
    "prepare-computer": _prepare_computer,
}


def main() -> None:
    """Run the verb that the command line names."""
    verb, *words = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever called: half a verb is worse than a late one
    try:
        VERBS[verb](*words)
    except UserError as error:
        sys.exit(f"{error.message}\n\n{error.hint}" if error.hint else error.message)
    except OSError as error:
        sys.exit(f"{error.filename or verb}: {error.strerror}.")


if __name__ == "__main__":
    main()
