"""What machines are told of their proxy, and that nothing of the cluster's own goes through it."""

from dataclasses import replace
from pathlib import Path
from urllib.request import proxy_bypass_environment

import pytest
from ruamel.yaml import YAML

from generator import node, node_proxy
from generator.definition import Proxy
from tests import golden

PROXY = Proxy("", "http://proxy.example.com:3128", (".intern.example.com",))


@pytest.fixture
def definition():
    return replace(golden.load("quickstart")[0], proxy=PROXY)


def test_without_a_proxy_nothing_is_said(definition):
    assert node_proxy.variables(replace(definition, proxy=None)) == {}
    assert "path: /etc/anywhere/proxy.env" not in node.user_data("aws", "worker", "worker-general", ()).decode()


def test_both_spellings_say_the_same_and_only_what_there_is(definition):
    found = node_proxy.variables(definition)
    assert set(found) == {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}
    assert all(found[name] == found[name.upper()] for name in found)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "169.254.169.254",
        "metadata.google.internal",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "kube-apiserver.weave.local",
        "etcd1.weave.local",
        "git.intern.example.com",
    ],
)
def test_names_and_addresses_of_its_own_are_reached_directly(definition, host):
    assert proxy_bypass_environment(host, {"no": node_proxy.variables(definition)["no_proxy"]})
    assert not proxy_bypass_environment("registry.example.com", {"no": node_proxy.variables(definition)["no_proxy"]})


def test_the_networks_of_the_cluster_are_reached_directly(definition):
    network = definition.network
    found = node_proxy.variables(definition)["no_proxy"].split(",")
    assert {str(network.machines), str(network.pods), str(network.services)} <= set(found)


@pytest.mark.parametrize("target", ["aws", "gce", "local"])
def test_user_data_brings_it(definition, target):
    file = node_proxy.environment_file(node_proxy.variables(definition))
    data = YAML(typ="safe").load(node.user_data(target, "worker", "worker-general", (), file))
    written = {Path(entry["path"]).name: entry["content"] for entry in data["write_files"]}
    assert written["proxy.env"] == file
