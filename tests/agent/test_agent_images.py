"""Images: fetched only where a runtime lacks them, and checked by content afterwards."""

import os
import time
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from agent import containerd, images, leftovers, registry
from agent.host import NodeError
from docker_engine import Refused

ID = f"sha256:{'1' * 64}"
CTR = "ctr --address /run/anywhere/containerd/containerd.sock --namespace k8s.io"
CONTAINERD_ID = f"sha256:{'c' * 64}"
REF, POD_REF = "anywhere.local/etcd:v3", "anywhere.local/etcd:v3-111111111111"


def release(runtimes, registry=None, ident=ID):
    pod_ref = f"{REF}-{ident[7:19]}"
    image = {"ref": REF, "id": ident, "archive": ident[7:8] * 64, "runtimes": runtimes, "pod_ref": pod_ref}
    return {
        "registry": registry,
        "registry_ca": "",
        "registries": {},
        "secrets": {},
        "images": {"etcd": image, "containerd": {"id": CONTAINERD_ID}},
    }


def load(release, names):
    images.ensure(release, names)
    images.ensure_for_pods(release, names)


class Store(dict):
    """The engine's images: {reference: id}, kept in files so that the programs below can add to them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def __contains__(self, ref):
        return (self.folder / quote(ref, safe="")).exists()

    def __getitem__(self, ref):
        return (self.folder / quote(ref, safe="")).read_text()

    def __setitem__(self, ref, ident):
        (self.folder / quote(ref, safe="")).write_text(ident)


CONTAINERD = """
name() { echo "$1" >>PODS; }
shift 2  # --address
case "$3 $4" in
"images ls") sort -u PODS ;;
"images import")
  read ident ref; ref=${ref:-REF}
  # The CRI looks at a name that is new, and not at what a known one is now given to.
  echo "$ident" >NEW
  if grep -qx "$ref" PODS; then :; else cat NEW >>PODS; fi
  name "$ref" ;;
"images label") [ "$6" = io.cri-containerd.image= ] && grep -qx "$5" PODS && cat NEW >>PODS ;;
"images tag") shift 5; grep -qx "$1" PODS && shift && for new; do name "$new"; done ;;
"images rm") shift 4; for gone; do sed -i "\\|^$gone\\$|d" PODS; done ;;
"containers ls") cat USED ;;
esac
"""


@pytest.fixture
def machine(tmp_path, engine, programs, monkeypatch):
    """An engine, a containerd with its CRI, and a fetch of archives that are the id of their image."""
    monkeypatch.setattr(images, "RUN", tmp_path / "run")
    monkeypatch.setattr(containerd, "PROGRAMS", tmp_path / "programs")
    monkeypatch.setattr(containerd, "ensure", lambda image: programs.started.append(image["id"]))
    monkeypatch.setattr(registry, "DOCKER", tmp_path / "docker")
    monkeypatch.setattr(registry, "CONTAINERD", tmp_path / "containerd")
    monkeypatch.setattr(leftovers, "RECORD", tmp_path / "images.json")
    monkeypatch.setattr(leftovers, "ARCHIVE", tmp_path / "opt" / "now")
    leftovers.ARCHIVE.mkdir(parents=True)
    engine.images = Store(tmp_path / "images")
    for name in ("pods", "new", "used"):
        (tmp_path / name).touch()
    file = tmp_path / "images" / quote(REF, safe="")
    programs.put("anywhere-fetch", 'name=${1#images/}; printf "sha256:%s" "${name%.tar}"')
    programs.put(
        "docker", f'case $1 in load) cat >{file} ;; tag) printf "{ID}" >{file} ;; save) echo "{ID} $2" ;; esac'
    )
    script = CONTAINERD.replace("ID", ID).replace("REF", REF)
    for word in ("PODS", "NEW", "USED"):
        script = script.replace(word, str(tmp_path / word.lower()))
    programs.put("ctr", script)
    programs.started = []
    programs.pods = lambda: set((tmp_path / "pods").read_text().split())
    programs.used = tmp_path / "used"
    return programs


def test_what_is_lacking_is_fetched_once_a_runtime(machine):
    load(release(["docker", "containerd"]), ["etcd"])
    assert machine.runs().count(f"anywhere-fetch images/{'1' * 64}.tar") == 2
    assert "docker load --quiet" in machine.runs()


def test_containerd_runs_before_it_is_asked_for_images(machine):
    load(release(["docker"]), ["etcd"])
    assert machine.started == []
    load(release(["containerd"]), ["etcd"])
    assert machine.started == [CONTAINERD_ID]


def test_what_docker_runs_does_not_wait_for_what_pods_run(machine):
    """The network driver's containers, which take a while to come up, are started in between."""
    images.ensure(release(["docker", "containerd"]), ["etcd"])
    assert machine.started == [] and "docker load --quiet" in machine.runs()
    images.ensure_for_pods(release(["docker", "containerd"]), ["etcd"])
    assert machine.started == [CONTAINERD_ID]


