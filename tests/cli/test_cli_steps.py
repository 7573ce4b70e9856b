"""The steps of each verb, in order, and each guard as the verb calls it: without the call, a test here fails."""

import io
import json
import shutil
from dataclasses import replace

import pytest

from generator import lock, render
from generator.errors import UserError
from generator.operations import apply, artifacts, destroy, plan
from generator.operations.steps import Step, run
from providers import Check
from tests.cli import target
from tests.cli.target import DEFINITION
from tests.test_kubernetes import Api, a_node, service

COMPARE = (
    "Open the state",
    "Refuse to go on without the state of a cluster that is there",
    "Refuse changes of fields that never change",
)
APPLY = (
    "Refuse the state of another cluster",
    "Refuse to go on without the login to the registry",
    "Resolve what the lock lacks",
    "Make or renew the secrets, in memory",
    "Render the folder",
    "Check that the target can hold the cluster",
    *COMPARE,
    "Plan the changes",
    "Order the control plane's machines for a rollout",
    "Show the plan",
    "Refuse to destroy etcd data or the control plane unless named",
    "Ask for approval",
    "Fetch images and packages",
    "Roll out to the control plane, machine by machine",
    "Apply the rest of the plan",
    "Write the kubeconfig",
    "Wait for every machine to be Ready",
    "Remove the nodes of departed machines",
    "Wait until the cluster works",
)
WHERE_NOTHING_CHANGES = (*APPLY[:13], *APPLY[17:])
PLAN = (
    "Refuse the state of another cluster",
    "Resolve what the lock lacks, without making anything",
    "Look up the versions of the secrets",
    "Render the folder",
    "Warn where the target cannot hold the cluster",
    *COMPARE,
    "Plan the changes",
    "Look at what changes inside",
)
DESTROY = (
    "Refuse the state of another cluster",
    "Refuse the secrets of another cluster",
    "Render the folder",
    "Plan what to destroy",
    "Show the plan",
    "Ask for approval",
    "Delete load balancers and volumes that the cluster created",
    "Destroy",
    "Look for what is left",
    "Delete the kubeconfig",
)
UNFIT = Check("credentials", False, "There are none", "Sign in.", needed=True)
DISKS = """
resource "terraform_data" "disk" {
  for_each = toset(["etcd1"])
}
"""


@pytest.fixture
def cluster(nowhere):
    """A cluster that was applied."""
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    return nowhere


@pytest.fixture
def ran(monkeypatch):
    """The titles of the steps that ran."""
    titles = []

    def recorded(step):
        return replace(step, run=lambda context: (titles.append(step.title), step.run(context)))

    for verb in (apply, plan, destroy):
        monkeypatch.setattr(verb, "STEPS", tuple(map(recorded, verb.STEPS)))
    return titles


def state(home):
    return (home / ".anywhere" / "quickstart-local" / "terraform.tfstate").read_text()


def test_a_step_is_skipped_where_its_condition_is_not_met():
    done = []
    run([Step("a", done.append), Step("b", done.append, when=lambda context: context != "x")], "x")
    assert done == ["x"]


def test_a_step_that_fails_takes_back_what_is_not_final():
    done = []

    def step(name, **options):
        return Step(name, lambda context: done.append(name), undo=lambda context: done.append(f"-{name}"), **options)

    def fail(context):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([step("a"), step("b", final=True), step("c"), step("skipped", when=bool), step("d"), Step("e", fail)], "")
    assert done == ["a", "b", "c", "d", "-d", "-c"]


def test_why_a_verb_ended_is_said_also_where_not_all_can_be_taken_back():
    def fail(context):
        raise UserError("The disk is full.", "Free space.")

    def cannot(context):
        raise UserError("The folder is mixed.", "Render it.")

    undone = []
    with pytest.raises(UserError) as caught:
        run([Step("a", print, undo=undone.append), Step("b", print, undo=cannot), Step("c", fail)], "x")
    assert caught.value.message == "The disk is full.\nThe folder is mixed. Render it."
    assert caught.value.hint == "Free space." and undone == ["x"]


def test_each_verb_has_its_steps_and_runs_them_in_order(nowhere, ran):
    assert target.run("plan") == 0 and tuple(ran) == PLAN
    ran.clear()
    assert target.run("apply", "--yes", "--timeout", "20") == 0 and tuple(ran) == APPLY
    ran.clear()
    assert target.run("apply", "--timeout", "20") == 0 and tuple(ran) == WHERE_NOTHING_CHANGES
    ran.clear()
    assert target.run("destroy", "--yes") == 0 and tuple(ran) == DESTROY


def test_destroy_of_what_never_was_only_looks_for_what_is_left(nowhere, ran):
    assert target.run("destroy", "--yes") == 0 and tuple(ran) == (*DESTROY[:2], "Look for what is left")


def test_destroy_under_another_name_is_refused(cluster, home, definition, capsys):
    before = state(home)
    definition.write_text(definition.read_text().replace("name: quickstart", "name: other"))
    assert target.run("destroy", "--yes") == 1 and state(home) == before
    assert "Set metadata.name back to 'quickstart'." in capsys.readouterr().err
    (home / "cluster.secrets.age").write_text("damaged")
    assert target.run("destroy", "--yes") == 0


