"""`anywhere dashboard`: the dashboards and alerts of the add-on monitoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName

if TYPE_CHECKING:
    from generator.operations.port_forward import Forward

ADDON = "monitoring"
STORE, ALERTMANAGER = 8428, 9093  # ports of its pod
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="The port of this computer that they are on.")]


def run(
    file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, port: Port = STORE
) -> int:
    """Open the dashboards of the add-on monitoring on this computer, until Ctrl-C."""
    from generator.errors import UserError
    from generator.operations import port_forward
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    if ADDON not in project.definition.addons:
        raise UserError(
            f"{project.definition.path} has no dashboards: they are part of the add-on {ADDON}.",
            f"Add {ADDON} and storage to spec.addons, and apply.",
        )
    port_forward.check(port, "Choose another one with --port.")

    def tell(forward: Forward) -> None:
        base = f"http://{port_forward.HOST}:{forward.ports[STORE]}/vmui/#"
        pasteable.say(f"Dashboards of {project.name}:  {base}/dashboards")
        pasteable.say(f"Alerts and their rules:  {base}/rules")
        pasteable.say(f"Silences:  http://{port_forward.HOST}:{forward.ports[ALERTMANAGER]}")
        pasteable.say("Ctrl-C ends this.")

    target = port_forward.Target("Monitoring", f"deployment/{ADDON}", (STORE, ALERTMANAGER))
    port_forward.keep(project.kubeconfig, target, tell, port)
