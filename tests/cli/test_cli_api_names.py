"""Names that the definition gives the API are in its certificate, as openssl sees it."""

import io
import subprocess

import pytest

from generator.cli.phases import show
from generator.operations import cluster_secrets, project

NAMES = "  access: {api_names: [api.example.com, 203.0.113.10, '2001:DB8::10']}\n"


def documents(definition):
    opened = project.open_project(definition, "local", None)
    prepared = cluster_secrets.prepare(opened, None)
    cluster_secrets.keep(opened, prepared, show(io.StringIO()))
    return prepared.known.documents


def verified(documents, folder, option, name):
    """Whether openssl accepts the API server's certificate under a name."""
    folder.joinpath("server.crt").write_text(documents["kube-apiserver"]["server.crt"])
    folder.joinpath("ca.crt").write_text(documents["kube-apiserver"]["server-ca.crt"])
    command = ["openssl", "verify", "-CAfile", "ca.crt", option, name, "server.crt"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("option", "name"),
    [("-verify_hostname", "api.example.com"), ("-verify_ip", "203.0.113.10"), ("-verify_ip", "2001:db8::10")],
)
def test_a_name_in_the_definition_is_in_the_certificate_and_goes_with_it(definition, tmp_path, option, name):
    without = definition.read_text()
    before = documents(definition)
    assert not verified(before, tmp_path, option, name)
    definition.write_text(without + NAMES)
    named = documents(definition)
    assert verified(named, tmp_path, option, name)
    assert verified(named, tmp_path, "-verify_hostname", "kube-apiserver.weave.local")
    assert {component for component in named if named[component] != before[component]} == {"kube-apiserver"}
    assert documents(definition) == named
    definition.write_text(without)
    assert not verified(documents(definition), tmp_path, option, name)
