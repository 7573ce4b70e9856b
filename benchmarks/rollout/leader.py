"""The leading master: its controller of the rollout."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from agent.rollout import CALM_SECONDS, LOOK_SECONDS, Controller

from benchmarks.rollout.place import Place


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between looks while something is under way, and while nothing is."""

    busy: float = LOOK_SECONDS
    calm: float = CALM_SECONDS


def run(place: Place, document: Path, pace: Pace) -> None:
    """Look as a leader does, until this process is ended. What it says of it goes to a file."""
    place.lead()
    controller = Controller(document, place.etcd_client(), place.administrator())
    with (place.folder / "leader.log").open("w", buffering=1) as log, contextlib.redirect_stdout(log):
        while True:
            begin = time.monotonic()
            busy = controller.look()
            log.write(f"looked for {time.monotonic() - begin:.1f} s\n")
            time.sleep(pace.busy if busy else pace.calm)
