"""What `anywhere registry login` leaves behind, as a real client reads it, and names as the registry takes them."""

import re
import shutil
import subprocess

import pytest

from generator.errors import UserError
from generator.operations import registry_client, registry_users
from tests.running_registry import running
from tests.test_cluster_registry import ACCESS
from tests.test_images import image


def test_names_are_those_that_the_registry_takes():
    (pattern,) = re.findall(r"userName = regexp.MustCompile\(`\^(.*)\$`\)", ACCESS.read_text())
    assert pattern == registry_users.NAME.pattern


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_a_client_pushes_without_being_told_anything_else(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    archive = image(tmp_path / "app.tar", "app:1")
    with running(tmp_path / "registry") as registry:
        reference = f"localhost:{registry.port}"
        registry.have("alice", "secret")
        with pytest.raises(UserError, match="does not take this password of alice"):
            registry_client.prove(registry.port, registry.ca, "alice", "wrong")
        registry_client.prove(registry.port, registry.ca, "alice", "secret")
        push = ["skopeo", "copy", "--quiet", f"docker-archive:{archive}", f"docker://{reference}/app:1"]
        before = subprocess.run(push, capture_output=True, text=True, check=False)
        assert before.returncode and "certificate signed by unknown authority" in before.stderr
        registry_client.trust(reference, registry.ca)
        registry_client.log_in(reference, "alice", "secret")
        subprocess.run(push, check=True)
