"""modules/gce as it is rendered, planned and applied by the real Terraform against a stand-in for the provider.

The stand-in makes resources up in Terraform's state, so that what refers to what can be seen.
"""

import json
import re
import subprocess
from typing import Any

import pytest

from tests import golden
from tests.clouds import FACTS as ALL_FACTS
from tests.clouds import TERRAFORM, Applied, Cluster
from tests.gce_clusters import CLUSTERS, KMS_KEY, started, write

pytest_plugins = ["tests.gce_fixtures"]

MODULES = golden.HERE.parent.parent / "modules"
FACTS = ALL_FACTS["gce"]
ZONES = FACTS["zones"]


def test_is_formatted():
    subprocess.run([TERRAFORM, "fmt", "-check", "-diff", str(MODULES / "gce")], check=True)


def interface(module: str) -> dict[str, str]:
    """Variables and outputs but for `settings`, by name, with the type of each."""
    folders = (MODULES / "common", MODULES / module)
    text = "".join(file.read_text() for folder in folders for file in folder.glob("*.tf"))
    found = re.findall(r'^(variable|output) "(\w+)" {\n(.*?)^}$', text, re.MULTILINE | re.DOTALL)
    types = {
        f"{kind} {name}": re.search(r"^  type +=(.*?)(?=^  \w|^\n|\Z)", f"{body}\n", re.MULTILINE | re.DOTALL)
        for kind, name, body in found
        if name != "settings"
    }
    return {name: kind.group(1).strip() if kind else "" for name, kind in types.items()}


def test_takes_and_gives_what_the_other_modules_do():
    assert interface("gce") == interface("aws") == interface("local")
    assert "object({" in interface("gce")["variable machines"]
    files = {module: {file.name for file in (MODULES / module).glob("*.tf")} for module in ("gce", "aws")}
    assert files["gce"] == files["aws"]


@pytest.mark.parametrize("name", ["star-wars", "own-key"])
def test_is_valid(gce, name):
    assert json.loads(gce(name).terraform("validate", "-json"))["diagnostics"] == []


def test_a_network_without_room_is_refused(gce_environment, tmp_path):
    """By Terraform too, for those who write the values by hand."""
    folder = write(tmp_path / "c", "star-wars")
    values = folder / "terraform.tfvars.json"
    values.write_text(values.read_text().replace("10.20.0.0/16", "10.20.0.0/20"))
    cluster = Cluster(folder, gce_environment)
    cluster.terraform("init")
    assert "must be /19 or larger" in cluster.terraform("plan", fails=True)


