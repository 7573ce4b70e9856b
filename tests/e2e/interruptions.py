"""What interrupts a rollout: an agent that is killed, and a machine that loses its power."""

import os
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.e2e.local_cluster import Cluster

# Ends as soon as container $1 does, which was there when this began.
REPLACED = """\
ends() {
    pid=$(sudo docker inspect --format '{{.State.Pid}}' "$1")
    echo "watch $1"
    while [ -d "/proc/$pid" ]; do sleep 0.05; done
}
"""
KILL = "sudo pkill -9 -f 'python3 -m [a]gent'"  # which is not the command line of the shell that runs this


@contextmanager
def killed_agents(cluster: Cluster, containers: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Kill every process of the agent on a machine whenever it replaces one of its containers, named by machine."""
    with ExitStack() as stack:
        watchers = []
        for machine, names in containers.items():
            each = "\n".join(f'(ends {name}; {KILL}; echo "killed beside {name}") &' for name in names)
            watcher = stack.enter_context(_watching(cluster, machine, f"{each}\nwait", len(names)))
            watchers.append((watcher, names))
        yield
        for watcher, names in watchers:
            said, _ = watcher.communicate(timeout=60)
            assert set(said.split("\n")) - {""} == {f"killed beside {name}" for name in names}


def cut_power(cluster: Cluster, machine: str, container: str) -> None:
    """Apply, cut the power of a machine while it replaces a container, and interrupt that apply as a person would."""
    log = cluster.folder / "interrupted.log"
    with (
        _watching(cluster, machine, f"ends {container}", 1) as watcher,
        log.open("w") as output,
        subprocess.Popen(
            cluster.line("apply", "--yes"), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as apply,
    ):
        watcher.wait(timeout=600)
        os.kill(cluster.pid(machine), signal.SIGKILL)
        apply.send_signal(signal.SIGINT)
        apply.wait(timeout=120)
    print(f"power of {machine} was cut beside {container}\n{log.read_text()}")


@contextmanager
def _watching(cluster: Cluster, machine: str, script: str, count: int) -> Iterator[subprocess.Popen]:
    """The shell on a machine that runs the script, once it watches that many containers."""
    command = cluster.line("ssh", machine, "--", REPLACED + script)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            for _ in range(count):
                assert watcher.stdout.readline().startswith("watch ")
            yield watcher
        finally:
            watcher.kill()