@pytest.mark.parametrize("why", ["the secrets", "the state", "the disk", "a terminal"])
def test_a_first_apply_that_is_refused_makes_no_image(nowhere, home, definition, monkeypatch, capsys, why):
    made = []
    monkeypatch.setattr(apply.lock_file, "resolve", lambda *args: made.append("image"))
    lock.path_beside(definition).unlink()
    if why == "the secrets":
        (home / "cluster.secrets.age").unlink()
        folder = home / ".anywhere" / "quickstart-local"
        folder.mkdir(parents=True)
        (folder / "terraform.tfstate").write_text(
            '{"outputs": {"cluster": {"value": "quickstart"}}, "resources": [{}]}'
        )
    if why == "the state":
        nowhere.there = ("machine quickstart-1",)
    if why == "the disk":
        monkeypatch.setattr(nowhere, "preflight", lambda *args: (UNFIT,), raising=False)
    capsys.readouterr()
    assert target.run("apply", *([] if why == "a terminal" else ["--yes"])) == 1
    said = {
        "the secrets": "are missing",
        "the state": "is on local already",
        "the disk": "Sign in",
        "a terminal": "--yes",
    }
    assert said[why] in capsys.readouterr().err and made == []


def test_plan_warns_of_what_apply_is_refused_for(nowhere, home, monkeypatch, capsys):
    monkeypatch.setattr(nowhere, "preflight", lambda *args: (UNFIT,), raising=False)
    assert target.run("plan") == 0
    assert "warning: credentials: There are none. Sign in." in capsys.readouterr().err
    assert target.run("apply", "--yes", "--timeout", "20") == 1
    assert "error: credentials: There are none.\nhint: Sign in.\n" in capsys.readouterr().err
    assert not (home / ".anywhere" / "quickstart-local" / "terraform.tfstate").exists()


def test_apply_destroys_etcd_data_only_by_name(nowhere, home, capsys):
    without = nowhere.main
    nowhere.main += DISKS
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    nowhere.main, before = without, state(home)
    assert target.run("apply", "--yes", "--timeout", "20") == 1
    assert "This plan destroys what etcd holds on etcd1." in capsys.readouterr().err and state(home) == before
    assert target.run("apply", "--yes", "--timeout", "20", "--may-destroy", "etcd1") == 0


def test_plan_shows_that_etcd_data_is_destroyed_only_by_name(nowhere, home, capsys):
    without = nowhere.main
    nowhere.main += DISKS
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    nowhere.main = without
    capsys.readouterr()
    assert target.run("plan", "--may-destroy", "etcd9") == 1
    assert "To allow it, add --may-destroy etcd1." in capsys.readouterr().err
    assert target.run("plan", "--may-destroy", "etcd1", "--may-destroy", "etcd9") == 0
    assert "This plan does not destroy etcd9" in capsys.readouterr().out


def test_apply_fetches_images_and_prepares_the_target_before_it_makes_machines(nowhere, home, monkeypatch):
    made = home / ".anywhere" / "quickstart-local" / "terraform.tfstate"
    called = []
    monkeypatch.setattr(artifacts, "fetch", lambda *args: called.append(("fetch", made.exists())))
    prepare = lambda *args: called.append(("prepare", made.exists()))  # noqa: E731
    monkeypatch.setattr(nowhere, "prepare", prepare, raising=False)
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    assert called == [("fetch", False), ("prepare", False)]


def test_apply_removes_the_nodes_of_departed_workers(cluster, monkeypatch, capsys):
    changed = []

    def answer(self):
        changed.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    nodes = {"items": [*target.NODES, a_node("worker-general-9", False)]}
    monkeypatch.setattr(Api, "do_PATCH", answer, raising=False)
    monkeypatch.setitem(Api.answers, "/api/v1/nodes?resourceVersion=0", json.dumps(nodes).encode())
    assert target.run("apply", "--timeout", "20") == 0
    label = {"metadata": {"labels": {"anywhere/leaving": "boot-of-worker-general-9"}}}
    assert changed == [("/api/v1/nodes/worker-general-9", label)]


def test_destroy_first_deletes_what_the_cluster_created(cluster, home, monkeypatch):
    called = []

    def answer(self):
        called.append((self.path, "terraform_data" in state(home)))
        Api.answers["/api/v1/services"] = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def created(definition, progress):
        called.append((definition.name, "terraform_data" in state(home)))

    services = json.dumps({"items": [service("front", "LoadBalancer")]}).encode()
    monkeypatch.setattr(Api, "do_DELETE", answer, raising=False)
    monkeypatch.setitem(Api.answers, "/api/v1/services", services)
    monkeypatch.setattr(cluster, "delete_created_by_cluster", created, raising=False)
    assert target.run("destroy", "--yes") == 0
    assert called == [("/api/v1/namespaces/web/services/front", True), ("quickstart", True)]
    assert "terraform_data" not in state(home)


