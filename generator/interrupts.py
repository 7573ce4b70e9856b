"""The signals that ask this process to end: SIGINT, SIGTERM and SIGHUP, which are all answered alike."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked this process to end; `number` says which. No Exception, so that nobody takes it for an error."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.strsignal(number))
        self.number = number


def raise_interrupted() -> None:
    """From now on these signals raise Interrupted, except those that our parent has us ignore, as nohup does."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)


@contextmanager
def handled(handle: Callable[[int], None]) -> Iterator[None]:
    """Inside, these signals raise nothing: `handle` gets their number.

    It runs between two instructions of the main thread, so it must not print. Other threads get no signals: nothing
    changes for them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = {number: usual for number, usual in before.items() if usual not in (None, signal.SIG_IGN)}
    try:
        for number in heeded:
            signal.signal(number, lambda received, frame: handle(received))
        yield
    finally:
        for number, usual in heeded.items():
            signal.signal(number, usual)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)
