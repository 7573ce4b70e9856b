"""`anywhere etcd`: snapshots of what the cluster knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import (
    DEFAULT_FILE,
    DEFAULT_PROVIDER,
    AllowDowngrade,
    File,
    Json,
    Out,
    ProviderName,
    Timeout,
    Yes,
)

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Take, list and restore snapshots of etcd.", rich_markup_mode=None)

Words = Annotated[
    list[str], typer.Argument(metavar="[FILE] NAME", help="The definition, and the snapshot, as `list` shows it.")
]


@app.command("list")
@pasteable.hints
def show(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, as_json: Json = False) -> int:
    """List the snapshots. The cluster may be down.

    Exits 1 where the last attempt failed, or none was made in time.
    """
    from generator.cli import snapshot_view
    from generator.operations import etcd_snapshots
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    kept = etcd_snapshots.stored(project)
    snapshots, failure = etcd_snapshots.listed(kept), etcd_snapshots.failure(kept)
    warnings = snapshot_view.warnings(snapshots, failure, project.definition.etcd.snapshots.every)
    pasteable.say(snapshot_view.document(snapshots, failure) if as_json else snapshot_view.table(snapshots))
    for line in warnings:
        pasteable.say(f"warning: {line}", err=True)
    return 1 if warnings else 0


@app.command("snapshot")
@pasteable.hints
def snapshot(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Take a snapshot now, beside the scheduled ones."""
    from generator.cli import snapshot_view
    from generator.cli.phases import show as progress
    from generator.operations import etcd_snapshots
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    etcd_snapshots.check_machines(project)
    taken = etcd_snapshots.ask(etcd_snapshots.stored(project), progress(), project.provider.poll)
    pasteable.say(snapshot_view.table((taken,)))
    return 0


@app.command("restore")
@pasteable.hints
def restore(
    words: Words,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    yes: Yes = False,
    timeout: Timeout = 1800,
    allow_downgrade: AllowDowngrade = False,
) -> int:
    """Restore etcd from a snapshot, on existing or new machines.

    What changed since the snapshot is lost. The data that etcd has is kept aside on its disk.
    """
    file, name = _file_and_name(words)
    options = _Options(out, yes, timeout, allow_downgrade)
    return _restore(name, options, file, provider)


@dataclass(frozen=True, slots=True)
class _Options:
    out: Path | None
    yes: bool
    timeout: float
    allow_downgrade: bool


def _restore(name: str, options: _Options, file: Path, provider: str) -> int:
    from generator.cli import apply, plan_view
    from generator.cli.approval import confirm
    from generator.cli.phases import show as progress
    from generator.operations import etcd_restore, folder_lock, steps
    from generator.operations.apply import STEPS, Apply
    from generator.operations.project import open_project

    project, shown = open_project(file, provider, options.out), progress()
    with folder_lock.hold(project, "etcd restore"):
        restoring = etcd_restore.prove(project, name, shown)
        for line in restoring.remarks:
            shown.note(f"warning: {line}")
        lost = f"Restore {name}? What changed since {restoring.snapshot.taken:%Y-%m-%d %H:%M} UTC is lost."
        run = Apply(
            project,
            shown,
            (),
            options.timeout,
            show=plan_view.show,
            approve=lambda question: confirm(f"{lost} {question}", options.yes),
            allow_downgrade=options.allow_downgrade,
            restoring=restoring,
            rotate=etcd_restore.repeat_phase,
        )
        steps.run(STEPS, run)
    pasteable.say(apply.finished(run.ready.rows, run.kubeconfig))
    return 0


def _file_and_name(words: list[str]) -> tuple[Path, str]:
    from generator.cli import file_words
    from generator.errors import UserError

    return file_words.one_name(words, UserError("Which snapshot?", "Name one; `anywhere etcd list` shows them."))
