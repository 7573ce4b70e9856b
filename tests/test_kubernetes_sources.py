"""The sources that Kubernetes versions are built from, and how setup/kubernetes.py adds one."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from generator.definition import NEWEST, VERSION
from generator.errors import UserError
from generator.images import catalog, recipe

SCRIPT = Path(__file__).parent.parent / "setup" / "kubernetes.py"
UPSTREAM = """\
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

require (
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.1.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/kubectl => ./staging/src/k8s.io/kubectl
	example.com/other => ../other
)
"""


@pytest.fixture(scope="module")
def sources():
    spec = importlib.util.spec_from_file_location("kubernetes_sources", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_staged_modules_are_those_that_are_published(sources):
    lines = sources.requirements("v1.37.2", UPSTREAM).splitlines()
    assert "go 1.26.0" in lines
    assert "k8s.io/kubernetes v1.37.2" in lines and "k8s.io/kubectl v0.37.2" in lines
    assert [line for line in lines if "=>" in line] == [
        "k8s.io/api => k8s.io/api v0.37.2",
        "k8s.io/kubectl => k8s.io/kubectl v0.37.2",
    ]


def test_sums_are_added_to_those_of_other_versions(sources, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "HYPERKUBE", tmp_path)
    sources._add_sums(["b v1 h1:b=", "a v1 h1:a="])
    sources._add_sums(["c v1 h1:c=", "a v1 h1:a="])
    assert (tmp_path / "go.sum").read_text() == "a v1 h1:a=\nb v1 h1:b=\nc v1 h1:c=\n"


@pytest.mark.parametrize("kubernetes", recipe.kubernetes_versions())
def test_every_module_of_a_kubernetes_version_has_its_sum(kubernetes):
    """Go asks the network for what go.sum lacks, or refuses to build."""
    (hyperkube, *_) = catalog.wanted(kubernetes, "flannel")
    sources = recipe.recipe(hyperkube).sources()
    known = {tuple(line.split()[:2]) for line in sources["go.sum"].read_text().splitlines()}
    replaced, wanted = {}, set()
    for line in sources["go.mod"].read_text().splitlines():
        match line.removeprefix("require").split():
            case [name, "=>", other, version]:
                replaced[name] = (other, version)
            case [name, version, *_] if version.startswith("v"):
                wanted.add((name, version))
    modules = {replaced.get(name, (name, version)) for name, version in wanted}
    assert len(modules) > 150 and not modules - known


def test_the_newest_patch_of_each_supported_minor_version_can_be_built():
    newest = {version.removeprefix("v").rpartition(".")[0]: version for version in recipe.kubernetes_versions()}
    assert newest == NEWEST


def test_another_version_changes_no_key(tmp_path, monkeypatch):
    """A patch that is added must leave images alone that locks have of others."""
    (hyperkube, *_) = catalog.wanted(VERSION, "flannel")
    shutil.copytree(recipe.MODULES / "hyperkube", tmp_path / "hyperkube")
    monkeypatch.setattr(recipe, "MODULES", tmp_path)
    before = recipe.recipe(hyperkube).key("amd64")
    (tmp_path / "hyperkube" / "v1.37.9.mod").write_text("module other\n")
    with (tmp_path / "hyperkube" / "go.sum").open("a") as sums:
        sums.write("example.com/a v1.0.0 h1:abc=\n")
    assert recipe.recipe(hyperkube).key("amd64") == before
    (tmp_path / "hyperkube" / f"{VERSION}.mod").write_text("module changed\n")
    assert recipe.recipe(hyperkube).key("amd64") != before


def test_a_version_without_sources_names_those_of_its_minor_version():
    (wanted, *_) = catalog.wanted("v1.36.9", "flannel")
    with pytest.raises(UserError, match=r"v1\.36\.9 cannot be built.* v1\.36\.4, v1\.36\.5\.$") as caught:
        recipe.recipe(wanted)
    assert caught.value.hint.startswith("Use version v1.36.5, ") and "ANYWHERE_IMAGES" in caught.value.hint


def test_kubeadm_is_compared_with_the_same_kubernetes():
    required = (SCRIPT.parents[1] / "benchmarks" / "kubeadm" / "source" / "go.mod").read_text()
    assert f"k8s.io/kubernetes {VERSION}\n" in required
