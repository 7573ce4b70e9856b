"""The demo: its images, its manifests, and how it comes into a cluster."""

import copy
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from examples.demo import __main__ as command
from examples.demo import images, objects, push, rollout, visit
from examples.demo.images import Image
from generator import cli, directories
from generator.errors import UserError
from generator.files import sha256
from generator.images import toolchain
from generator.kubernetes import UnreachableError
from generator.progress import Silent
from tests.running_registry import running

STAR_WARS = Path(__file__).parent.parent / "examples" / "star-wars" / "cluster.yaml"
REGISTRY = "localhost:5443"
BUILT = {name: Image(name, f"{number:012}", Path(name)) for number, name in enumerate(images.names())}
# The arrows of the drawing in examples/demo/README.md; those from outside have no beginning.
ARROWS = {
    (None, "frontend"), ("load", "frontend"),
    ("frontend", "users"), ("frontend", "app-mapper"), ("frontend", "metrics"),
    ("users", "dbshell"), ("app-mapper", "dbshell"), ("metrics", "dbshell"), ("dbshell", "database"),
}  # fmt: skip
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


@pytest.fixture(scope="module")
def go():
    """The command; a test is skipped where the modules that the demo is made of are out of reach."""
    try:
        found = toolchain.go(directories.cache(), Silent())
    except UserError as error:
        pytest.skip(f"{error} {error.hint}")
    environment = toolchain.environment(found, toolchain.host())
    done = subprocess.run(
        [found, "mod", "download"], cwd=images.SOURCES, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no modules of the demo: {done.stderr}")
    return SimpleNamespace(path=found, environment=environment)


# Images


def inspect(archive, *options):
    done = subprocess.run(
        ["skopeo", "inspect", *options, f"docker-archive:{archive}"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@needs_skopeo
def test_two_builds_are_the_same_and_a_client_reads_them(go, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "names", lambda: ("database", "frontend"))
    first, second = (images.build(toolchain.host(), Silent(), tmp_path / folder) for folder in ("a", "b"))
    for name in ("database", "frontend"):
        assert first[name].tag == second[name].tag and re.fullmatch(r"[0-9a-f]{12}", first[name].tag)
        assert sha256(first[name].archive) == sha256(second[name].archive)
        config = inspect(first[name].archive, "--config")
        assert config["config"]["User"] == "65534:65534" and config["config"]["Entrypoint"] == [f"/{name}"]
        assert config["architecture"] == toolchain.host()
        assert len(inspect(first[name].archive)["Layers"]) == 1
    assert first["database"].tag != first["frontend"].tag
    assert [path.name for path in (tmp_path / "a").iterdir() if path.name.startswith(".")] == []


def test_the_services_pass_their_own_tests(go):
    done = subprocess.run(
        [go.path, "test", "./..."], cwd=images.SOURCES, env=go.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_what_is_committed_is_as_gofmt_has_it(go):
    gofmt = Path(go.path).parent / "gofmt"
    if not gofmt.exists():
        pytest.skip("this toolchain has no gofmt")
    done = subprocess.run([gofmt, "-l", "."], cwd=images.SOURCES, capture_output=True, text=True, check=True)
    assert done.stdout == ""


# Manifests


def made(load=False):
    return objects.all_of(REGISTRY, BUILT, "arm64", load)


def of_kind(kind):
    return {each.document["metadata"]["name"]: each.document for each in made() if each.document["kind"] == kind}


def pods():
    return {name: each["spec"]["template"]["spec"] for name, each in of_kind("Deployment").items()}


def test_the_namespace_comes_first_and_everything_is_in_it():
    first, *others = made()
    assert first.path == rollout.NAMESPACED
    assert all(each.document["metadata"]["namespace"] == objects.NAMESPACE for each in others)
    assert len({each.path for each in made()}) == len(made())


def test_each_program_has_a_deployment_that_runs_its_image_where_it_can():
    assert pods().keys() == set(images.names())
    assert {name for name in pods() if name != "load"} == set(visit.SERVICES)
    for name, pod in pods().items():
        assert [each["image"] for each in pod["containers"]] == [f"{REGISTRY}/demo/{name}:{BUILT[name].tag}"]
        assert pod["nodeSelector"] == {"kubernetes.io/arch": "arm64"}


def test_pods_may_do_no_more_than_they_must():
    for pod in pods().values():
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] and own["capabilities"] == {"drop": ["ALL"]}
            assert own["allowPrivilegeEscalation"] is False
            assert container["resources"]["requests"].keys() == {"cpu", "memory"} and container["resources"]["limits"]


def test_all_but_the_database_survive_a_machine():
    deployments, budgets = of_kind("Deployment"), of_kind("PodDisruptionBudget")
    twice = {name for name, each in deployments.items() if each["spec"]["replicas"] == 2}
    assert twice == budgets.keys() == set(visit.SERVICES) - {"database"}
    for name in twice:
        assert budgets[name]["spec"]["selector"]["matchLabels"] == {"app": name}
        (spread,) = pods()[name]["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"
        (container,) = pods()[name]["containers"]
        waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert waits + 15 < 30  # of which a pod has so many by default to end; see drainSeconds of the services
    assert deployments["database"]["spec"]["strategy"] == {"type": "Recreate"}


def chosen(selector):
    """The services that a selector of pods means."""
    if names := selector.get("matchLabels"):
        return {names["app"]}
    (expression,) = selector["matchExpressions"]
    return set(expression["values"])


def arrows(direction, peer):
    """Who may ask whom by the policies: where pods may be asked, or where they may ask."""
    for name, policy in of_kind("NetworkPolicy").items():
        for rule in policy["spec"].get(direction, ()) if name != "dns" else ():
            assert rule["ports"] == [{"port": 8080}]
            others = [chosen(each["podSelector"]) for each in rule[peer]] if peer in rule else [{None}]
            for other in set().union(*others):
                yield (name, other) if direction == "egress" else (other, name)


def test_policies_allow_the_arrows_of_the_drawing_and_nothing_else():
    policies = of_kind("NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name in pods():
        assert policies[name]["spec"]["podSelector"] == {"matchLabels": {"app": name}}
    assert set(arrows("egress", "to")) == {(source, target) for source, target in ARROWS if source}
    # The frontend is asked by anybody, so its policy does not name the load generator.
    assert set(arrows("ingress", "from")) == ARROWS - {("load", "frontend")}


def test_the_load_generator_runs_when_it_is_asked_for():
    for load in (False, True):
        (found,) = (each for each in made(load) if each.path.endswith("deployments/load"))
        assert found.document["spec"]["replicas"] == int(load)


# The way into a registry


@needs_skopeo
def test_images_reach_a_real_registry_by_a_user_who_is_gone_afterwards(tmp_path, go, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(images, "names", lambda: ("database",))
    built = images.build(toolchain.host(), Silent(), tmp_path / "images")
    with running(tmp_path / "registry") as registry:
        monkeypatch.setenv("HOME", str(tmp_path))  # not before: images and what Go has built are in the usual one
        users = registry.folder / "etc" / "users"

        def add(client, name):
            registry.have(name, "secret")
            return "secret"

        @contextmanager
        def opened(kubeconfig, target):
            yield SimpleNamespace(ports={target.ports[0]: registry.port})

        monkeypatch.setattr(push.registry_users, "add", add)
        monkeypatch.setattr(push.registry_users, "remove", lambda client, name: (users / name).unlink())
        monkeypatch.setattr(push.port_forward, "opened", opened)
        monkeypatch.setattr(push.cluster_api, "authority", lambda kubeconfig: registry.ca)
        for _ in range(2):
            push.push(None, tmp_path, 5443, built.values(), Silent())
            assert list(users.iterdir()) == []
        pushed = registry.folder / "images" / "docker" / "registry" / "v2" / "repositories" / "demo" / "database"
        assert [tag.name for tag in (pushed / "_manifests" / "tags").iterdir()] == [built["database"].tag]
    assert not (tmp_path / ".docker").exists()


# All of it

TRACE = {
    "service": "frontend", "pod": "frontend-1", "machine": "worker-1", "milliseconds": 12.34, "calls": [
        {"service": "users", "pod": "users-1", "machine": "worker-2", "milliseconds": 5, "calls": [
            {"service": "dbshell", "pod": "dbshell-1", "machine": "worker-1", "milliseconds": 2, "calls": [
                {"service": "database", "pod": "database-1", "machine": "worker-3", "milliseconds": 0.5}]}]},
        {"service": "app-mapper", "pod": "app-mapper-1", "machine": "worker-2", "milliseconds": 100},
        {"service": "metrics", "pod": "metrics-1", "machine": "worker-2", "milliseconds": 1}]}  # fmt: skip
ANSWER = {
    "value": {
        "user": {"name": "Leia", "home": "Alderaan"},
        "application": {"name": "Falcon", "owner": "han", "service": "freight"},
        "requests": 7,
    },
    "trace": TRACE,
}
DRAWING = """\
Leia of Alderaan uses Falcon, which han owns. Requests so far: 7.

frontend            12.3 ms  frontend-1    worker-1
├─ users             5.0 ms  users-1       worker-2
│  └─ dbshell        2.0 ms  dbshell-1     worker-1
│     └─ database    0.5 ms  database-1    worker-3
├─ app-mapper      100.0 ms  app-mapper-1  worker-2
└─ metrics           1.0 ms  metrics-1     worker-2"""


class Api:
    """A cluster in which everything that is applied runs at once."""

    def __init__(self):
        self.objects, self.applied, self.answers = {}, 0, [ANSWER]

    def get(self, path):
        if path == visit.VISIT:
            if isinstance(answer := self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], Exception):
                raise answer
            return answer
        return {"items": [item for name, item in self.objects.items() if name.startswith(f"{path}/")]}

    def find(self, path):
        return self.objects.get(path)

    def apply(self, path, document, manager):
        self.applied += 1
        pods = document.get("spec", {}).get("replicas", 0)
        status = {"observedGeneration": 1, "replicas": pods, "updatedReplicas": pods, "availableReplicas": pods}
        self.objects[path] = copy.deepcopy({**document, "status": status})
        self.objects[path]["metadata"]["generation"] = 1

    def delete(self, path):
        """A namespace takes with it what is in it, of every group of the API."""
        within = path.removeprefix("/api/v1")
        self.objects = {name: each for name, each in self.objects.items() if within not in name}

    def pause(self, seconds):
        pass

    def close(self):
        pass


@pytest.fixture
def cluster(monkeypatch):
    """A cluster as `examples/star-wars` defines it; `pushed` are the images that were pushed."""
    api = Api()
    api.pushed = []
    monkeypatch.setattr(command.cluster_api, "client", lambda kubeconfig, timeout: api)
    monkeypatch.setattr(command.images, "build", lambda arch, progress: BUILT)
    monkeypatch.setattr(command.push, "check", lambda: None)
    monkeypatch.setattr(command.push, "push", lambda client, config, port, built, progress: api.pushed.extend(built))
    return api


def demo(*words):
    return cli.outcome(
        lambda: command.app([str(STAR_WARS), "--provider", "local", *words], prog_name="demo", standalone_mode=False)
    )


def test_it_is_deployed_and_its_trace_is_shown(cluster, capsys):
    assert demo() == 0
    shown = capsys.readouterr()
    assert DRAWING in shown.out and "port-forward service/frontend 8080:80" in shown.out
    titles = [line.partition("] ")[2] for line in shown.err.splitlines() if line.endswith(" ...")]
    assert titles == [
        *("look at the cluster star-wars ...", "build the images ...", "push them to localhost:5443 ...", "deploy ..."),
        *("wait until every pod is available ...", "send a request through all six services ..."),
    ]
    assert cluster.pushed == list(BUILT.values()) and cluster.applied == len(made())


def test_what_runs_already_is_not_pushed_again(cluster, monkeypatch):
    for words in ((), ("--load",), ()):
        assert demo(*words) == 0
        assert cluster.objects[f"{rollout.DEPLOYMENTS}/load"]["spec"]["replicas"] == len(words)
    assert cluster.pushed == list(BUILT.values())
    changed = {**BUILT, "users": Image("users", "f" * 12, Path("users"))}
    monkeypatch.setattr(command.images, "build", lambda arch, progress: changed)
    assert demo() == 0
    assert len(cluster.pushed) == 2 * len(BUILT)
    # Where its pods do not run, the registry may have lost what they run.
    cluster.objects[f"{rollout.DEPLOYMENTS}/users"]["status"]["availableReplicas"] = 0
    assert demo() == 0 and len(cluster.pushed) == 3 * len(BUILT)


def test_it_is_removed_with_its_data(cluster):
    assert demo() == 0 and cluster.objects
    assert demo("--remove") == 0 and not cluster.objects


def test_a_request_is_sent_until_one_goes_through_all(cluster):
    partial = {**ANSWER, "trace": {**TRACE, "calls": TRACE["calls"][1:]}}
    cluster.answers = [UnreachableError("503"), partial, ANSWER]
    assert visit.through_all(cluster, 60) == ANSWER
    cluster.answers = [partial]
    with pytest.raises(UserError, match="It lacks users, dbshell, database"):
        visit.through_all(cluster, 0.1)


def test_pods_that_do_not_start_are_named():
    deployment = {
        "metadata": {"name": "users", "generation": 2},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "users"}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1},
    }
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = {
        "metadata": {"name": "users-1", "labels": {"app": "users"}},
        "spec": {},
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "users", "state": waiting}],
        },
    }
    (line,) = rollout.lacking([rollout.deployment_of(deployment)], [rollout.pod_of(pod)])
    assert line == ("users: 1 of 2 pods available, 1 of the current version. Pod users-1 has no image: no such image")


@pytest.mark.parametrize("program", ["skopeo", "kubectl"])
def test_a_program_that_is_missing_is_named_before_anything_is_built(program, monkeypatch, tmp_path):
    for other in {"skopeo", "kubectl"} - {program}:
        (tmp_path / other).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("generator.command.SBIN", str(tmp_path))
    with pytest.raises(UserError, match=f"{program} is not installed"):
        push.check()


def test_a_definition_without_a_registry_is_told_what_to_add(capsys):
    quickstart = STAR_WARS.parents[1] / "quickstart" / "cluster.yaml"
    assert cli.outcome(lambda: command.app([str(quickstart)], prog_name="demo", standalone_mode=False)) == 1
    said = capsys.readouterr().err
    assert "has no registry in the cluster" in said and "Add registry and storage to spec.addons" in said
