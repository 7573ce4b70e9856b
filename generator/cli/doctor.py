"""`anywhere doctor`: is this computer fit, and why is a machine not Ready?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName

if TYPE_CHECKING:
    from generator.operations.project import Project
    from generator.topology import Topology
    from providers import Check


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, as_json: Json = False
) -> int:
    """Check this computer; say why a machine is not Ready.

    Exits 1 for failures, 0 for warnings.
    """
    from generator.operations import project as projects

    project = projects.open_project(file, provider, out)
    wanted = projects.wanted(project)
    target = project.provider.preflight(project.definition, wanted)
    checks = (_terraform(), *target, *(() if any(map(_failed, target)) else _machines(project, wanted)))
    typer.echo(_document(checks) if as_json else _text(checks))
    return 1 if any(map(_failed, checks)) else 0


def _failed(check: Check) -> bool:
    return check.needed and not check.ok


def _terraform() -> Check:
    import os

    from generator import terraform_binary
    from generator.errors import UserError
    from providers import Check

    try:
        binary = terraform_binary.find(os.environ)
        binary.check()
    except UserError as error:
        return Check("terraform", False, error.message, error.hint, needed=True)
    return Check("terraform", True, f"{binary.path} {'.'.join(map(str, binary.version()))}")


def _machines(project: Project, wanted: Topology) -> tuple[Check, ...]:
    """A check for every machine, once the cluster has been applied."""
    from generator.operations import machines
    from providers import Check

    if not project.kubeconfig.is_file() and not project.provider.observe(project.definition):
        return ()
    rows = machines.table(project, wanted, warn=lambda message: typer.echo(message, err=True))
    return tuple(Check(row.machine, row.healthy, row.stage or row.presence, row.note, needed=True) for row in rows)


def _text(checks: tuple[Check, ...]) -> str:
    lines = []
    for check in checks:
        word = "ok  " if check.ok else "FAIL" if check.needed else "warn"
        lines.append(f"{word}  {check.subject}: {check.detail}")
        if check.hint and not check.ok:
            lines.append(f"      {check.hint}")
    return "\n".join(lines)


def _document(checks: tuple[Check, ...]) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"checks": [asdict(check) for check in checks]}, indent=2)
