"""`anywhere version`: this version, and whether it can manage a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import generator
from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

if TYPE_CHECKING:
    from generator.operations.project import Project
    from generator.supported import Verdict

CheckCluster = Annotated[
    bool, typer.Option("--check-cluster", help="Ask the cluster of FILE what it runs, and say whether that fits.")
]


def run(
    file: File = DEFAULT_FILE,
    provider: ProviderName = DEFAULT_PROVIDER,
    out: Out = None,
    check_cluster: CheckCluster = False,
) -> int:
    """Show the version, and with --check-cluster what it can manage.

    Then exits 1 where the cluster of FILE is not of that.
    """
    pasteable.say(f"anywhere {generator.__version__}")
    if not check_cluster:
        return 0
    from generator import supported
    from generator.operations.project import open_project

    pasteable.say(f"It manages Kubernetes {supported.kubernetes_minors()}, and {supported.upgradable()}.")
    pasteable.say(f"It manages releases of the form {supported.RELEASE}.")
    project = open_project(file, provider, out)
    verdicts = _ask(project)
    pasteable.say(f"Cluster {project.name} on {project.provider.name}:")
    for verdict in verdicts:
        pasteable.say(f"  {'ok  ' if verdict.managed else 'FAIL'}  {verdict.said}")
        if verdict.remedy:
            pasteable.say(f"        {verdict.remedy}")
    return 0 if all(verdict.managed for verdict in verdicts) else 1


def _ask(project: Project) -> tuple[Verdict, ...]:
    """What the cluster runs; UserError where its API cannot be asked."""
    from contextlib import closing

    from generator import supported
    from generator.operations import cluster_api, release_progress
    from generator.supported import Verdict

    with closing(cluster_api.client(project.kubeconfig)) as client:
        version = client.get("/version")["gitVersion"]
        try:
            progress = release_progress.read(client)
        except (KeyError, TypeError, ValueError, AttributeError):
            said = "Its masters report on their release in a form that this version of anywhere does not know."
            release = Verdict(False, said, "Install the version of anywhere that last applied the cluster.")
        else:
            known = f"Release {progress.release} can be managed." if progress else ""
            release = Verdict(True, known or "No master has reported on a release yet.")
    return supported.kubernetes(version), release
