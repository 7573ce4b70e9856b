"""The data disk: found on every target, formatted only when there is nothing on it."""

import pytest
from agent import storage
from agent.host import NodeError

EMPTY = b"\0" * storage.BLANK


@pytest.fixture
def machine(tmp_path, monkeypatch, programs):
    """`put(name, content)` attaches a disk of that name; `programs` are this machine's."""
    for name in ("DISKS", "LABELLED", "FSTAB", "FOLDER"):
        monkeypatch.setattr(storage, name, tmp_path / name.lower())
    monkeypatch.setattr(storage, "SECONDS", 0)
    storage.DISKS.mkdir()
    storage.FSTAB.write_text("/dev/vda / ext4\n")
    for name in ("wipefs", "mkfs.ext4", "udevadm", "systemctl", "mount"):
        programs.put(name)
    programs.put("findmnt", f"echo {tmp_path}/nvme0n1p1")
    programs.put("lsblk", f"echo {tmp_path}/nvme0n1p1; echo {tmp_path}/nvme0n1")

    def put(name, device="", content=EMPTY):
        disk = tmp_path / (device or name)
        disk.write_bytes(content)
        (storage.DISKS / name).symlink_to(disk)
        return disk

    programs.disk = put
    return programs


def formatted(machine):
    return [run.split()[-1] for run in machine.runs() if run.startswith("mkfs")]


@pytest.mark.parametrize("name", ["virtio-etcd", "google-etcd", "scsi-0Google_PersistentDisk_etcd"])
def test_an_empty_disk_is_formatted_and_mounted(machine, name):
    disk = machine.disk(name)
    storage.ensure()
    assert formatted(machine) == [str(disk)]
    assert storage.FOLDER.is_dir()
    assert machine.runs()[-2:] == ["udevadm settle", f"mount {storage.FOLDER}"]  # a reload of systemd takes seconds
    assert storage.FSTAB.read_text() == "/dev/vda / ext4\n" + storage.ENTRY


def test_a_volume_beside_the_roots_is_taken(machine):
    machine.disk("nvme-Amazon_Elastic_Block_Store_vol0root", "nvme0n1")
    machine.disk("nvme-Amazon_Elastic_Block_Store_vol0root-part1", "nvme0n1p1")
    disk = machine.disk("nvme-Amazon_Elastic_Block_Store_vol0etcd", "nvme1n1")
    machine.disk("nvme-Amazon_Elastic_Block_Store_vol0etcd_1", "nvme1n1")  # udev's second name of the same
    storage.ensure()
    assert formatted(machine) == [str(disk)]


def test_one_that_comes_late_is_waited_for(machine, monkeypatch):
    monkeypatch.setattr(storage, "SECONDS", 30)
    asked = []

    def candidates():
        asked.append(1)
        return [disk] if len(asked) > 1 else []

    disk = machine.disk("late")
    monkeypatch.setattr(storage, "_candidates", candidates)
    storage.ensure()
    assert formatted(machine) == [str(disk)]


@pytest.mark.parametrize("names", [(), ("virtio-root",), ("nvme-Amazon_Elastic_Block_Store_vol0root",)])
def test_without_a_disk_of_its_own_etcd_is_not_started(machine, names):
    for name in names:
        machine.disk(name, "nvme0n1")
    with pytest.raises(NodeError, match="etcd's data disk was not ready within"):
        storage.ensure()
    assert not any(run.startswith(("mkfs", "mount")) for run in machine.runs())


def test_of_two_disks_none_is_taken(machine):
    machine.disk("nvme-Amazon_Elastic_Block_Store_vol0root", "nvme0n1")
    for number in (1, 2):
        machine.disk(f"nvme-Amazon_Elastic_Block_Store_vol{number}", f"nvme{number}n1")
    with pytest.raises(NodeError, match=r"more than one disk .*nvme1n1, .*nvme2n1"):
        storage.ensure()
    assert formatted(machine) == []


def test_the_one_that_is_labelled_is_taken_of_any_number(machine, tmp_path):
    disks = [machine.disk(f"nvme-Amazon_Elastic_Block_Store_vol{n}", f"nvme{n}n1", b"data") for n in (1, 2, 3)]
    storage.LABELLED.symlink_to(disks[1])
    machine.put("wipefs", "echo 'ext4 etcd'")
    storage.ensure()
    assert formatted(machine) == []
    assert machine.runs()[-1] == f"mount {storage.FOLDER}"
    assert f"wipefs --no-act --noheadings --output TYPE,LABEL {disks[1]}" in machine.runs()


@pytest.mark.parametrize(
    ("signature", "content", "said"),
    [
        ("ext4 data", EMPTY, "ext4 data"),
        ("xfs etcd", EMPTY, "xfs etcd"),
        ("crypto_LUKS", EMPTY, "crypto_LUKS"),
        ("gpt", EMPTY, "gpt"),
        ("", b"\0" * 4096 + b"somebody's" + EMPTY, "of an unknown kind"),
    ],
)
def test_a_disk_with_something_on_it_is_never_formatted(machine, signature, content, said):
    machine.disk("virtio-etcd", content=content)
    machine.put("wipefs", f"echo {signature}")
    with pytest.raises(NodeError, match=f"already holds other data .{said}"):
        storage.ensure()
    assert not any(run.startswith(("mkfs", "mount")) for run in machine.runs())


def test_a_disk_of_its_own_is_mounted_again(machine):
    machine.disk("virtio-etcd", content=b"file system")
    machine.put("wipefs", "echo 'ext4 etcd'")
    storage.ensure()
    storage.ensure()
    assert formatted(machine) == []
    assert storage.FSTAB.read_text().count(storage.ENTRY) == 1