def test_destroy_runs_no_configuration_that_anywhere_did_not_render(cluster, home, capsys):
    """Not even to plan: a data source would be read before anybody is asked."""
    folder = home / ".anywhere" / "quickstart-local"
    harm = """
resource "terraform_data" "harm" {
  provisioner "local-exec" {
    when    = destroy
    command = "touch stolen"
  }
}
"""
    (folder / "machines.tf").write_text((folder / "machines.tf").read_text() + harm)
    (folder / "pools.tf").write_text("locals {\n}\n")
    with (folder / ".anywhere-files").open("a") as manifest:
        manifest.write("pools.tf\n")
    applied = json.loads(state(home))
    machine = applied["resources"][0]
    applied["resources"].append({**machine, "name": "harm"})
    (folder / "terraform.tfstate").write_text(json.dumps(applied))
    assert target.run("destroy", "--yes") == 0
    assert not (folder / "stolen").exists() and not (folder / "pools.tf").exists()
    assert json.loads(state(home))["resources"] == []


def test_a_destroy_that_is_not_approved_leaves_the_folder_as_it_was(cluster, home, monkeypatch, capsys):
    folder = home / ".anywhere" / "quickstart-local"
    (folder / "machines.tf").write_text(cluster.main + "# a comment\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    assert target.run("destroy") == 1
    assert (folder / "machines.tf").read_text() == cluster.main + "# a comment\n"


@pytest.mark.parametrize("lost", ["a lock that is damaged", "no lock", "a lock of another version", "no state"])
def test_destroy_takes_no_lock_that_fits(cluster, home, definition, lost):
    path = lock.path_beside(definition)
    match lost:
        case "a lock that is damaged":
            path.write_text("kind: [")
        case "no lock":
            path.unlink()
        case "a lock of another version":
            definition.write_text(DEFINITION + "  kubernetes: {version: v1.36.0}\n")
        case "no state":
            for file in (home / ".anywhere" / "quickstart-local").glob("*.tf"):
                file.unlink()
    assert target.run("destroy", "--yes") == 0 and json.loads(state(home))["resources"] == []


def rename(home, definition):
    """Make the definition one of another cluster, which is new."""
    definition.write_text(DEFINITION.replace("quickstart", "other"))
    (home / "cluster.secrets.age").unlink()
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))


@pytest.mark.parametrize("verb", [("plan",), ("render",), ("apply", "--yes"), ("kubeconfig",), ("destroy", "--yes")])
def test_no_verb_works_in_the_folder_of_another_cluster(cluster, home, definition, verb, capsys):
    folder = home / ".anywhere" / "quickstart-local"
    rename(home, definition)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert target.run(*verb, "--out", folder) == 1
    assert "holds the Terraform state of cluster 'quickstart'" in capsys.readouterr().err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def backend(nowhere, home, monkeypatch):
    """Terraform's backend, which every cluster here shares by mistake: a file elsewhere; its path."""
    path = home / "shared.tfstate"
    arguments = {"local": {"path": str(path)}}
    document = json.dumps({"terraform": {"backend": arguments}}).encode()
    monkeypatch.setattr(nowhere, "backend", lambda definition: arguments, raising=False)
    tree = lambda *args: {"machines.tf": nowhere.main.encode(), "backend.tf.json": document}  # noqa: E731
    monkeypatch.setattr(render, "tree", tree)
    return path


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes"), ("destroy", "--yes")])
def test_no_verb_works_on_the_remote_state_of_another_cluster(nowhere, backend, home, definition, verb, capsys):
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    before = backend.read_bytes()
    rename(home, definition)
    assert target.run(*verb) == 1
    assert "The backend holds the Terraform state of cluster 'quickstart', not of 'other'." in capsys.readouterr().err
    assert backend.read_bytes() == before


def test_another_computer_opens_the_remote_state_first(nowhere, backend, home):
    """It has no folder yet: what it renders has to be initialised before the state can be read."""
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    shutil.rmtree(home / ".anywhere")
    assert target.run("kubeconfig") == 0
    assert (home / ".anywhere" / "quickstart-local" / "kubeconfig").exists()


def forget(home, definition):
    """A fresh checkout of a cluster whose store was lost, by a lock that knows no store."""
    shutil.rmtree(home / ".anywhere")
    (home / "cluster.secrets.age").unlink()
    path = lock.path_beside(definition)
    lock.write(path, replace(lock.read(path), secrets=None))


@pytest.mark.parametrize("verb", [("plan",), ("apply", "--yes")])
def test_no_keys_are_made_for_a_cluster_that_a_remote_state_has(nowhere, backend, home, definition, verb, capsys):
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    before = backend.read_bytes()
    forget(home, definition)
    assert target.run(*verb) == 1
    assert "but cluster.secrets.age has no keys of local." in capsys.readouterr().err
    assert backend.read_bytes() == before and not (home / "cluster.secrets.age").exists()


def test_a_cluster_whose_secrets_are_lost_can_be_destroyed(nowhere, backend, home, definition):
    assert target.run("apply", "--yes", "--timeout", "20") == 0
    shutil.rmtree(home / ".anywhere")
    (home / "cluster.secrets.age").unlink()
    assert target.run("destroy", "--yes") == 0 and "terraform_data" not in backend.read_text()
