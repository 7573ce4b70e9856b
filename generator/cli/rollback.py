"""`anywhere rollback`: back to the release before."""

from __future__ import annotations

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, ProviderName


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER) -> int:
    """Return the definition and its lock to the previous release.

    The next apply brings it to the machines. To go back a minor version, restore a snapshot of etcd instead.
    """
    from generator.operations import rollback
    from generator.operations.project import open_project

    project = open_project(file, provider, None)
    lock = rollback.run(project)
    pasteable.say(f"The cluster is to run Kubernetes {lock.kubernetes} with the images that it had before.")
    pasteable.say("Bring it to the machines: `anywhere apply --allow-downgrade`")
    return 0
