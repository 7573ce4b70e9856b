"""The `anywhere` command: one verb a file, and the one place that prints errors and exits."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from typer.core import TyperGroup

import generator
from generator import interrupts, outbound
from generator.cli import (
    apply,
    backend,
    dashboard,
    destroy,
    doctor,
    env,
    etcd,
    graph,
    images,
    init,
    kubeconfig,
    logs,
    pasteable,
    pki,
    plan,
    registry,
    render,
    rollback,
    rollout,
    schema,
    secrets,
    ssh,
    status,
    validate,
    version,
)
from generator.errors import UserError
from generator.interrupts import Interrupted

INTERRUPTED = 130
REMEDIES = {
    errno.ENOSPC: "Free some space there and run the same command again.",
    errno.EDQUOT: "Free some of your quota and run the same command again.",
    errno.EACCES: "Check who owns it and its folder.",
    errno.EPERM: "Check who owns it and its folder.",
    errno.EROFS: "Give another place: --out, or the variables ANYWHERE_HOME, ANYWHERE_CACHE and XDG_DATA_HOME.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "Check the path: a part of it is a file.",
}


class InGivenOrder(TyperGroup):
    """Lists the verbs in the order a person needs them."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(self.commands)


app = typer.Typer(
    name="anywhere",
    help="The same Kubernetes cluster on AWS, GCE or local VMs, from one definition in git.",
    cls=InGivenOrder,
    context_settings={"help_option_names": ["-h", "--help"]},  # of every verb: they inherit it
    rich_markup_mode=None,  # rich alone would take more than the 0.2 s that help may take
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anywhere {generator.__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def _options(version: Version = False) -> None:
    """The options of `anywhere` itself, before any verb."""


VERBS = (
    *(init, validate, graph, plan, apply, status, doctor, dashboard, kubeconfig, ssh, logs),
    *(rollback, destroy, render, schema, env, version),
)
for verb in VERBS:
    app.command(verb.__name__.rpartition(".")[2])(pasteable.hints(verb.run))
app.add_typer(rollout.app, name="rollout")
app.add_typer(images.app, name="images")
app.add_typer(secrets.app, name="secrets")
app.add_typer(pki.app, name="pki")
app.add_typer(backend.app, name="backend")
app.add_typer(etcd.app, name="etcd")
app.add_typer(registry.app, name="registry")


def main() -> None:
    """Run the command line; every way it can end is here."""
    _open_closed_streams()
    interrupts.raise_interrupted()
    sys.exit(run(sys.argv[1:]))


def _open_closed_streams() -> None:
    """Have all three streams: whoever started us may have closed some, and files would get their numbers."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(opened)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def run(arguments: list[str]) -> int:
    """The exit status of `anywhere ARGUMENTS`: 0, 1, or what the verb says."""
    return outcome(lambda: app(arguments or ["--help"], prog_name="anywhere", standalone_mode=False))


def outcome(command: Callable[[], object]) -> int:
    """The exit status of a command line; whatever goes wrong is said."""
    try:
        outbound.settle(os.environ)
        status = command()
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except UserError as error:
        return _complain(error)
    except Interrupted as interrupted:
        return _interrupted(128 + interrupted.number)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone, as with `| head`; nothing more can be said to it.
        _drop_unwritten()
        return 1
    except Exception as error:
        return _unexpected(error)


def _drop_unwritten() -> None:
    """Forget what cannot be written to our output: Python would try again at its end, and say so in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupted(status: int) -> int:
    with suppress(OSError):  # the terminal may be what has gone
        _say("Interrupted. What was done so far is kept: run the same command again to go on.")
    return status


def _complain(error: UserError) -> int:
    _say(f"error: {error.message}")
    if error.hint:
        _say(f"hint: {error.hint}")
    return 1


def _unexpected(error: Exception) -> int:
    if hasattr(error, "show"):  # a usage error of the command line itself
        error.show()
        return 1
    if isinstance(error, OSError) and error.strerror:
        _drop_unwritten()
        where = f"{error.filename}: " if error.filename else ""
        return _complain(UserError(f"{where}{error.strerror}.", REMEDIES.get(error.errno or 0, "")))
    if os.environ.get("ANYWHERE_DEBUG"):
        raise error
    _say(f"error: unexpected {type(error).__name__}: {error}")
    _say("hint: This is a fault of anywhere itself. Set ANYWHERE_DEBUG=1 to see where, and please report it.")
    return 1


def _say(line: str) -> None:
    typer.echo(line, err=True)
