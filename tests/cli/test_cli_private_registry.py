"""`anywhere registry`: users of the registry in the cluster, and the way to it, towards an API that remembers."""

import json
import os
import re
import ssl
import sys
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest

from tests import outside, served_registry
from tests.cli.target import run
from tests.test_kubernetes import Api

SYSTEM = "/api/v1/namespaces/kube-system"
USERS, PODS = f"{SYSTEM}/secrets/registry-users", f"{SYSTEM}/pods?labelSelector=k8s-app%3Dregistry"
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/registry"
POD = {"metadata": {"name": "registry-1", "annotations": {}}, "status": {}}


class Remembers:
    """What the API has of the registry: `objects` by path, and the `changes` that were asked for."""

    def __init__(self):
        self.objects, self.changes = {PODS: {"items": [POD]}, DEPLOYMENT: {"kind": "Deployment"}}, []

    def ask(self, method, path, change):
        self.changes.append((method, path))
        if method == "POST":
            path = f"{path}/{change['metadata']['name']}"
            if path in self.objects:
                return 409
            change["metadata"]["resourceVersion"] = "1"
            self.objects[path] = change
            return 201
        found = self.objects.setdefault(path, {})
        if "data" in change:
            data = {**found.get("data", {}), **change["data"]}
            found["data"] = {name: value for name, value in data.items() if value is not None}
        else:
            found.update(change)
        return 200


@pytest.fixture
def cluster(nowhere, home, monkeypatch):
    """A cluster that was applied, and that has a registry as its definition says."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert run("apply", "--yes", "--timeout", "20") == 0
    with (home / "cluster.yaml").open("a") as file:
        file.write("  addons: [dns, storage, registry]\n")
    made, get = Remembers(), Api.do_GET

    def do_GET(self):  # noqa: N802
        if self.path in made.objects:
            self.answers = {self.path: json.dumps(made.objects[self.path]).encode()}
        get(self)

    def change(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(made.ask(self.command, self.path, body))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    for name, does in (("do_GET", do_GET), ("do_POST", change), ("do_PATCH", change)):
        monkeypatch.setattr(Api, name, does, raising=False)
    return made


def kept(cluster):
    return {name: b64decode(value).decode() for name, value in cluster.objects[USERS]["data"].items()}


def test_a_password_is_shown_once_and_the_cluster_has_what_it_is_checked_by(cluster, capsys):
    assert run("registry", "user", "add", "alice") == 0
    shown = capsys.readouterr()
    (password,) = shown.out.splitlines()
    assert re.fullmatch(r"[0-9a-f]{40}", password) and password not in shown.err
    assert kept(cluster) == {"alice": sha256(password.encode()).hexdigest()}
    assert run("registry", "user", "add", "alice") == 0
    assert kept(cluster)["alice"] != sha256(password.encode()).hexdigest()
    assert ("PATCH", f"{SYSTEM}/pods/registry-1") in cluster.changes  # the kubelet looks at once


def test_users_are_listed_and_removed(cluster, capsys):
    assert run("registry", "user", "list") == 0
    assert capsys.readouterr().out == ""
    for name in ("bob", "alice"):
        assert run("registry", "user", "add", "cluster.yaml", name) == 0
    capsys.readouterr()
    assert run("registry", "user", "list") == 0
    assert capsys.readouterr().out == "alice\nbob\n"
    assert run("registry", "user", "remove", "bob") == 0
    assert kept(cluster).keys() == {"alice"}
    assert run("registry", "user", "remove", "bob") == 1
    assert "The registry has no user 'bob'." in (said := capsys.readouterr().err) and "There are: alice." in said


def test_a_name_that_is_none_is_refused(cluster, capsys):
    for name in ("Alice", "a b", "../etc", "..data", "a:b", "", "ä", "-a", "a-", "a\n", "a" * 64):
        assert run("registry", "user", "add", "--", name) == 1
        assert "is not a name for a user of the registry" in capsys.readouterr().err
    assert USERS not in cluster.objects and cluster.changes == []


def test_a_cluster_without_a_registry_has_no_users(nowhere, capsys):
    for verb in (("user", "add", "alice"), ("user", "list"), ("login", "--user", "alice"), ("forward",), ("collect",)):
        assert run("registry", *verb) == 1
        said = capsys.readouterr().err
        assert "has no registry in the cluster" in said and "Add registry and storage to spec.addons" in said


def test_one_user_at_a_time(cluster, capsys):
    assert run("registry", "user", "add", "alice", "bob") == 1
    assert "Which user?" in capsys.readouterr().err


@pytest.fixture
def registry(cluster, home, monkeypatch):
    """A registry that takes alice's password, which `kubectl` forwards a port to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.crt", home / "server.key")
    content = {"/v2/": ("application/json", b"{}")}
    handler = type("Served", (served_registry.Registry,), {"content": content, "login": "alice:secret"})
    with outside.serving(handler, context) as server:
        kubectl = home / "bin" / "kubectl"
        kubectl.parent.mkdir()
        line = f"Forwarding from 127.0.0.1:{server.server_port} -> 5443"
        kubectl.write_text(f'#!/bin/sh\necho "$@" >>{home}/words\necho "{line}"\nexec sleep 60\n')
        kubectl.chmod(0o755)
        monkeypatch.setenv("PATH", f"{kubectl.parent}:{os.environ['PATH']}")
        yield server


