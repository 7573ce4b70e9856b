"""Kubeconfigs: where they lead, as whom, and whom they trust."""

from base64 import b64decode

import pytest
from ruamel.yaml import YAML

from generator import pki
from generator.errors import UserError
from generator.store import Secrets
from tests.pki.certificates import identity, same_key, verify_client


def yaml(text):
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize(
    ("document", "common_name", "organizations"),
    [
        ("kube-controller-manager", "system:kube-controller-manager", []),
        ("kube-scheduler", "system:kube-scheduler", []),
        ("addons", "anywhere-addons", ["system:masters"]),
    ],
)
def test_kubeconfigs_authenticate_to_the_api(documents, document, common_name, organizations):
    config = yaml(documents[document]["kubeconfig"])
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    crt = b64decode(user["client-certificate-data"]).decode()
    assert cluster["server"] == "https://kube-apiserver.weave.local:6443"
    assert b64decode(cluster["certificate-authority-data"]).decode() == documents["kubelet"]["ca.crt"]
    assert verify_client(crt, documents["kube-apiserver"]["ca.crt"])
    assert same_key(crt, b64decode(user["client-key-data"]).decode())
    assert identity(crt) == (common_name, organizations)


def test_kubeconfig_context_names_its_cluster_and_user(secrets):
    config = yaml(pki.admin_kubeconfig(secrets, "https://127.0.0.1:16443", "star-wars-aws"))
    context = config["contexts"][0]
    assert config["current-context"] == context["name"] == "star-wars-aws"
    assert context["context"] == {"cluster": config["clusters"][0]["name"], "user": config["users"][0]["name"]}
    assert context["context"] == {"cluster": "star-wars-aws", "user": "star-wars-aws"}


def test_admin_kubeconfig_is_for_an_address_of_the_callers(secrets):
    server = 'https://[::1]:6443/"odd\n'
    config = yaml(pki.admin_kubeconfig(secrets, server, "star-wars-aws"))
    cluster = config["clusters"][0]["cluster"]
    assert cluster["server"] == server
    assert cluster["tls-server-name"] == "kube-apiserver.weave.local"
    crt = b64decode(config["users"][0]["user"]["client-certificate-data"]).decode()
    assert identity(crt) == ("anywhere-admin", ["system:masters"])


def test_admin_kubeconfig_before_the_first_apply_says_so():
    with pytest.raises(UserError, match="no secrets yet"):
        pki.admin_kubeconfig(Secrets("star-wars"), "https://127.0.0.1:6443", "star-wars-aws")
