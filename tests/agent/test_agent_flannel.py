"""Flannel's driver, as far as it goes without a kernel: what it tells Docker, what it writes."""

import json

import pytest
from agent import kernel as host_kernel
from agent import node_certificates
from agent.host import NodeError
from agent.network import flannel
from releases import release
from role_container import ETCD, MASTER, WORKER, joined


@pytest.fixture
def network(tmp_path, monkeypatch):
    for name in ("HOSTS", "SUBNET", "CONFIGURATION", "CONFLIST"):
        monkeypatch.setattr(flannel, name, tmp_path / name.lower())
    monkeypatch.setattr(flannel, "install_cni_plugins", lambda image: None)
    monkeypatch.setattr(host_kernel, "has_link", lambda kind: True)
    return flannel.driver(release("quickstart-flannel"), MASTER)


def test_the_control_plane_is_on_the_host(network):
    settings = joined(network)
    assert settings["Entrypoint"] + settings["Cmd"] == ["hyperkube", "kube-apiserver", "--advertise-address=10.20.1.10"]
    assert settings["HostConfig"]["NetworkMode"] == "host"
    assert settings["HostConfig"]["Binds"] == ["/a:/a", "/etc/hosts:/etc/hosts:ro"]
    assert settings["HostConfig"]["PortBindings"] == settings["ExposedPorts"] == {}
    assert network.node_address() == "10.20.1.10"


BEFORE = "127.0.0.1 localhost\n10.9.9.9 mine # kept\n"
BLOCK = f"{flannel.BEGIN}\n10.20.1.10 etcd1.weave.local\n10.20.1.10 kube-apiserver.weave.local\n{flannel.END}\n"


@pytest.mark.parametrize("before", [BEFORE, BEFORE.rstrip("\n"), BEFORE + "\n\n"])
def test_names_are_added_to_the_hosts_file(network, turns, before):
    flannel.HOSTS.write_text(before)
    network.up(turns)
    assert flannel.HOSTS.read_text() == BEFORE + BLOCK


def test_the_hosts_file_is_written_only_where_it_differs(network, turns):
    flannel.HOSTS.write_text(BEFORE)
    network.up(turns)
    flannel.HOSTS.chmod(0o444)
    time = flannel.HOSTS.stat().st_mtime_ns
    network.up(turns)
    assert flannel.HOSTS.stat().st_mtime_ns == time


def test_names_that_changed_replace_the_old(network, turns):
    flannel.HOSTS.write_text(f"{BEFORE}{flannel.BEGIN}\n10.1.1.1 old\n{flannel.END}\n10.8.8.8 below\n")
    network.up(turns)
    assert flannel.HOSTS.read_text() == f"{BEFORE}10.8.8.8 below\n{BLOCK}"


def test_the_cni_configuration_takes_the_machines_range(network):
    flannel.SUBNET.write_text("FLANNEL_NETWORK=10.32.0.0/12\nFLANNEL_SUBNET=10.32.3.1/24\nFLANNEL_MTU=1420\n")
    network._write_conflist()
    found = json.loads(flannel.CONFLIST.read_text())
    bridge, portmap = found["plugins"]
    assert (bridge["type"], bridge["mtu"], portmap["type"]) == ("bridge", 1420, "portmap")
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.32.3.0/24"}]]
    assert bridge["ipam"]["routes"] == [{"dst": "10.32.0.0/12"}]


RANGE = "FLANNEL_NETWORK=10.32.0.0/12\nFLANNEL_SUBNET=10.32.3.1/24\nFLANNEL_MTU=1420\n"


def node(monkeypatch, folder):
    """Have the machine be a node that has its certificate."""
    monkeypatch.setattr(flannel, "KUBECONFIG", folder / "kubeconfig")
    monkeypatch.setattr(node_certificates, "CLIENT", folder / "kubelet-client-current.pem")
    flannel.KUBECONFIG.write_text("- cluster:\n    certificate-authority-data: b2xk\n    server: https://a\n")
    node_certificates.CLIENT.touch()


