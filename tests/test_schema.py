import copy
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import HOSTILE, definitions, document, write

from generator import source
from generator.definition import Definition
from generator.errors import InvalidFile, UserError
from generator.schema import load

BROKEN = sorted((Path(__file__).parent / "broken").glob("*.yaml"))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZ"
FULL: dict[str, Any] = {
    "apiVersion": "anywhere/v1",
    "kind": "Cluster",
    "metadata": {"name": "full"},
    "spec": {
        "kubernetes": {"version": "v1.37.2"},
        "etcd": {"count": 3, "size": "small"},
        "masters": {"count": 1, "size": "medium", "schedulable": True},
        "workers": [
            {
                "name": "one",
                "count": 1,
                "size": "small",
                "labels": {"example.com/a": "b"},
                "taints": ["a=b:NoSchedule"],
                "arch": "amd64",
            }
        ],
        "network": {"driver": "weave", "machines": "10.20.0.0/16", "pods": "10.32.0.0/12", "services": "10.96.0.0/16"},
        "registry": {"mirror": "registry.example.com", "login": True},
        "proxy": {"https": "http://proxy.example.com:3128", "no_proxy": [".example.com"]},
        "addons": ["dns"],
        "components": {
            "kube-apiserver": {"flags": {"max-requests-inflight": "800"}},
            "kubelet": {"config": {"podPidsLimit": 4096}},
        },
        "access": {
            "ssh_keys": [f"{KEY} me@example.com"],
            "api_names": ["api.example.com", "203.0.113.10"],
            "authentication": [
                {
                    "issuer": {"url": "https://login.example.com", "audiences": ["full"]},
                    "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
                }
            ],
        },
    },
    "providers": {
        "local": {"accel": "auto"},
        "aws": {"region": "eu-west-1", "admin_cidrs": ["203.0.113.0/24"], "sizes": {"small": "t3.small"}},
        "gce": {"project": "my-project", "region": "europe-west1", "admin_cidrs": ["203.0.113.0/24"], "sizes": {}},
    },
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(HOSTILE),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def loaded(value: Any) -> Definition:
    with tempfile.TemporaryDirectory() as folder:
        return load(write(Path(folder) / "cluster.yaml", value))


def places(value: Any, keys: source.Keys = ()) -> list[source.Keys]:
    """The keys of everything in `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [keys, *(place for key, child in items for place in places(child, (*keys, key)))]


def at(value: Any, keys: source.Keys) -> Any:
    for key in keys:
        value = value[key]
    return value


def put(value: Any, keys: source.Keys, new: Any) -> Any:
    """A copy of `value` that has `new` at `keys`."""
    if not keys:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = new
    return value


def check_problems(error: InvalidFile, lines: int) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.path and problem.message
        assert 1 <= problem.line <= max(1, lines)
        assert "\n" not in problem.path + problem.message + problem.hint


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_each_broken_file_gets_its_message(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with pytest.raises(InvalidFile) as caught:
        load(Path(path.name))
    assert caught.value.message + "\n" == path.with_suffix(".txt").read_text()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="There is no file") as caught:
        load(tmp_path / "cluster.yaml")
    assert "anywhere init" in caught.value.hint


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load(tmp_path)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "cluster.yaml"
    path.write_bytes(b"# " + b"x" * source.LIMIT)
    with pytest.raises(InvalidFile, match="larger than 256 KiB"):
        load(path)


def test_a_byte_order_mark_and_windows_lines_are_fine(tmp_path):
    path = tmp_path / "cluster.yaml"
    text = "apiVersion: anywhere/v1\nkind: Cluster\nmetadata: {name: tiny}\nspec: {workers: {count: 1}}\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load(path).name == "tiny"


def test_a_private_key_is_not_repeated(tmp_path):
    secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n"
    with pytest.raises(InvalidFile, match="is a private key") as caught:
        loaded(put(FULL, ("spec", "access", "ssh_keys", 0), secret))
    assert "c2VjcmV0" not in caught.value.message


def test_the_full_document_is_right():
    found = loaded(FULL)
    assert found.ssh_keys == (f"{KEY} me@example.com",)
    assert found.providers.aws.sizes == {"small": {"amd64": "t3.small"}}


def test_a_taint_without_value_keeps_its_equals_sign():
    found = loaded(put(FULL, ("spec", "workers", 0, "taints"), ["gpu:NoSchedule"]))
    assert found.workers[0].taints == ("gpu=:NoSchedule",)


@pytest.mark.parametrize("label", ["node.kubernetes.io/pool", "topology.kubernetes.io/zone", "example.com/k8s.io"])
def test_labels_that_a_kubelet_may_set(label):
    assert loaded(put(FULL, ("spec", "workers", 0, "labels"), {label: "x"})).workers[0].labels == {label: "x"}


@pytest.mark.parametrize(
    "label", ["kubernetes.io/hostname", "node-restriction.kubernetes.io/a", "k8s.io/x", "a.k8s.io/x"]
)
def test_labels_that_node_restriction_refuses(label):
    with pytest.raises(InvalidFile, match="NodeRestriction"):
        loaded(put(FULL, ("spec", "workers", 0, "labels"), {label: "x"}))


@pytest.mark.parametrize("keys", [k for k in places(FULL) if isinstance(at(FULL, k), str)], ids=source.dotted)
@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_is_refused_where_it_is(keys, hostile):
    with pytest.raises(InvalidFile) as caught:
        loaded(put(FULL, keys, hostile))
    check_problems(caught.value, 200)
    assert source.dotted(keys) in {problem.path for problem in caught.value.problems}


@pytest.mark.parametrize("hostile", [text for text in HOSTILE if text.isprintable()])
def test_hostile_text_in_the_comment_of_a_key_is_data(hostile):
    assert loaded(put(FULL, ("spec", "access", "ssh_keys", 0), f"{KEY} {hostile}")).ssh_keys == (f"{KEY} {hostile}",)


@given(definitions())
def test_what_is_written_is_read(definition):
    found = loaded(document(definition))
    assert replace(found, path=definition.path) == definition


def test_the_architecture_of_etcd_and_masters_is_read():
    value = put(put(FULL, ("spec", "etcd", "arch"), "arm64"), ("spec", "masters", "arch"), "arm64")
    assert (loaded(value).etcd.arch, loaded(value).masters.arch) == ("arm64", "arm64")


@given(st.data())
def test_a_changed_document_is_read_or_explained(data):
    value = FULL
    for _ in range(data.draw(st.integers(1, 3))):
        value = put(value, data.draw(st.sampled_from(places(value))), data.draw(json_values))
    explained(value)


@given(st.data(), st.text(max_size=10), json_values)
def test_an_added_key_is_read_or_explained(data, key, new):
    place = data.draw(st.sampled_from([k for k in places(FULL) if isinstance(at(FULL, k), dict)]))
    explained(put(FULL, (*place, key), new))


@given(st.data())
def test_a_removed_key_is_read_or_explained(data):
    place = data.draw(st.sampled_from([k for k in places(FULL) if k]))
    value = copy.deepcopy(FULL)
    del at(value, place[:-1])[place[-1]]
    explained(value)


def explained(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "cluster.yaml", value)
        try:
            load(path)
        except InvalidFile as error:
            check_problems(error, path.read_text().count("\n") + 1)


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.text("{}[]:-,&*!|>'\"%@#? \n\tab0", max_size=60).map(str.encode)
)
def test_any_bytes_are_explained(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.yaml"
        path.write_bytes(data)
        with pytest.raises(InvalidFile) as caught:
            load(path)
    check_problems(caught.value, len(data) + 1)


VPC_10 = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {name: galaxy}
spec:
  workers: {count: 2}
  network: {machines: 10.0.0.0/16}
"""


@pytest.mark.parametrize(
    ("providers", "valid"),
    [
        ("providers: {aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}}", True),
        ("providers: {aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}, local: {}}", False),
        ("providers: {local: {}}", False),
        ("providers: {}", False),
        ("", False),
    ],
)
def test_the_range_of_local_machines_is_refused_where_the_cluster_may_be_local(tmp_path, providers, valid):
    path = tmp_path / "cluster.yaml"
    path.write_text(VPC_10 + providers + "\n")
    if valid:
        assert str(load(path).network.machines) == "10.0.0.0/16"
    else:
        with pytest.raises(InvalidFile, match=r"10\.0\.0\.0/16 overlaps with 10\.0\.2\.0/24, which is QEMU's"):
            load(path)


def test_a_number_of_thousands_of_digits_gets_its_message(tmp_path):
    path = tmp_path / "cluster.yaml"
    for number in ("0x" + "f" * 9000, "0o" + "7" * 9000, "9" * 4000, "9" * 9000, "-" + "9" * 40, "1" + "_0" * 9000):
        path.write_text(f"a: {number}\n")
        with pytest.raises(InvalidFile, match=r":1: a: is too large a number \(put it in quotes"):
            load(path)


def nasty(count: int) -> str:
    """A definition in which all is wrong in every way of `count` items: given twice, unknown, of one name."""
    half = count // 2
    keys = [f"  k{n % half}: 1" for n in range(count)]
    pools = ["  - {name: same, count: 1}" for _ in range(half)]
    return "\n".join(["apiVersion: anywhere/v1", "kind: Cluster", "spec:", *keys, "  workers:", *pools, ""])


def work(path):
    """How many functions are called to refuse a file."""
    calls = 0

    def seen(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        with pytest.raises(InvalidFile):
            load(path)
    finally:
        sys.setprofile(None)
    return calls


def test_the_work_for_a_file_grows_with_its_length_alone(tmp_path):
    """Four times the length takes about four times the work, not sixteen."""
    path, calls = tmp_path / "cluster.yaml", {}
    for count in (500, 2000):
        path.write_text(nasty(count))
        calls[count] = work(path)
    assert calls[2000] < 6 * calls[500]
