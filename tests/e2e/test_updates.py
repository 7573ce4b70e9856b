"""The Debian of machines that run is updated: packages in turns, and a drained reboot where one asks for it."""

import pytest

from tests.e2e import containers

pytestmark = [pytest.mark.e2e, pytest.mark.day2]
PACKAGE = "ca-certificates"
# dpkg believes that an older version is installed. Debian's archive has no older one to install.
AGE = rf"sudo sed -i '/^Package: {PACKAGE}$/,/^$/s/^Version: .*/Version: 20200101/' /var/lib/dpkg/status"
VERSION = f"dpkg-query --show --showformat '${{Version}}' {PACKAGE}"


@pytest.fixture(scope="module")
def cluster(boot):
    with boot(containers.shape()) as made:
        yield made


def boots(cluster):
    nodes = cluster.get("nodes")["items"]
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"] for node in nodes}


def test_packages_are_updated_and_only_who_has_to_boots(cluster):
    newest = cluster.on("worker-general-1", VERSION).strip()
    before = boots(cluster)
    for machine in cluster.shape.machines:
        cluster.on(machine, AGE)
    cluster.on("worker-general-1", "sudo touch /run/reboot-required")
    cluster.anywhere("images lock")
    assert f"{PACKAGE} {newest}" in cluster.anywhere("plan").stdout
    cluster.apply()
    for machine in cluster.shape.machines:
        assert cluster.on(machine, VERSION).strip() == newest
    after = boots(cluster)
    assert {name for name in after if after[name] != before[name]} == {"worker-general-1"}
    assert not any(node["spec"].get("unschedulable") for node in cluster.get("nodes")["items"])
    assert cluster.anywhere("plan", "--detailed-exitcode", check=False).returncode == 0