@pytest.mark.parametrize("runtimes", [["docker"], ["containerd"], ["docker", "containerd"]])
def test_what_is_there_is_not_fetched(machine, runtimes):
    load(release(runtimes), ["etcd"])
    before = len(machine.runs())
    load(release(runtimes), ["etcd"])
    assert not any(run.startswith("anywhere-fetch") for run in machine.runs()[before:])


def test_containerd_may_take_a_moment_to_know_what_it_imported(machine, tmp_path):
    pods, late = tmp_path / "pods", tmp_path / "late"
    machine.put(
        "ctr",
        f"case $5$6 in imagesls) cat {pods}; cat {late} >>{pods} 2>/dev/null ;; "
        f"imagesimport) cat >/dev/null; printf '{ID}\\n{REF}\\n' >{late} ;; esac; exit 0",
    )
    load(release(["containerd"]), ["etcd"])
    assert machine.runs().count(f"{CTR} images ls --quiet") == 4


def test_pods_have_a_name_for_each_content(machine):
    load(release(["containerd"]), ["etcd"])
    assert machine.pods() == {REF, POD_REF, ID}


OTHER = f"sha256:{'2' * 64}"


def test_new_content_under_the_same_tag_is_loaded_once_and_no_name_of_content_is_given_away(machine):
    """containerd's CRI does not notice it by itself, and machines were seen to load it every three minutes."""
    load(release(["containerd"]), ["etcd"])
    load(release(["containerd"], ident=OTHER), ["etcd"])
    assert machine.pods() == {REF, POD_REF, ID, OTHER, f"{REF}-222222222222"}
    before = len(machine.runs())
    load(release(["containerd"], ident=OTHER), ["etcd"])
    assert machine.runs()[before:] == [f"{CTR} images ls --quiet"]


def test_the_tag_follows_a_release_that_goes_back(machine):
    for ident in (ID, OTHER, ID):
        load(release(["containerd"], ident=ident), ["etcd"])
    assert machine.runs()[-1] == f"{CTR} images tag --force {ID} {REF}"
    assert len([run for run in machine.runs() if run.startswith("anywhere-fetch")]) == 2


def test_what_a_base_image_holds_is_named_and_not_fetched(machine, tmp_path):
    (tmp_path / "pods").write_text(f"{REF}\n{ID}\n")
    load(release(["containerd"]), ["etcd"])
    assert POD_REF in machine.pods()
    assert not any(run.startswith("anywhere-fetch") for run in machine.runs())


def test_another_image_of_the_same_name_is_replaced(machine, engine):
    engine.images["anywhere.local/etcd:v3"] = f"sha256:{'0' * 64}"
    load(release(["docker"]), ["etcd"])
    assert engine.images["anywhere.local/etcd:v3"] == ID


@pytest.mark.parametrize("runtime", ["docker", "containerd"])
@pytest.mark.parametrize("before", [False, True])
def test_an_archive_of_something_else_is_refused_and_not_loaded_again_and_again(machine, runtime, before, monkeypatch):
    monkeypatch.setattr(images, "CRI_SECONDS", -1)
    monkeypatch.setattr(images, "time", SimpleNamespace(monotonic=time.monotonic))  # the clock may be set meanwhile
    if before:
        load(release([runtime], ident=OTHER), ["etcd"])
    machine.put("anywhere-fetch", f"printf 'sha256:{'9' * 64}'")
    with pytest.raises(NodeError, match=rf"is not {ID} to {runtime}; refresh the lock"):
        load(release([runtime]), ["etcd"])
    runs = len([run for run in machine.runs() if run.startswith("anywhere-fetch")])
    with pytest.raises(NodeError, match=rf"is not {ID} to {runtime}; next attempt in 30 minutes"):
        load(release([runtime]), ["etcd"])
    assert len([run for run in machine.runs() if run.startswith("anywhere-fetch")]) == runs
    monkeypatch.setattr(images, "REFUSED_SECONDS", 0)
    machine.put("anywhere-fetch", f"printf '{ID}'")
    load(release([runtime]), ["etcd"])


