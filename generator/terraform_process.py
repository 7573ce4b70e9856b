"""Terraform as a process that is followed line by line, and asked to stop when we are."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from generator import interrupts
from generator.interrupts import Interrupted

STOPPING = (  # what is said of the first signal, and of the second
    "stopping: Terraform finishes what it began and keeps its state; interrupt again to stop it hard",
    "warning: stopping hard: the state may lack what Terraform had begun",
)


class Process:
    """A command that runs in a process group of its own, so that Ctrl-C reaches us alone.

    The first signal that asks us to end is passed on as SIGINT: Terraform then finishes what it began. The second is
    passed on too: Terraform then stops at once. Later ones change nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        errors: IO[str],
        tell: Callable[[str], None],
    ) -> None:
        self.received: list[int] = []
        self._tell = tell
        self._told = 0
        self._child = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            process_group=0,
        )
        assert self._child.stdout
        self._output = self._child.stdout

    def lines(self) -> Iterator[str]:
        """Its standard output by line. It says something as soon as it is asked to stop, and then we do as well."""
        for line in self._output:
            while self._told < min(len(self.received), len(STOPPING)):
                self._tell(STOPPING[self._told])
                self._told += 1
            yield line

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._child.wait()

    def ask_to_stop(self, number: int) -> None:
        """Pass on the signal `number`, which we were sent."""
        self.received.append(number)
        if len(self.received) <= len(STOPPING):
            self._child.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Wait for its end; it is asked to stop where it still runs, as nobody listens any more."""
        if self._child.poll() is None and not self.received:
            self._child.send_signal(signal.SIGINT)
        for _ in self._output:  # a full pipe would keep it from ending
            pass
        self._child.wait()
        self._output.close()


@contextmanager
def started(
    command: Sequence[str], folder: Path, env: Mapping[str, str], errors: IO[str], tell: Callable[[str], None]
) -> Iterator[Process]:
    """The command at work; it has ended when the body is left. Interrupted afterwards, where we were asked to end.

    `tell` gets a line for a person when it is asked to stop.
    """
    early: list[int] = []
    with interrupts.handled(early.append):
        process = Process(command, folder, env, errors, tell)
        with interrupts.handled(process.ask_to_stop):
            for number in early:
                process.ask_to_stop(number)
            try:
                yield process
            finally:
                process.end()
    if received := [*process.received, *early]:
        raise Interrupted(received[0])
