"""`anywhere pki`: new keys for a cluster that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Timeout, Yes

if TYPE_CHECKING:
    from generator.operations.apply import Apply
    from generator.operations.cluster_secrets import Change
    from generator.operations.key_rotation import Applying
    from generator.operations.project import Project
    from generator.progress import Progress

app = typer.Typer(help="Rotate the keys and certificates of a cluster.", rich_markup_mode=None)

Authorities = Annotated[
    list[str],
    typer.Option(
        "--ca", metavar="NAME", help="A CA: kubernetes, etcd, front-proxy, kubelet-client or kubelet-serving."
    ),
]
Leaves = Annotated[bool, typer.Option("--leaves", help="The certificates of all components.")]
ServiceAccount = Annotated[bool, typer.Option("--service-account", help="The key that signs the tokens of pods.")]
Encryption = Annotated[bool, typer.Option("--encryption", help="The key that Secrets are encrypted with in etcd.")]
Weave = Annotated[bool, typer.Option("--weave", help="The password of Weave; connections break meanwhile.")]
Token = Annotated[bool, typer.Option("--bootstrap-token", help="The token that new machines join with.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait until what the old key signed has ended.")]


@app.command("rotate")
@pasteable.hints
def rotate(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    ca: Authorities = [],  # noqa: B006 (typer copies it)
    leaves: Leaves = False,
    service_account: ServiceAccount = False,
    encryption: Encryption = False,
    weave: Weave = False,
    bootstrap_token: Token = False,
    now: Now = False,
    yes: Yes = False,
    timeout: Timeout = 1800,
) -> int:
    """Replace a key, step by step: trust the new one everywhere, use it, drop the old one.

    Each step is an apply, and is asked about. One that was interrupted, or has to wait, goes on with the same command.
    """
    from generator.cli.phases import show
    from generator.operations import folder_lock, key_rotation
    from generator.operations.project import open_project

    asked = {**dict.fromkeys((f"ca {name}" for name in ca), True), "leaves": leaves, "service-account": service_account}
    asked |= {"encryption": encryption, "weave": weave, "bootstrap-token": bootstrap_token}
    subject, project, shown = _subject(asked), open_project(file, provider, out), show()
    with folder_lock.hold(project, "pki rotate"):
        applying = _applying(project, shown, timeout, yes)
        pause = key_rotation.run(project, subject, applying, shown, timeout, at_once=now)
    if pause is None:
        pasteable.say("The rotation is finished. Commit the lock and the secrets.")
    else:
        pasteable.say(f"{pause.why}\nThe rest of it, {pause.following}, may run from {pause.until:%Y-%m-%d %H:%M} UTC.")
        pasteable.say("The same command goes on then. Commit the lock and the secrets until then.")
    return 0


def _applying(project: Project, progress: Progress, timeout: float, yes: bool) -> Applying:
    """How one step is applied: its plan is shown, and it is asked about."""
    from generator.cli import plan_view
    from generator.cli.approval import confirm
    from generator.operations import steps
    from generator.operations.apply import STEPS, Apply

    def applying(change: Change, words: str) -> Apply:
        progress.note(words)
        run = Apply(
            project,
            progress,
            (),
            timeout,
            show=plan_view.show,
            approve=lambda question: confirm(f"{words} {question}", yes),
            rotate=change,
        )
        return steps.run(STEPS, run)

    return applying


def _subject(asked: dict[str, bool]) -> str:
    """The one thing to rotate, as `generator.pki.rotation` calls it; "" where none is named."""
    from generator.errors import UserError

    named = [subject for subject, wanted in asked.items() if wanted]
    if len(named) > 1:
        raise UserError(
            f"One rotation at a time, not {' and '.join(f'--{subject}' for subject in named)}.",
            "Run them one after the other.",
        )
    return named[0] if named else ""
