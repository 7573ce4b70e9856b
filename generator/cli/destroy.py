"""`anywhere destroy`: remove every machine, and say what is left."""

from __future__ import annotations

from generator.cli import pasteable
from generator.cli.options import DEFAULT_FILE, DEFAULT_PROVIDER, File, Out, ProviderName, Yes


def run(file: File = DEFAULT_FILE, provider: ProviderName = DEFAULT_PROVIDER, out: Out = None, yes: Yes = False) -> int:
    """Destroy everything that apply created.

    Secrets and lock stay beside the definition.
    """
    from generator.cli import plan_view
    from generator.cli.approval import confirm
    from generator.cli.phases import show
    from generator.operations import folder_lock, steps
    from generator.operations.destroy import STEPS, Destroy
    from generator.operations.project import open_project

    project = open_project(file, provider, out)
    destroy = Destroy(
        project,
        show(),
        show=plan_view.show,
        approve=lambda question: confirm(question, yes),
    )
    with folder_lock.hold(project, "destroy"):
        steps.run(STEPS, destroy)
    return _leftovers(destroy.leftovers)


def _leftovers(lines: tuple[str, ...]) -> int:
    if not lines:
        pasteable.say("Nothing is left.")
        return 0
    pasteable.say("Left over:", err=True)
    for line in lines:
        pasteable.say(f"  {line}", err=True)
    return 1
