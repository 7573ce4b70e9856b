"""Whatever goes out takes the proxy and trusts the bundle that the environment names; loopback never does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from generator import debian, download, outbound
from generator.errors import UserError
from generator.images import registry, toolchain
from generator.images.catalog import Wanted
from generator.packages.apt import Apt
from generator.progress import Silent
from generator.terraform import Terraform
from providers.aws.session import Session as Aws
from providers.gce.session import Session as Gce
from tests import outside

VARIABLES = [name for plain in (*outbound.PROXIES, "no_proxy") for name in (plain, plain.upper())] + [
    *outbound.BUNDLES, "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_ENDPOINT_URL", "ANYWHERE_GCE_ENDPOINT",
    "ALL_PROXY", "all_proxy",
]  # fmt: skip
IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


class Internet(outside.Site):
    answers = {
        "/": IDENTITY,
        "/file": b"found",
        "/example.com/module/@v/list": b"v1.2.3\n",
        "/example.com/module/@v/v1.2.3.info": b'{"Version": "v1.2.3"}',
        "/example.com/module/@v/v1.2.3.mod": b"module example.com/module\n",
        "/v1/thing": b'{"name": "thing"}',
    }


@pytest.fixture(params=["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def proxy(request, tmp_path, monkeypatch):
    """A person behind a proxy that opens TLS: an environment with each thing said once."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    names = ("*.example.com", "*.amazonaws.com", "sts.eu-west-1.amazonaws.com", "*.googleapis.com")
    context = outside.authority(tmp_path / "outside", *names)
    with outside.proxied(Internet, context, b"me:secret") as server:
        address = f"http://me:secret@127.0.0.1:{server.server_port}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv(request.param, str(tmp_path / "outside" / "ca.crt"))
        settled = dict(os.environ)
        outbound.settle(settled)
        monkeypatch.setattr("urllib.request._opener", None)  # it keeps what it saw first
        for name in VARIABLES:
            if name in settled:
                monkeypatch.setenv(name, settled[name])
        yield server


def test_downloads(proxy):
    assert download.text("https://dl.example.com/file", "") == "found"
    assert download.text("http://dl.example.com/file", "") == "found"
    assert proxy.seen == ["dl.example.com:443", "dl.example.com:80"]


def test_loopback_is_reached_without(proxy):
    with outside.serving(Internet) as server:
        for host in ("127.0.0.1", "localhost"):
            assert download.text(f"http://{host}:{server.server_port}/file", "") == "found"
    assert proxy.seen == []


def test_what_the_user_excludes_is_reached_without(proxy, monkeypatch):
    monkeypatch.setenv("no_proxy", f"dl.example.com,{os.environ['no_proxy']}")
    with pytest.raises(download.Unreachable):
        download.text("https://dl.example.com/file", "")
    assert proxy.seen == []


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_pulls_from_registries(proxy):
    with pytest.raises(UserError, match=r"manifest|404|not found|StatusCode"):
        registry.digest(Wanted("weave", "registry.example.com/weave:1", "registry"))
    assert "registry.example.com:443" in proxy.seen


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not installed")
def test_go_builds(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("GOPROXY", "https://goproxy.example.com")
    go = Path(shutil.which("go"))
    asked = [go, "list", "-m", "-versions", "example.com/module"]
    environment = {
        **toolchain.environment(go, "amd64"),
        "GOMODCACHE": str(tmp_path / "mod"),
        "GONOSUMDB": "example.com",
    }
    done = subprocess.run(asked, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "example.com/module v1.2.3\n", done.stderr
    assert set(proxy.seen) == {"goproxy.example.com:443"}


@pytest.mark.skipif(not shutil.which("apt-get"), reason="apt is not installed")
@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_apt(proxy, tmp_path, monkeypatch, scheme, port):
    monkeypatch.setenv("ANYWHERE_DEBIAN_MIRROR", f"{scheme}://debian.example.com")
    with pytest.raises(UserError, match="does not have a Release file"):
        Apt("amd64", tmp_path / "apt").update()
    assert set(proxy.seen) == {f"debian.example.com:{port}"}


@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="mmdebstrap is not installed")
def test_mmdebstrap(proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYWHERE_DEBIAN_MIRROR", "http://debian.example.com")
    words = [*debian.mmdebstrap(), "--variant=apt", "trixie", tmp_path / "root.tar", *debian.sources()]
    with pytest.raises(UserError, match="404"):
        debian.bootstrap(words, "Making a root", "", "0")
    assert set(proxy.seen) == {"debian.example.com:80"}


def test_aws(proxy, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    answer = Aws("eu-west-1").call("sts", "get_caller_identity", "say who this is")
    assert answer["Account"] == "123456789012"
    assert proxy.seen == ["sts.eu-west-1.amazonaws.com:443"]


def test_google(proxy, monkeypatch):
    session = Gce("my-project", "europe-west1")
    monkeypatch.setattr("providers.gce.session._default", lambda project: anonymous())
    assert session.rest("read a thing", "GET", "https://storage.googleapis.com/v1/thing") == {"name": "thing"}
    assert proxy.seen == ["storage.googleapis.com:443"]


def anonymous():
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


@pytest.mark.skipif(not shutil.which("terraform"), reason="Terraform is not installed")
def test_terraform(proxy, tmp_path):
    (tmp_path / "main.tf").write_text(
        'terraform {\n  required_providers {\n    x = { source = "registry.example.com/a/b" }\n  }\n}\n'
    )
    with pytest.raises(UserError, match=r"does not offer|registry\.example\.com"):
        Terraform(tmp_path, tmp_path / "cache", Silent()).init()
    assert set(proxy.seen) == {"registry.example.com:443"}


def test_nothing_is_set_where_nothing_is_said():
    environment = {"PATH": "/bin", "NO_PROXY": "example.com"}
    outbound.settle(environment)
    assert environment == {"PATH": "/bin", "NO_PROXY": "example.com"}


def test_small_names_come_first_and_everything_direct_stays_so():
    environment = {"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1", "no_proxy": "*"}
    outbound.settle(environment)
    assert environment["HTTPS_PROXY"] == environment["https_proxy"] == "http://a:1"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "*"


def test_a_relative_bundle_holds_in_other_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").touch()
    environment = {"REQUESTS_CA_BUNDLE": "ca.pem"}
    outbound.settle(environment)
    assert set(environment.values()) == {str(tmp_path / "ca.pem")}


def test_a_bundle_that_is_not_there_is_named(monkeypatch, capsys):
    from generator import cli

    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    assert cli.run(["--version"]) == 1
    assert "SSL_CERT_FILE is '/nonexistent/ca.pem', which is not a file." in capsys.readouterr().err
