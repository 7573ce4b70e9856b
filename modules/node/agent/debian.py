"""This machine's own Debian: brought to the versions of the release in its turn, and booted again where that takes it.

How far that is is kept in a file, so a machine whose power was cut goes on where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from agent import apt, cordon, files, health, host, turns
from agent.apt import Source
from agent.docker import Docker
from agent.host import RUN, STATE, NodeError
from agent.turns import DEBIAN, Stop, Turns, Waiting

FOLDER = STATE / "updates"  # the archive, while an update is under way
RECORD = STATE / "debian.json"
REQUIRED = Path("/run/reboot-required")
BOOT_LOADER = Path("/boot/grub")  # without one the kernel is handed in: by QEMU, or by the host of a container
ASKED = RUN / "restart"  # since when this machine is about to boot again, as monotonic time
SERVE_SECONDS, RESTART_SECONDS = 600, 600


@dataclass(frozen=True)
class Update:
    """How far this machine is with what is `wanted` of it.

    `moved` are the packages that another version was installed of, `boot` is the id of the boot in which all of them
    were, "" before that. It is `done` once the machine serves with them.
    """

    wanted: str
    moved: tuple[str, ...] = ()
    boot: str = ""
    done: bool = False


def identity_of(release: Mapping[str, Any]) -> str:
    """What tells the updates of one release from those of another, the same on every machine."""
    return turns.identity(release["updates"])


def ensure(release: Mapping[str, Any], own: Turns, specs: Sequence[Mapping[str, Any]] = ()) -> None:
    """Have the packages of the release. `specs` are the containers that serve on this machine, and will again.

    Waiting where it is not this machine's turn, or where it is about to boot.
    """
    updates, identity = release["updates"], identity_of(release)
    archive = updates["archives"].get(release["arch"], {}).get("archive", "")
    held = updates["kernel"] == "held" or not BOOT_LOADER.exists()
    wanted = turns.identity(archive, held)
    now = _read(wanted)
    if archive and not now.done:
        _wait_for_boot()
        source = Source(apt.fetch(archive, FOLDER), (apt.KERNELS,) if held else ())
        _follow(source, now, Stop(DEBIAN, identity, lambda: _any_serves(specs)), own, updates["reboots"], specs)
        own.back()
        _write(Update(wanted, done=True))
        shutil.rmtree(FOLDER, ignore_errors=True)
    own.done(DEBIAN, identity)


def _follow(
    source: Source, now: Update, stop: Stop, own: Turns, reboots: Sequence[str], specs: Sequence[Mapping[str, Any]]
) -> None:
    """Go on with an update from where it is."""
    if not now.boot:
        # What was interrupted may have left what apt refuses to look at.
        now = replace(now, moved=now.moved or tuple(source.moves()))
        if not now.moved:
            return
        with own.take(stop):
            now = _install(source, now)
            host.wait("what ran before its packages were updated", lambda: _all_serve(specs), SERVE_SECONDS)
            _boot_where_due(now, stop, own, reboots)
    elif _is_due(now, reboots):
        with own.take(stop):
            _boot_where_due(now, stop, own, reboots)


def _install(source: Source, now: Update) -> Update:
    print(f"packages to be updated: {', '.join(now.moved)}", flush=True)
    _write(now)  # from here on it goes on after a power cut
    source.configure()
    now = replace(now, moved=tuple(sorted({*now.moved, *source.moves()})))
    _write(now)
    source.upgrade()
    if kept := source.kept_back():
        print(f"kept back, since others would have to go: {', '.join(kept)}", flush=True)
    os.sync()
    now = replace(now, boot=cordon.boot())
    _write(now)
    return now


def _is_due(now: Update, reboots: Sequence[str]) -> bool:
    """Whether something that was updated runs in its old version until this machine boots."""
    if now.boot != cordon.boot():
        return False
    return REQUIRED.exists() or any(fnmatch(name, pattern) for name in now.moved for pattern in reboots)


def _boot_where_due(now: Update, stop: Stop, own: Turns, reboots: Sequence[str]) -> None:
    if _is_due(now, reboots):
        own.away(stop)
        host.run("systemctl", "reboot")
        files.write(ASKED, str(time.monotonic()))
        raise Waiting("its own boot, which its packages take")


def _wait_for_boot() -> None:
    """Waiting while this machine is about to boot, as it was told to; NodeError where it does not."""
    if not ASKED.exists():  # it is gone after a boot
        return
    if time.monotonic() - float(ASKED.read_text()) < RESTART_SECONDS:
        raise Waiting("its own boot, which its packages take")
    raise NodeError("this machine was told to boot again and did not: restart it by hand, and it goes on by itself")


def _any_serves(specs: Sequence[Mapping[str, Any]]) -> bool:
    return any(_serves(spec) for spec in specs)


def _all_serve(specs: Sequence[Mapping[str, Any]]) -> bool:
    return all(_serves(spec) for spec in specs)


def _serves(spec: Mapping[str, Any]) -> bool:
    """Whether a component serves; not where Docker itself was updated, and is about to start again."""
    try:
        return health.serves(spec, Docker())
    except NodeError:
        return False


def _read(wanted: str) -> Update:
    """How far it is; what another release left unfinished is begun anew, and its packages count as moved."""
    try:
        known = Update(**{**json.loads(RECORD.read_text())})
    except (OSError, ValueError, TypeError):
        return Update(wanted)
    known = replace(known, moved=tuple(known.moved))
    if known.wanted == wanted:
        return known
    over = known.done or known.boot not in ("", cordon.boot())
    return Update(wanted, () if over else known.moved)


def _write(update: Update) -> None:
    files.write(RECORD, json.dumps(asdict(update)))
