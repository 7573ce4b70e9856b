"""What Google would refuse, or do without being asked, though the provider's schema takes it."""

import pytest

from tests.clouds import Applied
from tests.gce_clusters import write

pytest_plugins = ["tests.gce_fixtures"]


def test_fixed_addresses_are_taken_before_workers_come(gce):
    needs = {f"{r['type']}.{r['name']}": r["depends_on"] for r in gce("ha").configuration() if r.get("depends_on")}
    assert "google_compute_address.machine" in needs["google_compute_region_instance_group_manager.pool"]


def test_a_stopped_machine_is_to_run(gce):
    machines = gce("ha").all("google_compute_instance.machine").values()
    assert {machine["desired_status"] for machine in machines} == {"RUNNING"}


def test_the_balancer_has_the_address_and_not_its_url(gce):
    """Google answers with the address, whatever it was given, and a difference makes the balancer anew."""
    (rule,) = (r for r in gce("ha").configuration() if r["type"] == "google_compute_forwarding_rule")
    assert "google_compute_address.api[0].address" in rule["expressions"]["ip_address"]["references"]


def test_other_labels_leave_the_boot_disk_of_a_machine_alone(gce_environment, tmp_path):
    """Google's provider makes a machine anew where these differ."""
    write(tmp_path / "c", "star-wars")
    cluster = Applied(tmp_path / "c", gce_environment)
    write(tmp_path / "c", "star-wars", section={"labels": {"team": "rebels"}})
    cluster.changes()
    machines = [
        c["change"]
        for c in cluster.show("changes.tfplan")["resource_changes"]
        if c["address"].startswith("google_compute_instance.machine")
    ]
    assert machines and all(change["before"]["boot_disk"] == change["after"]["boot_disk"] for change in machines)


def test_names_fit_however_long_a_cluster_and_a_pool_are_called(gce_environment, tmp_path):
    workers = [{"name": "p" * 20, "count": 1, "size": "medium", "min": 1, "max": 2}]
    cluster = Applied(write(tmp_path / "c", "star-wars", name="c" * 30, spec={"workers": workers}), gce_environment)
    (group,) = cluster.of_type("google_compute_region_instance_group_manager")
    assert len(group["base_instance_name"]) <= 58  # a dash and four characters come after it
    (template,) = cluster.of_type("google_compute_region_instance_template")
    assert len(template["name_prefix"]) <= 37
    for resource in cluster.values["root_module"]["resources"]:
        assert len(resource["values"].get("name") or "") <= (222 if "object" in resource["type"] else 63)


@pytest.mark.parametrize("name", ["ha", "existing", "own-key"])
def test_a_second_plan_is_empty(gce, name):
    assert gce(name).changes() == {}
