"""What machines may leave on a computer when they are gone: looked for where the kernel shows it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from providers.local.container import network
from providers.local.home import ClusterFolder


def of(home: Path, cluster: str) -> Iterator[str]:
    """Processes, mounts, loop devices, control groups, namespaces and interfaces of a cluster in `home`."""
    name = network.namespace(ClusterFolder(cluster, home / "clusters" / cluster))
    for line in _printed("pgrep", "--full", "--list-full", str(home)):
        yield f"process {line}"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        target = line.split()[1]
        if str(home) in line or name in line:
            yield f"mount {target}"
    for line in _printed("losetup", "--list", "--noheadings", "--output", "BACK-FILE"):
        if str(home) in line:
            yield f"loop device {line}"
    yield from (f"control group {path}" for path in Path("/sys/fs/cgroup").rglob(f"{name}*"))
    yield from (f"network namespace {line}" for line in _printed("ip", "netns", "list") if line.startswith(name))
    for line in _printed("ip", "-brief", "link"):
        if line.startswith(("port-", "gateway", "outside", "uplink", "machines")):
            yield f"interface {line}"


def _printed(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