def test_a_fetch_that_fails_while_another_image_has_the_tag_leaves_it_its_tag(machine):
    load(release(["containerd"], ident=OTHER), ["etcd"])
    machine.put("anywhere-fetch", "echo 'curl: (6) Could not resolve host' >&2; exit 6")
    broken = '"images import") cat >/dev/null; exit 1 ;;\n"x"'
    machine.put("ctr", machine.read("ctr").replace('"images import"', broken))
    with pytest.raises(NodeError, match=r"could not be fetched completely: curl: \(6\) Could not resolve host"):
        load(release(["containerd"]), ["etcd"])
    assert REF in machine.pods()


def test_a_fetch_that_fails(machine):
    machine.put("anywhere-fetch", "exit 22")
    with pytest.raises(NodeError, match="could not be fetched"):
        load(release(["docker"]), ["etcd"])


def test_a_load_that_fails_early_ends_the_fetch(machine):
    """The fetch has more to give than the pipe holds."""
    machine.put("anywhere-fetch", "exec cat /dev/zero")
    machine.put("docker", "echo no space left on device >&2; exit 1")
    with pytest.raises(NodeError, match="no space left on device"):
        load(release(["docker"]), ["etcd"])


def test_a_registry_stands_in_for_archives(machine):
    load(release(["docker", "containerd"], "registry.example.com/k8s"), ["etcd"])
    assert "docker pull --quiet registry.example.com/k8s/etcd:v3" in machine.runs()
    assert "docker tag registry.example.com/k8s/etcd:v3 anywhere.local/etcd:v3" in machine.runs()
    assert "docker save registry.example.com/k8s/etcd:v3" in machine.runs()
    assert "docker rmi registry.example.com/k8s/etcd:v3" in machine.runs()
    assert {POD_REF, REF} <= machine.pods()
    assert not any(run.startswith("anywhere-fetch") for run in machine.runs())


@pytest.mark.parametrize("used", [False, True])
def test_old_images_are_removed_by_count_unless_something_runs_them(machine, used):
    idents = [f"sha256:{digit * 64}" for digit in "1234"]
    for ident in idents:
        load(release(["containerd"], ident=ident), ["etcd"])
        leftovers.remove()
        if used:
            machine.used.write_text(f"CONTAINER IMAGE RUNTIME\nabc {POD_REF} runc\n")
    kept = {idents[0], idents[2], idents[3]} if used else set(idents[2:])
    assert {name for name in machine.pods() if name.startswith("sha256:")} == kept
    assert {f"{REF}-{ident[7:19]}" for ident in kept} <= machine.pods()


def test_as_many_tags_of_one_name_as_a_release_asks_for_stay(machine, monkeypatch):
    """An add-on may run several versions of one image beside each other."""
    removed = []
    monkeypatch.setattr(leftovers, "_remove", lambda image: removed.append(image["ref"]) or True)
    many = [{"ref": f"example.org/a:{n}", "id": f"sha256:{n}", "runtimes": []} for n in range(4)]
    leftovers.note(many)
    leftovers.remove()
    assert removed == []
    leftovers.note(many[:1])
    leftovers.remove()
    assert removed == ["example.org/a:2", "example.org/a:1"]


def test_old_images_of_docker_are_removed_unless_docker_needs_them(machine, engine):
    removed = []

    def delete(ident, _query, _body):
        removed.append(ident)
        if ident == ID:
            raise Refused(409, "image is being used by running container")

    engine.remove_image = delete
    for digit in "1234":
        ident = f"sha256:{digit * 64}"
        load(release(["docker"], ident=ident), ["etcd"])
        engine.images[ident] = ident
        leftovers.remove()
    assert removed == [ID, OTHER, ID]


def test_old_node_archives_are_removed_by_count(machine):
    folder = leftovers.ARCHIVE.parent
    one, two, three = ("1" * 64, "2" * 64, "3" * 64)
    (folder / "theirs").mkdir()
    for age, name in enumerate((one, two, three)):
        (folder / name).mkdir()
        (folder / f"{name}.tar").touch()
        os.utime(folder / name, (age, age))
    leftovers.remove()
    assert {path.name for path in folder.iterdir()} == {"now", "theirs", three, f"{three}.tar"}


def test_a_damaged_record_is_begun_anew(machine):
    leftovers.RECORD.write_text("{")
    load(release(["docker"]), ["etcd"])
    assert leftovers.last(REF) == ID
