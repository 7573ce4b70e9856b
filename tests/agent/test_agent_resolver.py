"""What pods inherit as their resolver."""

import pytest
from agent import resolver


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(resolver, "UPSTREAM", tmp_path / "upstream")
    monkeypatch.setattr(resolver, "FOLDER", tmp_path / "kubelet")
    return tmp_path


def asked(folder):
    resolver.ensure()
    return (folder / "kubelet" / "resolv.conf").read_text()


def test_the_machines_own_servers_are_followed(folder):
    (folder / "upstream").write_text("nameserver 10.0.2.3\n")
    assert asked(folder) == "nameserver 10.0.2.3\n"
    (folder / "upstream").write_text("nameserver 10.9.9.9\n")
    assert (folder / "kubelet" / "resolv.conf").read_text() == "nameserver 10.9.9.9\n"


@pytest.mark.parametrize("upstream", [None, "# No DNS servers known.\nsearch .\n"])
def test_a_machine_without_servers_still_names_one(folder, upstream):
    if upstream is not None:
        (folder / "upstream").write_text(upstream)
    assert asked(folder) == resolver.NOBODY
    (folder / "upstream").write_text("nameserver 10.0.2.3\n")
    assert asked(folder) == "nameserver 10.0.2.3\n"