def login(monkeypatch, home, password, *more):
    (home / "password").write_text(f"{password}\n")
    with (home / "password").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        return run("registry", "login", "--user", "alice", "--password-stdin", *more)


def test_a_login_is_kept_once_the_registry_took_it(registry, home, monkeypatch, capsys):
    config = home / ".docker" / "config.json"
    config.parent.mkdir()
    config.write_text('{"auths": {"example.com": {"auth": "x"}}, "psFormat": "table"}')
    assert login(monkeypatch, home, "wrong") == 1
    assert "does not take this password of alice" in capsys.readouterr().err
    assert "localhost" not in config.read_text() and not (home / ".config" / "containers").exists()
    assert login(monkeypatch, home, "secret") == 0
    assert "localhost:5443/NAME:TAG" in capsys.readouterr().out
    found = json.loads(config.read_text())
    assert found["psFormat"] == "table" and found["auths"]["example.com"] == {"auth": "x"}
    assert b64decode(found["auths"]["localhost:5443"]["auth"]) == b"alice:secret"
    assert config.stat().st_mode & 0o777 == 0o600
    trusted = home / ".config" / "containers" / "certs.d" / "localhost:5443" / "anywhere.crt"
    assert trusted.read_text() == (home / "ca.crt").read_text().partition("-----END CERTIFICATE-----\n")[0] + (
        "-----END CERTIFICATE-----\n"
    )
    words = (home / "words").read_text()
    assert "--namespace=kube-system port-forward --address=127.0.0.1 service/registry :5443" in words


def test_a_credential_helper_keeps_the_login_where_docker_has_one(registry, home, monkeypatch, capsys):
    config = home / "docker" / "config.json"
    config.parent.mkdir()
    config.write_text('{"credsStore": "fake"}')
    monkeypatch.setenv("DOCKER_CONFIG", str(config.parent))
    helper = home / "bin" / "docker-credential-fake"
    helper.write_text(f'#!/bin/sh\necho "$1" >{home}/asked\ncat >>{home}/asked\n')
    helper.chmod(0o755)
    assert login(monkeypatch, home, "secret") == 0
    action, _, said = (home / "asked").read_text().partition("\n")
    assert action == "store"
    assert json.loads(said) == {"ServerURL": "localhost:5443", "Username": "alice", "Secret": "secret"}
    assert config.read_text() == '{"credsStore": "fake"}' and "docker-credential-fake" in capsys.readouterr().out


def test_a_damaged_configuration_of_docker_stays_as_it_is(registry, home, monkeypatch, capsys):
    config = home / ".docker" / "config.json"
    config.parent.mkdir()
    for text in ("[]", "{", '{"auths": []}'):
        config.write_text(text)
        assert login(monkeypatch, home, "secret") == 1
        assert "is not a configuration of Docker" in capsys.readouterr().err and config.read_text() == text


def test_a_registry_that_is_not_the_clusters_gets_no_password(registry, home, monkeypatch, capsys):
    kubeconfig = home / ".anywhere" / "quickstart-local" / "kubeconfig"
    other = home / "other"
    outside.authority(other, "localhost")
    ca = b64encode((other / "ca.crt").read_bytes()).decode()
    text = re.sub(r"(certificate-authority-data:) .*", rf'\1 "{ca}"', kubeconfig.read_text())
    kubeconfig.write_text(text)
    assert login(monkeypatch, home, "secret") == 1
    assert "certificate verify failed" in capsys.readouterr().err


def test_a_way_that_does_not_open_is_told(registry, home, monkeypatch, capsys):
    (home / "bin" / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    assert login(monkeypatch, home, "secret") == 1
    assert "The registry in the cluster is not reached" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(registry, monkeypatch, capsys):
    from generator import addon_catalog
    from generator.cli import registry as verbs

    assert addon_catalog.known()["registry"].pulled_as == "localhost:5443"
    monkeypatch.setattr(verbs, "_port", lambda reference: registry.server_port)
    assert run("registry", "forward") == 1
    assert f"Port {registry.server_port} of this computer cannot be listened on" in capsys.readouterr().err


def test_what_was_collected_is_told(cluster, monkeypatch, capsys):
    ask = cluster.ask

    def started(method, path, change):
        if path == DEPLOYMENT:
            annotations = change["spec"]["template"]["metadata"]["annotations"]
            ended = {"state": {"terminated": {"message": cluster.said}}}
            ready = [{"type": "Ready", "status": "True"}]
            new = {"name": "registry-2", "annotations": annotations}
            status = {"conditions": ready, "initContainerStatuses": [ended]}
            cluster.objects[PODS] = {"items": [POD, {"metadata": new, "status": status}]}
        return ask(method, path, change)

    cluster.ask, cluster.said = started, "freed 12 bytes, kept 34"
    assert run("registry", "collect") == 0
    assert "The registry freed 12 bytes, kept 34." in capsys.readouterr().out
    cluster.said = "failed: disk"
    assert run("registry", "collect") == 1
    assert "Nothing was collected: failed: disk." in capsys.readouterr().err


def test_a_registry_that_does_not_come_back_is_told(cluster, capsys):
    assert run("registry", "collect", "--timeout", "0.1") == 1
    assert "does not serve 0 s after it was started anew" in capsys.readouterr().err