def test_flannel_waits_for_the_certificate_of_the_node_and_trusts_whom_that_trusts(
    network, engine, turns, monkeypatch, tmp_path
):
    node(monkeypatch, tmp_path)
    monkeypatch.setattr(flannel, "wait", lambda *_: flannel.SUBNET.exists() or flannel.SUBNET.write_text(RANGE))
    node_certificates.CLIENT.unlink()
    network.settle(turns)
    assert "flannel" not in engine.containers  # its kubeconfig is there before the kubelet has a certificate
    node_certificates.CLIENT.touch()
    network.settle(turns)
    before = engine.containers["flannel"]["Id"]
    flannel.KUBECONFIG.write_text(json.dumps({}) + "\n    certificate-authority-data: b2xk\n")
    network.settle(turns)  # written by the kubelet, which says the same in other words
    assert engine.containers["flannel"]["Id"] == before
    flannel.KUBECONFIG.write_text("    certificate-authority-data: b2xkIG5ldw==\n")
    network.settle(turns)
    assert engine.containers["flannel"]["Id"] != before


@pytest.mark.parametrize("change", [{"encryption": False}, {"pods": "10.64.0.0/12"}, {"image": "sha256:another"}])
def test_flannel_is_replaced_where_its_description_changes(network, engine, turns, monkeypatch, tmp_path, change):
    node(monkeypatch, tmp_path)
    monkeypatch.setattr(flannel, "wait", lambda *_: flannel.SUBNET.exists() or flannel.SUBNET.write_text(RANGE))
    network.settle(turns)
    before = engine.containers["flannel"]["Id"]
    network.settle(turns)
    assert engine.containers["flannel"]["Id"] == before
    image = change.pop("image", None)
    network._network |= change
    if image:
        network._release["images"]["flannel"]["id"] = image
    network.settle(turns)
    assert engine.containers["flannel"]["Id"] != before
    assert [word for word in turns.said if not word.startswith("done")] == ["take network"]
    assert engine.containers["flannel"]["running"] and engine.names() == {"flannel"}


def test_a_flannel_that_writes_no_range_is_put_back(network, engine, turns, monkeypatch, tmp_path):
    node(monkeypatch, tmp_path)
    monkeypatch.setattr(flannel, "SECONDS", -1)
    engine.containers["flannel"] = {"Id": "old", "settings": {"Image": "old"}, "running": True, "files": b""}
    flannel.SUBNET.write_text("FLANNEL_SUBNET=10.32.3.1/24\nFLANNEL_MTU=1420\n")
    with pytest.raises(NodeError, match="the previous container is back"):
        network.settle(turns)
    assert engine.containers["flannel"]["Id"] == "old"


def test_encryption_chooses_the_backend(network):
    for encryption, backend in ((True, "wireguard"), (False, "vxlan")):
        network._network["encryption"] = encryption
        network._configure()
        assert json.loads(flannel.CONFIGURATION.read_text()) == {
            "Network": "10.32.0.0/12",
            "Backend": {"Type": backend},
        }


def test_without_wireguard_only_machines_of_one_computer_go_on(network, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(host_kernel, "has_link", lambda kind: False)
    monkeypatch.setattr(host_kernel, "CONTAINER", tmp_path / "container-manager")
    network._network["encryption"] = True
    with pytest.raises(NodeError, match="no WireGuard"):
        network._configure()
    host_kernel.CONTAINER.touch()
    network._configure()
    assert json.loads(flannel.CONFIGURATION.read_text())["Backend"] == {"Type": "vxlan"}
    assert "does not encrypt" in capsys.readouterr().out
    network._network["encryption"] = False
    host_kernel.CONTAINER.unlink()
    network._configure()


@pytest.mark.parametrize("host", [MASTER, WORKER, ETCD])
def test_every_image_that_it_asks_for_is_in_the_release(host):
    found = release("quickstart-flannel")
    assert set(flannel.driver(found, host).images()) <= set(found["images"])


def test_a_machine_that_leaves_forgets_its_range_of_pods(network):
    flannel.CONFLIST.write_text("{}")
    network.leave()
    network.leave()
    assert not flannel.CONFLIST.exists()