# Machines


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_machine_is_shielded_private_and_logs_in_by_os_login(gce, name):
    for shape in started(gce(name)):
        (shield,) = shape["shielded_instance_config"]
        assert shield == {"enable_secure_boot": True, "enable_vtpm": True, "enable_integrity_monitoring": True}
        (interface,) = shape["network_interface"]
        assert interface["access_config"] == interface["ipv6_access_config"] == []
        flags = ("enable-oslogin", "block-project-ssh-keys", "serial-port-logging-enable")
        assert [shape["metadata"][flag] for flag in flags] == ["TRUE"] * 3
        assert "serial-port-enable" not in shape["metadata"]
        assert not shape["can_ip_forward"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_machine_is_its_role_and_no_other(gce, name):
    cluster = gce(name)
    accounts = {role: account["email"] for role, account in cluster.all("google_service_account.role").items()}
    for shape in started(cluster):
        (account,) = shape["service_account"]
        assert account == {"email": accounts[shape["labels"]["anywhere-role"]], "scopes": ["cloud-platform"]}
    assert len(set(accounts.values())) == len(accounts)


def test_names_of_accounts_fit_however_long_a_name_is(gce_environment, tmp_path):
    ids = set()
    for name in ("a", "x" * 23, "x" * 24, "abcdefghijklm-nopqrstuvwxyz-ab", "abcdefghijklm-nopqrstuvwxyz-cd"):
        folder = write(tmp_path / name, "star-wars")
        values = json.loads((folder / "terraform.tfvars.json").read_text())
        (folder / "terraform.tfvars.json").write_text(json.dumps(values | {"cluster": name}))
        cluster = Cluster(folder, gce_environment)
        cluster.terraform("init")
        cluster.terraform("plan", "-target=google_service_account.role", "-out=changes.tfplan")
        changes = [c["change"]["after"] for c in cluster.show("changes.tfplan")["resource_changes"]]
        ids |= {change["account_id"] for change in changes}
    assert len(ids) == 5 * 3
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", each) for each in ids)


@pytest.mark.parametrize("name", CLUSTERS)
def test_what_is_kept_is_under_the_key_of_the_definition_where_it_has_one(gce, name):
    cluster = gce(name)
    templates = cluster.all("google_compute_region_instance_template.pool").values()
    machines = cluster.all("google_compute_instance.machine").values()
    kept = [each["encryption"] for each in cluster.of_type("google_storage_bucket")]
    kept += [disk["disk_encryption_key"] for disk in cluster.all("google_compute_disk.etcd").values()]
    kept += [template["disk"][0]["disk_encryption_key"] for template in templates]
    for secret in cluster.all("google_secret_manager_secret.document").values():
        (replica,) = secret["replication"][0]["user_managed"][0]["replicas"]
        assert replica["location"] == "europe-west1"
        kept.append(replica["customer_managed_encryption"])
    keys = [{value for value in block.values() if value == KMS_KEY} for blocks in kept for block in blocks]
    roots = {machine["boot_disk"][0]["kms_key_self_link"] for machine in machines}
    if name == "own-key":
        assert keys == [{KMS_KEY}] * len(kept)
        assert roots == {KMS_KEY}
    else:
        assert keys == [] and KMS_KEY not in roots


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_disk_of_etcd_is_where_its_machine_is(gce, name):
    cluster = gce(name)
    machines, disks = cluster.all("google_compute_instance.machine"), cluster.all("google_compute_disk.etcd")
    assert len(disks) == 3
    for key, disk in disks.items():
        assert disk["zone"] == machines[key]["zone"]
        (attached,) = machines[key]["attached_disk"]
        assert (attached["source"], attached["device_name"]) == (disk["id"], "etcd")
    without = [machine for key, machine in machines.items() if key not in disks]
    assert all(machine["attached_disk"] == [] for machine in without)


def test_machines_are_in_different_zones_at_their_fixed_addresses(gce):
    machines = gce("star-wars").all("google_compute_instance.machine")
    assert {
        name: (machine["network_interface"][0]["network_ip"], machine["zone"]) for name, machine in machines.items()
    } == {
        "etcd1": ("10.20.0.10", "europe-west1-b"),
        "etcd2": ("10.20.0.42", "europe-west1-c"),
        "etcd3": ("10.20.0.74", "europe-west1-d"),
        "master1": ("10.20.1.10", "europe-west1-b"),
    }
    addresses = gce("star-wars").all("google_compute_address.machine")
    assert {address["address_type"] for address in addresses.values()} == {"INTERNAL"}


def test_machines_know_who_they_are_by_their_metadata(gce):
    cluster = gce("star-wars")
    bucket = cluster.one("google_storage_bucket.documents")["name"]
    common = {"anywhere-cluster": "star-wars", "anywhere-documents": bucket}
    etcd = cluster.all("google_compute_instance.machine")["etcd1"]
    assert etcd["metadata"].items() >= {**common, "anywhere-name": "etcd1"}.items()
    assert etcd["labels"] == {"anywhere-name": "etcd1", "anywhere-role": "etcd", "anywhere-group": "etcd"}
    worker = cluster.one("google_compute_region_instance_template.pool")
    assert worker["metadata"].items() >= common.items()
    assert "anywhere-name" not in worker["metadata"]
    assert worker["labels"] == {"anywhere-role": "worker", "anywhere-group": "worker-general"}


@pytest.mark.parametrize("name", ["star-wars", "spot"])
def test_user_data_is_what_was_rendered(gce, name):
    """That of spot has an emoji."""
    from ruamel.yaml import YAML

    cluster = gce(name)
    machines = started(cluster)
    for shape in machines:
        wanted = YAML(typ="safe").load(cluster.folder / "user-data" / f"{shape['labels']['anywhere-group']}.yaml")
        head, _, body = shape["metadata"]["user-data"].partition("\n")
        assert head == "#cloud-config"
        assert json.loads(body) == YAML(typ="safe").load(shape["metadata"]["user-data"]) == wanted
        assert shape["metadata"]["startup-script"] == (MODULES / "gce" / "startup-script").read_text()
    assert len(machines) == 5


@pytest.mark.parametrize("name", ["star-wars", "own-key"])
def test_everything_that_can_have_labels_has_those_of_the_cluster(gce, name):
    cluster = gce(name)
    wanted = {"anywhere-cluster": "star-wars"} if name == "star-wars" else {"anywhere-cluster": "ha", "team": "a-b"}
    resources = cluster.values["root_module"]["resources"]
    labelled = [r["values"] for r in resources if "effective_labels" in r["values"]]
    assert len(labelled) > 10
    assert all(values["effective_labels"].items() >= wanted.items() for values in labelled)
    disks = [machine["boot_disk"][0]["initialize_params"][0] for machine in cluster.of_type("google_compute_instance")]
    disks += [t["disk"][0] for t in cluster.of_type("google_compute_region_instance_template")]
    assert all(disk["labels"] == wanted for disk in disks)


def test_disks_are_of_a_type_that_the_machine_takes(gce):
    def kinds(cluster: Applied) -> dict[str, str]:
        found = {m["machine_type"]: m["boot_disk"][0]["initialize_params"][0]["type"] for m in machines(cluster)}
        templates = cluster.all("google_compute_region_instance_template.pool").values()
        return found | {template["machine_type"]: template["disk"][0]["disk_type"] for template in templates}

    def machines(cluster: Applied) -> list[dict[str, Any]]:
        return list(cluster.all("google_compute_instance.machine").values())

    assert kinds(gce("spot")) == {
        "e2-small": "pd-balanced",
        "e2-standard-2": "pd-balanced",
        "c4a-standard-2": "hyperdisk-balanced",
    }


# Pools


def test_a_pool_may_be_of_arm_machines_at_the_spot_price(gce):
    cluster = gce("spot")
    template = cluster.all("google_compute_region_instance_template.pool")["cheap"]
    (schedule,) = template["scheduling"]
    assert (schedule["provisioning_model"], schedule["instance_termination_action"]) == ("SPOT", "DELETE")
    assert (schedule["preemptible"], schedule["automatic_restart"]) == (True, False)
    assert (template["machine_type"], template["disk"][0]["source_image"]) == (
        "c4a-standard-2",
        FACTS["images"]["arm64"],
    )


def test_an_ordinary_pool_is_standard_and_of_its_count(gce):
    cluster = gce("ha")
    for name, template in cluster.all("google_compute_region_instance_template.pool").items():
        (schedule,) = template["scheduling"]
        assert (schedule["provisioning_model"], schedule["preemptible"]) == ("STANDARD", False)
        group = cluster.all("google_compute_region_instance_group_manager.pool")[name]
        assert group["base_instance_name"] == f"ha-worker-{name}"
        assert sorted(group["distribution_policy_zones"]) == ZONES
    sizes = {n: g["target_size"] for n, g in cluster.all("google_compute_region_instance_group_manager.pool").items()}
    assert sizes == {"general": 3, "batch": 2}
    assert cluster.all("google_compute_region_autoscaler.pool") == {}


def test_a_pool_between_limits_is_the_autoscalers(gce):
    cluster = gce("spot")
    scaler = cluster.all("google_compute_region_autoscaler.pool")["cheap"]
    (policy,) = scaler["autoscaling_policy"]
    assert (policy["min_replicas"], policy["max_replicas"]) == (1, 5)
    assert scaler["target"] == cluster.all("google_compute_region_instance_group_manager.pool")["cheap"]["id"]


def test_no_worker_is_replaced_for_a_release_and_the_dead_are(gce):
    cluster = gce("ha")
    check = cluster.one("google_compute_region_health_check.worker")
    for group in cluster.all("google_compute_region_instance_group_manager.pool").values():
        (policy,) = group["update_policy"]
        assert (policy["type"], policy["instance_redistribution_type"]) == ("OPPORTUNISTIC", "NONE")
        assert (policy["max_surge_fixed"], policy["max_unavailable_fixed"]) == (3, 0)  # three zones
        assert group["auto_healing_policies"] == [{"health_check": check["id"], "initial_delay_sec": 1800}]
    assert check["tcp_health_check"][0]["port"] == 10250


def test_the_number_of_resources_does_not_grow_with_workers(gce, gce_environment, tmp_path):
    folder = write(tmp_path / "many", "star-wars", spec={"workers": {"count": 900, "size": "medium"}})
    cluster = Cluster(folder, gce_environment)
    cluster.terraform("init")
    wanted = [r["address"] for r in gce("star-wars").values["root_module"]["resources"] if r["mode"] == "managed"]
    assert sorted(cluster.changes()) == sorted(wanted)


def test_another_count_changes_the_size_of_one_group_alone(gce_environment, tmp_path):
    write(tmp_path / "c", "ha")
    cluster = Applied(tmp_path / "c", gce_environment)
    pools = [{"name": "general", "count": 5, "size": "medium"}, {"name": "batch", "count": 2, "size": "large"}]
    write(tmp_path / "c", "ha", spec={"workers": pools})
    changes = {address: actions for address, actions in cluster.changes().items() if "pool" in address}
    assert changes == {'google_compute_region_instance_group_manager.pool["general"]': ["update"]}
    (group,) = [c["change"] for c in cluster.show("changes.tfplan")["resource_changes"] if c["address"] in changes]
    assert group["after"]["target_size"] == 5


def test_a_new_base_image_is_for_new_machines_only(gce_environment, tmp_path):
    write(tmp_path / "c", "star-wars")
    cluster = Applied(tmp_path / "c", gce_environment)
    images = {"amd64": "projects/debian-cloud/global/images/debian-13-trixie-v20260101"}
    write(tmp_path / "c", "star-wars", facts={"images": images})
    # The stand-in replaces nothing by itself: Google's provider says that a template is made anew.
    assert set(cluster.changes()) == {'google_compute_region_instance_template.pool["general"]'}


def test_the_disks_of_etcd_are_protected_until_that_is_lifted(gce_environment, tmp_path):
    write(tmp_path / "c", "star-wars")
    cluster = Applied(tmp_path / "c", gce_environment)
    assert "Instance cannot be destroyed" in cluster.terraform("plan", "-destroy", fails=True)
    override = MODULES / "gce" / "unprotect_override.tf"
    (cluster.folder / override.name).write_bytes(override.read_bytes())
    cluster.terraform("destroy", "-auto-approve")
