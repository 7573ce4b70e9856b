"""`anywhere doctor`: is this computer fit, and why does the cluster not work?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName

if TYPE_CHECKING:
    from generator.operations.project import Project
    from generator.status import Row
    from generator.topology import Topology
    from providers import Check


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, as_json: Json = False
) -> int:
    """Check this computer; say why the cluster does not work.

    Exits 1 for failures, 0 for warnings.
    """
    from generator.cli.check_view import text
    from generator.operations import image_needs
    from generator.operations import project as projects

    project = projects.open_project(file, provider, out)
    wanted = projects.wanted(project)
    target = project.provider.preflight(project.definition, wanted)
    cluster = () if any(map(_failed, target)) else _cluster(project, wanted)
    checks = (_terraform(), image_needs.check(project), *target, *cluster)
    pasteable.say(_document(checks) if as_json else text(checks))
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


def _cluster(project: Project, wanted: Topology) -> tuple[Check, ...]:
    """Whether the secrets and the state of what is there are here, and what machines and the API say."""
    from generator.operations import lock_file, state_guard, store_guard

    secrets = store_guard.diagnose(project, lock_file.known(project))
    return (*secrets, *state_guard.diagnose(project), *_health(project, wanted))


def _health(project: Project, wanted: Topology) -> tuple[Check, ...]:
    """A check for every machine and of what the API says, once the cluster has been applied."""
    from generator.operations import cluster_health

    if not project.kubeconfig.is_file() and not project.provider.observe(project.definition):
        return ()
    now, checks = cluster_health.once(project, wanted, warn=lambda message: pasteable.say(message, err=True))
    return (*map(_machine, now.rows), *checks)


def _machine(row: Row) -> Check:
    from providers import Check

    remark = row.healthy and bool(row.note)  # such as a cordon, which a person wanted
    return Check(row.machine, row.healthy and not remark, row.stage or row.presence, row.note, needed=not remark)


def _document(checks: tuple[Check, ...]) -> str:
    from dataclasses import asdict

    return pasteable.document({"checks": [asdict(check) for check in checks]})
