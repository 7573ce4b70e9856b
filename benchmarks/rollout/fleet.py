"""Many machines in one process: each of their passes is a child of it, as each is a process on a machine."""

from __future__ import annotations

import encodings.idna  # noqa: F401  (what a pass would import, so that not each of them does)
import gc
import heapq
import os
import random
import time
import traceback
from collections.abc import Sequence

import agent.turns.control_plane  # noqa: F401

from benchmarks.rollout.machine import Machine, look

MOMENT = 0.02


def run(machines: Sequence[Machine], interval: float) -> None:
    """Have each machine look `interval` seconds after its last look ended, until this process is ended.

    Like machines that were started at any time, they begin at any time of the interval.
    """
    begin, chance = time.monotonic(), random.Random(0)
    due = [(begin + chance.uniform(0, interval), number) for number in range(len(machines))]
    heapq.heapify(due)
    gc.freeze()  # children share the memory of what is never collected
    under_way: dict[int, int] = {}
    while True:
        while due and due[0][0] <= time.monotonic():
            _, number = heapq.heappop(due)
            under_way[_start(machines[number])] = number
        while under_way and (pid := os.waitpid(-1, os.WNOHANG)[0]):
            heapq.heappush(due, (time.monotonic() + interval, under_way.pop(pid)))
        time.sleep(MOMENT)


def _start(machine: Machine) -> int:
    """The process id of a child that looks, and ends."""
    if pid := os.fork():
        return pid
    try:
        look(machine)
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)
