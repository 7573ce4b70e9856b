"""`anywhere kubeconfig`: ways into the cluster, for the administrator and for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

if TYPE_CHECKING:
    from generator.operations.kubeconfig import Granted
    from generator.operations.project import Project
    from generator.pki import Person
    from generator.terraform import Terraform

DEFAULT_TTL = "8h"
Merge = Annotated[
    bool, typer.Option("--merge", help="Also merge it into your own kubeconfig: $KUBECONFIG, else ~/.kube/config.")
]
User = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="Write one for this person, with a short-lived certificate."),
]
Groups = Annotated[
    list[str],
    typer.Option("--group", metavar="GROUP", help="A group of the person, for RBAC. May be given several times."),
]
Ttl = Annotated[
    str | None,
    typer.Option("--ttl", metavar="DURATION", help=f"How long it lasts, 1m to 24h; {DEFAULT_TTL} if left out."),
]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    merge: Merge = False,
    user: User = None,
    group: Groups = [],  # noqa: B006 (typer copies it)
    ttl: Ttl = None,
) -> int:
    """Write a kubeconfig; print how to use it.

    Without --user it is the administrator's, who may do anything: keep it for emergencies. With --user it is one
    person's: the audit log shows their name. They may do what RBAC grants their name and groups.
    """
    import shlex

    from generator.cli.phases import show
    from generator.operations import kubeconfig, workspace
    from generator.operations.project import open_project

    person = _person(user, group, ttl)
    project = open_project(file, provider, out)
    terraform = workspace.open_terraform(project, show())
    path = _granted(project, terraform, person) if person else kubeconfig.write(project, terraform)
    pasteable.say(_merged(path) if merge else f"export KUBECONFIG={shlex.quote(str(path))}")
    return 0


def _person(user: str | None, groups: list[str], ttl: str | None) -> Person | None:
    from generator.errors import UserError
    from generator.pki import Person

    if user is not None:
        return Person.of(user, groups, DEFAULT_TTL if ttl is None else ttl)
    if groups or ttl is not None:
        raise UserError(
            "--group and --ttl are for a person: the administrator's certificate has its own.", "Add --user NAME."
        )
    return None


def _granted(project: Project, terraform: Terraform, person: Person) -> Path:
    from generator.operations import kubeconfig

    granted: Granted = kubeconfig.grant(project, terraform, person)
    groups = f", in {', '.join(person.groups)}" if person.groups else ", in no group"
    pasteable.say(f"{person.name}{groups}, until {granted.ends:%Y-%m-%d %H:%M:%S} UTC.", err=True)
    return granted.path


def _merged(path: Path) -> str:
    from generator.operations import user_kubeconfig

    merged = user_kubeconfig.merge(path)
    if merged.is_current:
        return f"Merged into {merged.path}; its current context is {merged.context}."
    return f"Merged into {merged.path}. To use it: kubectl config use-context {merged.context}"
