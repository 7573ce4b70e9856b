"""`anywhere registry`: the registry in the cluster, its users, and the way to it from this computer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from generator.kubernetes import Client
    from generator.operations.port_forward import Forward
    from generator.operations.project import Project

app = typer.Typer(help="Use the registry in the cluster (the add-on registry).", rich_markup_mode=None)
users = typer.Typer(help="Add, remove and list the users of the registry in the cluster.", rich_markup_mode=None)
app.add_typer(users, name="user")

Words = Annotated[list[str], typer.Argument(metavar="[FILE] NAME", help="The definition, and the user.")]
User = Annotated[str, typer.Option("--user", metavar="NAME", help="Who logs in.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait until it serves again.")]


@users.command("add")
@pasteable.hints
def add(words: Words, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Make a password for a user, and print it. One that the user had before is no longer taken.

    It is shown this once: the cluster keeps what it can be checked by.
    """
    from generator.operations import registry_users

    file, name = _file_and_name(words)
    with _client(file, provider, out) as client:
        password = registry_users.add(client, name)
    pasteable.say(f"The password of {name}, which is taken within two minutes and not shown again:", err=True)
    pasteable.say(password)
    return 0


@users.command("remove")
@pasteable.hints
def remove(words: Words, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Remove a user. What the user pushed stays."""
    from generator.operations import registry_users

    file, name = _file_and_name(words)
    with _client(file, provider, out) as client:
        registry_users.remove(client, name)
    pasteable.say(f"Removed {name}, whose password is refused within two minutes.")
    return 0


@users.command("list")
@pasteable.hints
def show(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """List the users, one a line."""
    from generator.operations import registry_users

    with _client(file, provider, out) as client:
        for name in registry_users.names(client):
            pasteable.say(name)
    return 0


@app.command("login")
@pasteable.hints
def login(
    user: User,
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    password_stdin: FromStdin = False,
) -> int:
    """Log in docker, skopeo and the like of this computer's user, once the registry took the password."""
    from generator.operations import cluster_api, port_forward, registry_client, registry_users

    project, reference = _registry(file, provider, out)
    registry_users.check(user)
    ca = cluster_api.authority(project.kubeconfig)
    password = _password(user, password_stdin)
    with port_forward.opened(project.kubeconfig, port_forward.to_registry(_port(reference))) as forward:
        registry_client.prove(forward.ports[_port(reference)], ca, user, password)
    kept = registry_client.log_in(reference, user, password)
    trusted = registry_client.trust(reference, ca)
    pasteable.say(f"{user} is logged in to {reference} ({kept}); the cluster's authority is in {trusted}.")
    pasteable.say("Run `anywhere registry forward`, and push images that are called")
    pasteable.say(f"  {reference}/NAME:TAG")
    return 0


@app.command("forward")
@pasteable.hints
def forward(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None) -> int:
    """Have the registry's name lead to it on this computer, until Ctrl-C."""
    from generator.operations import port_forward

    project, reference = _registry(file, provider, out)
    port = _port(reference)
    port_forward.check(port, "Images are called by it, so it cannot be another one: end what has it.")

    def tell(_: Forward) -> None:
        pasteable.say(f"{reference} is the registry of {project.name}. Ctrl-C ends this.")

    port_forward.keep(project.kubeconfig, port_forward.to_registry(_port(reference)), tell, port)


@app.command("collect")
@pasteable.hints
def collect(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, timeout: Timeout = 1800
) -> int:
    """Remove what no image has any more. The registry is started anew, and away meanwhile.

    Nothing is garbage that a tag or a digest leads to: delete images first, as with `skopeo delete`.
    """
    from generator.operations import registry_collection

    with _client(file, provider, out) as client:
        pasteable.say(f"The registry {registry_collection.run(client, timeout)}.")
    return 0


def _registry(file: Path, provider: str, out: Path | None) -> tuple[Project, str]:
    """The project, and HOST:PORT of its registry; UserError where the definition has none in the cluster."""
    from generator.operations import registry_users
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    return project, registry_users.reference(project)


@contextmanager
def _client(file: Path, provider: str, out: Path | None) -> Iterator[Client]:
    from contextlib import closing

    from generator.operations import cluster_api

    project, _ = _registry(file, provider, out)
    with closing(cluster_api.client(project.kubeconfig)) as client:
        yield client


def _port(reference: str) -> int:
    return int(reference.rpartition(":")[2])


def _password(user: str, from_stdin: bool) -> str:
    import sys

    from generator.errors import UserError

    if from_stdin:
        password = sys.stdin.read().rstrip("\r\n")
    else:
        password = typer.prompt(f"Password of {user}", hide_input=True, err=True)
    if not password:
        raise UserError("No password was given.", "It is what `anywhere registry user add` printed.")
    return str(password)


def _file_and_name(words: list[str]) -> tuple[Path, str]:
    from generator.cli import file_words
    from generator.errors import UserError

    return file_words.one_name(words, UserError("Which user?", "Name one; `anywhere registry user list` shows them."))
