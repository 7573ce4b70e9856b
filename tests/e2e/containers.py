"""Clusters of containers for a scenario of its own, on the default network where this computer can run it in them."""

from generator.images import missing
from providers.local.container import fit
from tests.e2e.shape import Shape


def driver() -> str:
    """weave; flannel where this computer has not all that weave needs in a container."""
    return "flannel" if missing("weave") or "weave" in fit.unfit_drivers() else "weave"


def shape(**sizes) -> Shape:
    """The fields of the shape are as in Shape."""
    return Shape(driver(), "container", **sizes)
