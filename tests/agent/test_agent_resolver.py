"""What pods inherit as their resolver."""

import pytest
from agent import resolver

WEAVE = "172.17.0.1"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(resolver, "UPSTREAM", tmp_path / "upstream")
    monkeypatch.setattr(resolver, "PODS", tmp_path / "kubelet" / "resolv.conf")
    return tmp_path


def asked(folder):
    resolver.ensure([WEAVE])
    return resolver.PODS.read_text()


def test_the_machines_own_servers_are_followed(folder):
    (folder / "upstream").write_text("nameserver 10.0.2.3\n")
    assert asked(folder) == "nameserver 10.0.2.3\n"
    (folder / "upstream").write_text("nameserver 10.9.9.9\n")
    assert asked(folder) == "nameserver 10.9.9.9\n"


@pytest.mark.parametrize("order", [(WEAVE, "10.0.2.3"), ("10.0.2.3", WEAVE)])
def test_weave_is_not_asked_for_all_names(folder, order):
    """systemd-resolved was seen to list the server of the network's link among the machine's."""
    (folder / "upstream").write_text("# a comment\n\n" + "".join(f"nameserver {one}\n" for one in order) + "search .\n")
    assert asked(folder) == "nameserver 10.0.2.3\nsearch .\n"


@pytest.mark.parametrize("upstream", [None, "# No DNS servers known.\nsearch .\n", f"nameserver {WEAVE}\nsearch .\n"])
def test_a_machine_without_servers_still_names_one(folder, upstream):
    if upstream is not None:
        (folder / "upstream").write_text(upstream)
    assert resolver.NOBODY in asked(folder).splitlines()
    assert WEAVE not in asked(folder)
    (folder / "upstream").write_text("nameserver 10.0.2.3\n")
    assert asked(folder) == "nameserver 10.0.2.3\n"


def test_the_link_of_earlier_releases_is_replaced(folder):
    (folder / "upstream").write_text("nameserver 10.0.2.3\n")
    resolver.PODS.parent.mkdir()
    resolver.PODS.symlink_to(folder / "upstream")
    asked(folder)
    assert not resolver.PODS.is_symlink() and (folder / "upstream").read_text() == "nameserver 10.0.2.3\n"
