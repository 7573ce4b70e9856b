"""The steps of `anywhere destroy`: remove everything that apply made, and look for what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from generator import store
from generator.errors import UserError
from generator.operations import load_balancers, workspace
from generator.operations.planning import unprotected
from generator.operations.project import Project
from generator.operations.review import Review, of_destroy
from generator.operations.steps import Step
from generator.operations.workspace import Workspace
from generator.progress import Progress
from generator.terraform import Plan


@dataclass
class Destroy:
    """What the steps share. `show` gets the plan for review, `approve` a question: UserError where the answer is no."""

    project: Project
    progress: Progress
    show: Callable[[Review], None]
    approve: Callable[[str], None]
    workspace: Workspace = field(init=False)
    plan: Plan = field(init=False)
    leftovers: tuple[str, ...] = ()


def _refuse_foreign(run: Destroy) -> None:
    workspace.open_own(run.project, run.progress)


def _refuse_renamed(run: Destroy) -> None:
    """Under another name nothing is found to destroy, and the cluster would go on without a word."""
    try:
        store.read(run.project.definition.path, run.project.name)
    except store.ForeignStore:
        raise
    except UserError:
        pass  # it is damaged, or its key is not here: whoever destroys needs none of it


def _may_be_applied(run: Destroy) -> bool:
    """Whether there may be a state: of a folder that was rendered, or somewhere else."""
    return bool(run.project.provider.backend(run.project.definition)) or any(
        path.suffix in (".tf", ".tfstate") for path in run.project.folder.glob("*")
    )


def _changes(run: Destroy) -> bool:
    return _may_be_applied(run) and not run.plan.empty


def _render(run: Destroy) -> None:
    # What is in the folder may have been written by others, and Terraform would run it.
    run.workspace = workspace.render_as_recorded(run.project, run.progress)


def _put_back(run: Destroy) -> None:
    workspace.put_back(run.workspace)


def _plan(run: Destroy) -> None:
    with run.progress.phase("plan what to destroy"), unprotected(run.project):
        terraform = run.workspace.terraform
        terraform.init()
        terraform.check_remote_state(run.project.name)
        run.plan = terraform.plan_destroy({})


def _show(run: Destroy) -> None:
    run.show(of_destroy(run.plan))


def _approve(run: Destroy) -> None:
    where = f"{run.project.name} on {run.project.provider.name}"
    run.approve(f"Destroy cluster {where}, with all volumes that its pods had?")


def _delete_created_by_cluster(run: Destroy) -> None:
    with run.progress.phase("delete what the cluster created"):
        load_balancers.delete(run.project, run.progress)
        run.project.provider.delete_created_by_cluster(run.project.definition, run.progress)


def _destroy(run: Destroy) -> None:
    with run.progress.phase("destroy"):
        run.workspace.terraform.apply(run.plan, {})


def _forget_kubeconfig(run: Destroy) -> None:
    run.project.kubeconfig.unlink(missing_ok=True)


def _is_gone(run: Destroy) -> bool:
    """Whether nothing is left: a cluster whose state is elsewhere still runs, and needs its kubeconfig."""
    return _may_be_applied(run) and not run.leftovers


def _look_for_leftovers(run: Destroy) -> None:
    run.leftovers = run.project.provider.leftovers(run.project.definition)


STEPS: tuple[Step[Destroy], ...] = (
    Step("Refuse the state of another cluster", _refuse_foreign),
    Step("Refuse the secrets of another cluster", _refuse_renamed),
    Step("Render the folder", _render, when=_may_be_applied, undo=_put_back),
    Step("Plan what to destroy", _plan, when=_may_be_applied),
    Step("Show the plan", _show, when=_changes),
    Step("Ask for approval", _approve, when=_changes, final=True),
    Step("Delete load balancers and volumes that the cluster created", _delete_created_by_cluster, when=_changes),
    Step("Destroy", _destroy, when=_changes),
    Step("Look for what is left", _look_for_leftovers),
    Step("Delete the kubeconfig", _forget_kubeconfig, when=_is_gone),
)
