"""`anywhere status`: the wanted machines, the real ones, and what the API says of them."""

from __future__ import annotations

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Json, Out, ProviderName


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, as_json: Json = False
) -> int:
    """Compare wanted machines with real ones; check add-ons.

    Exits 1 where one is not as wanted.
    """
    from generator import status
    from generator.cli.status_view import document, text
    from generator.operations import (
        cluster_checks,
        cluster_health,
        cluster_secrets,
        expiry,
        lock_file,
        state_guard,
        store_guard,
    )
    from generator.operations.project import open_project, wanted

    project = open_project(file, provider, out)
    now, checks = cluster_health.once(project, wanted(project), warn=lambda message: pasteable.say(message, err=True))
    checks = (*store_guard.failing(project, lock_file.known(project)), *state_guard.failing(project), *checks)
    ends = expiry.look(project, now.nodes)
    shown = (document if as_json else text)(now.rows, checks, ends, cluster_secrets.rotation(project))
    pasteable.say(shown)
    return 1 if status.unready(now.rows) or cluster_checks.failing(checks) else 0
