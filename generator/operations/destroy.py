"""The steps of `anywhere destroy`: remove everything that apply made, and look for what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from generator.operations import load_balancers, workspace
from generator.operations.planning import unprotected
from generator.operations.project import Project
from generator.operations.review import Review, of_destroy
from generator.operations.steps import Step
from generator.progress import Progress
from generator.terraform import Plan, Terraform


@dataclass
class Destroy:
    """What the steps share. `show` gets the plan for review, `approve` a question: UserError where the answer is no."""

    project: Project
    progress: Progress
    show: Callable[[Review], None]
    approve: Callable[[str], None]
    terraform: Terraform = field(init=False)
    plan: Plan = field(init=False)
    leftovers: tuple[str, ...] = ()


def _rendered(run: Destroy) -> bool:
    return any(run.project.folder.glob("*.tf"))


def _changes(run: Destroy) -> bool:
    return _rendered(run) and not run.plan.empty


def _open(run: Destroy) -> None:
    run.terraform = workspace.open_terraform(run.project, run.progress)


def _check_state(run: Destroy) -> None:
    run.terraform.check_state(run.project.name)


def _plan(run: Destroy) -> None:
    with run.progress.phase("plan what to destroy"), unprotected(run.project):
        run.terraform.init()
        run.terraform.check_remote_state(run.project.name)
        run.plan = run.terraform.plan_destroy({})


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
        run.terraform.apply(run.plan, {})


def _forget_kubeconfig(run: Destroy) -> None:
    run.project.kubeconfig.unlink(missing_ok=True)


def _is_gone(run: Destroy) -> bool:
    """Whether nothing is left: a cluster whose state is elsewhere still runs, and needs its kubeconfig."""
    return _rendered(run) and not run.leftovers


def _look_for_leftovers(run: Destroy) -> None:
    run.leftovers = run.project.provider.leftovers(run.project.definition)


STEPS: tuple[Step[Destroy], ...] = (
    Step("Open the rendered folder", _open),
    Step("Refuse the state of another cluster", _check_state, when=_rendered),
    Step("Plan what to destroy", _plan, when=_rendered),
    Step("Show the plan", _show, when=_changes),
    Step("Ask for approval", _approve, when=_changes),
    Step("Delete load balancers and volumes that the cluster created", _delete_created_by_cluster, when=_changes),
    Step("Destroy", _destroy, when=_changes),
    Step("Look for what is left", _look_for_leftovers),
    Step("Delete the kubeconfig", _forget_kubeconfig, when=_is_gone),
)
