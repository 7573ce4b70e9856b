"""Real clusters: of local machines in several shapes, and of each cloud's machines. Nothing leaves this computer."""

from contextlib import closing

import pytest

from providers.local.container import fit
from tests.e2e import local_cluster
from tests.e2e.cloud import CLOUDS, CloudCluster
from tests.e2e.shape import Shape
from tests.offline import offline

SHAPES = (
    Shape("weave", "container"),
    Shape("flannel", "container"),
    # Not in each CI run, which upgrades a cluster instead.
    pytest.param(Shape("weave", "vm"), marks=pytest.mark.extended),
    pytest.param(Shape("flannel", "container", masters=3, workers=2), marks=pytest.mark.extended),
    pytest.param(Shape("flannel", "container", etcd=3, masters=1, workers=2), marks=pytest.mark.extended),
)


def missing_images(driver: str) -> list[str]:
    """The images of `driver` that this machine neither has nor can make or pull."""
    from generator.images import missing

    return missing(driver)


# Two emulated machines that start as a stock Debian take a quarter of an hour per cloud.
@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.extended) for name in sorted(CLOUDS)])
def cloud(request, tmp_path_factory):
    if absent := missing_images("weave"):
        pytest.skip(f"{request.param} was not run: no images for {', '.join(absent)} (set ANYWHERE_IMAGES)")
    with (
        offline("invent") as stand_ins,
        closing(CloudCluster(tmp_path_factory.mktemp(request.param), request.param, stand_ins)) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def boot(tmp_path_factory):
    """Boot a cluster of a given shape for a scenario of its own: `with boot(Shape(...)) as cluster`."""

    def booted(shape: Shape):
        if absent := missing_images(shape.driver):
            pytest.skip(f"{shape} was not run: no images for {', '.join(absent)} (set ANYWHERE_IMAGES)")
        if shape.kind == "container" and (reason := fit.unfit_drivers().get(shape.driver)):
            pytest.skip(f"{shape} was not run: {reason}")
        return local_cluster.running(shape, tmp_path_factory.mktemp(shape.name))

    return booted


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def cluster(request, boot):
    with boot(request.param) as made:
        yield made
