"""The arguments and options that verbs share."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated

import typer

PROVIDER_HELP = "Where machines are: local, aws or gce. Left out, the only one that FILE has a section for, else local."

File = Annotated[Path, typer.Argument(help="The cluster definition.", show_default=True)]
ProviderName = Annotated[str, typer.Option("--provider", envvar="ANYWHERE_PROVIDER", help=PROVIDER_HELP)]
MaybeProvider = Annotated[
    str | None, typer.Option("--provider", help="Also check that it is for that target: local, aws or gce.")
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="The rendered folder; .anywhere/<cluster>-<provider> beside FILE if left out."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for a program to read.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", envvar="ANYWHERE_YES", help="Skip the question for approval.")]

Frozen = Annotated[bool, typer.Option("--frozen", help="Fail if the lock lacks something, and resolve nothing.")]


def _seconds(value: float) -> float:
    if not 0 <= value < inf:
        raise typer.BadParameter("give a number of seconds, 0 or more.")
    return value


Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", help="Give up after this long without any progress.", callback=_seconds
    ),
]

MayDestroy = Annotated[
    list[str],
    typer.Option(
        "--may-destroy",
        metavar="MACHINE",
        help="Allow the plan to destroy this machine or its etcd data. May be given several times.",
    ),
]

AllowDowngrade = Annotated[
    bool, typer.Option("--allow-downgrade", help="Accept an older Kubernetes version than the cluster's.")
]

DEFAULT_FILE = Path("cluster.yaml")
DEFAULT_PROVIDER = ""  # the definition says
