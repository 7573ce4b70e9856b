"""The archive of packages, resolved and fetched by the real apt from an archive made here."""

import hashlib
import shutil
import tarfile
from types import SimpleNamespace

import pytest

from generator import packages
from generator.definition import Os
from generator.errors import UserError
from generator.lock import Packages, Update
from generator.packages import apt, closure, updates
from generator.packages.apt import Apt
from generator.progress import Silent
from providers.local import recipe

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")

# name -> (version, source, other fields). `base` is required of any Debian, `init` is in stock images.
ARCHIVE = {
    "base": ("1", "base", "Priority: required"),
    "init": ("1", "init", "Depends: libinit"),
    "libinit": ("1", "init", ""),
    "docker.io": ("26+b1", "docker.io", "Depends: base, init, runc (>= 1), filter | nothing"),
    "runc": ("2:1.1", "runc", "Depends: libinit"),
    "filter": ("3~1", "filter", "Depends: libfilter (= 3~1)"),
    "libfilter": ("3~1", "filter", "Depends: base"),
    "iproute": ("1", "iproute", "Depends: libfilter"),
    "unwanted": ("1", "unwanted", ""),
    "kept": ("1", "kept", "Conflicts: unwanted\nInstalled-Size: 7"),
    "stranger": ("1", "stranger", ""),
    "linux-image-cloud-amd64": ("6", "linux", "Depends: linux-image-6"),
    "linux-image-cloud-arm64": ("6", "linux", "Depends: linux-image-6"),
    "linux-image-6": ("6", "linux", ""),
}


def entry(pool, arch, name, version, source, fields):
    plain = version.rpartition(":")[2]
    file = pool / f"{name}_{plain}_{arch}.deb"
    file.write_bytes(f"{name} {version} {arch}".encode())
    data = file.read_bytes()
    lines = [f"Package: {name}", f"Source: {source} ({version})", f"Version: {version}", f"Architecture: {arch}"]
    lines += [f"Filename: pool/{file.name}", f"Size: {len(data)}", f"SHA256: {hashlib.sha256(data).hexdigest()}"]
    lines += ["Maintainer: nobody", f"Description: {name}", *([fields] if fields else [])]
    return "\n".join(lines) + "\n"


def publish(root, suite, arch, entries):
    """Write the index of a suite and the checksums of its indices, unsigned."""
    suites = root / "dists" / suite
    (suites / "main" / f"binary-{arch}").mkdir(parents=True, exist_ok=True)
    (suites / "main" / f"binary-{arch}" / "Packages").write_text("\n".join(entries))
    found = sorted(path for path in suites.rglob("Packages"))
    sums = [f" {hashlib.sha256(p.read_bytes()).hexdigest()} {p.stat().st_size} {p.relative_to(suites)}" for p in found]
    head = f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: amd64 arm64\nSHA256:\n"
    (suites / "Release").write_text(head + "\n".join(sums) + "\n")


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """`offer(**changes)` publishes ARCHIVE with other versions; `cache` is where archives go."""
    root, cache = tmp_path / "mirror", tmp_path / "cache"
    monkeypatch.setenv("ANYWHERE_DEBIAN_MIRROR", f"file://{root}")
    monkeypatch.setenv("ANYWHERE_IMAGES", str(tmp_path / "brought" / "images"))
    monkeypatch.setattr(apt, "_trust", lambda: "trusted=yes")
    monkeypatch.setattr(closure, "wanted", lambda: ["docker.io", "iproute"])
    monkeypatch.setattr(closure, "STOCK", ("init", "iproute"))
    monkeypatch.setattr(updates, "_may_have", lambda: [["unwanted", "absent"], ["kept"]])
    pool = root / "debian" / "pool"
    for folder in ("debian", "debian-security"):
        (root / folder / "pool").mkdir(parents=True)

    def offer(security=(), **versions):
        for arch in ("amd64", "arm64"):
            named = {n: (versions.get(n, v), s, f.replace(v, versions.get(n, v))) for n, (v, s, f) in ARCHIVE.items()}
            publish(root / "debian", "trixie", arch, [entry(pool, arch, n, *fields) for n, fields in named.items()])
            publish(root / "debian", "trixie-updates", arch, [])
            mended = [entry(pool.parent.parent / "debian-security" / "pool", arch, n, *ARCHIVE[n]) for n in security]
            publish(root / "debian-security", "trixie-security", arch, mended)

    offer()
    brought = tmp_path / "brought"
    return SimpleNamespace(root=root, pool=pool, cache=cache, offer=offer, brought=brought)


def ensure(debian, arch="amd64"):
    return packages.ensure(packages.needed(), arch, debian.cache, Silent())


def present(debian, locked, arch="amd64"):
    return packages.present(packages.needed(), locked, arch, debian.cache, Silent())


def path(debian, made):
    return debian.cache / "packages" / f"{made.sha256}.tar"


def members(file):
    with tarfile.open(file) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_it_holds_what_a_stock_machine_lacks(debian):
    made = ensure(debian)
    data = path(debian, made).read_bytes()
    assert (made.sha256, made.size) == (hashlib.sha256(data).hexdigest(), len(data))
    found = members(path(debian, made))
    # libfilter is on stock machines too, but perhaps in an older version than the one that filter wants.
    debs = ["docker.io_26+b1", "filter_3~1", "libfilter_3~1", "runc_1.1"]
    assert found.keys() == {"Packages", "install", *(f"{deb}_amd64.deb" for deb in debs)}
    assert found["install"] == b"docker.io\niproute\n"
    assert found["runc_1.1_amd64.deb"] == b"runc 2:1.1 amd64"


def test_each_architecture_has_its_own(debian):
    amd64, arm64 = ensure(debian), ensure(debian, "arm64")
    assert amd64 != arm64
    assert members(path(debian, arm64))["docker.io_26+b1_arm64.deb"] == b"docker.io 26+b1 arm64"


def test_the_same_packages_are_the_same_bytes(debian):
    made = ensure(debian)
    shutil.rmtree(debian.cache)
    assert ensure(debian) == made
    debian.offer(unwanted="2")
    assert ensure(debian) == made
    debian.offer(libfilter="3~2", filter="3~2")
    assert ensure(debian) != made


def test_nothing_is_downloaded_twice(debian):
    made = ensure(debian)
    shutil.rmtree(debian.pool)
    assert ensure(debian) == made
    assert [file.name for file in (debian.cache / "packages").glob("*.tar")] == [f"{made.sha256}.tar"]


def test_another_list_is_another_archive(debian, monkeypatch):
    made = ensure(debian)
    monkeypatch.setattr(closure, "wanted", lambda: ["docker.io"])
    assert ensure(debian) != made


def test_apt_installs_from_it(debian, tmp_path):
    made = ensure(debian)
    source = tmp_path / "unpacked"
    with tarfile.open(path(debian, made)) as tar:
        tar.extractall(source, filter="data")
    node = Apt("amd64", tmp_path / "node")
    (tmp_path / "node" / "sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n")
    stock = "".join(
        f"Package: {n}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody\n"
        f"Description: {n}\n\n"
        for n in ("base", "init", "libinit", "iproute")
    )
    (tmp_path / "node" / "status").write_text(stock)
    node.update()
    assert node.closure(["docker.io", "iproute"]) == {
        "docker.io": "26+b1", "filter": "3~1", "libfilter": "3~1", "runc": "2:1.1",
    }  # fmt: skip


@pytest.mark.parametrize("damage", ["missing", "changed", "longer"])
def test_what_is_not_as_the_lists_say_is_refused(debian, damage):
    file = debian.pool / "runc_1.1_amd64.deb"
    data = file.read_bytes()
    {
        "missing": file.unlink,
        "changed": lambda: file.write_bytes(data[::-1]),
        "longer": lambda: file.write_bytes(data * 2),
    }[damage]()
    with pytest.raises(UserError, match="Downloading the packages of nodes failed"):
        ensure(debian)
    assert list((debian.cache / "packages").iterdir()) == []


def test_an_archive_that_nobody_signed_is_refused(debian, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("ANYWHERE_DEBIAN_MIRROR", f"file://{debian.root}")
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "keyring.gpg")
    with pytest.raises(UserError, match="cannot be verified") as caught:
        ensure(debian)
    assert "debian-archive-keyring" in caught.value.hint
    apt.KEYRING.touch()
    with pytest.raises(UserError, match="not signed"):
        ensure(debian)


def test_a_mirror_that_is_not_there_is_said(debian):
    shutil.rmtree(debian.root)
    with pytest.raises(UserError, match="Reading Debian's package lists failed") as caught:
        ensure(debian)
    assert "ANYWHERE_DEBIAN_MIRROR" in caught.value.hint


def test_without_apt_it_is_said_what_to_do(debian, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="apt is not installed") as caught:
        ensure(debian)
    assert "copy the archive" in caught.value.hint


def test_what_is_locked_is_taken_from_the_cache(debian):
    made = ensure(debian)
    shutil.rmtree(debian.root)
    assert present(debian, made) == path(debian, made)


def test_an_archive_that_was_brought_is_taken(debian):
    made = ensure(debian)
    folder = debian.brought / "packages"
    folder.mkdir(parents=True)
    (folder / "other.tar").write_bytes(b"x" * made.size)
    path(debian, made).rename(folder / "nodes.tar")
    shutil.rmtree(debian.root)
    assert present(debian, made) == path(debian, made)
    assert hashlib.sha256(path(debian, made).read_bytes()).hexdigest() == made.sha256


def test_what_is_locked_is_made_again_where_debian_still_has_it(debian):
    made = ensure(debian)
    path(debian, made).write_bytes(b"damaged")
    assert present(debian, made) == path(debian, made)
    assert path(debian, made).stat().st_size == made.size


def test_where_debian_has_moved_on_it_is_said(debian):
    locked = Packages("0" * 64, 1)
    with pytest.raises(UserError, match=f"the lock says {locked.sha256}, but Debian's archive has moved on") as caught:
        present(debian, locked)
    assert "anywhere images lock" in caught.value.hint and str(debian.brought / "packages") in caught.value.hint


def test_the_list_of_a_node_is_one_that_its_commands_come_from():
    assert {"docker.io", "docker-cli", "containerd", "ipset", "conntrack", "curl"} <= set(closure.wanted())


SECURITY = Os()


def resolve(debian, os=SECURITY, arch="amd64"):
    return packages.resolve_updates(os, arch, debian.cache, Silent())


def test_security_is_what_the_security_archive_has_of_what_machines_may_have(debian):
    debian.offer(security=("libfilter", "runc", "kept", "stranger", "linux-image-6"))
    found = resolve(debian)
    assert {name: package.version for name, package in found.packages.items()} == {
        "kept": "1", "libfilter": "3~1", "runc": "2:1.1",
    }  # fmt: skip
    file = debian.cache / "packages" / f"{found.archive.sha256}.tar"
    content = members(file)
    assert content.keys() == {
        "Packages",
        "install",
        *(f"{n}_amd64.deb" for n in ("kept_1", "libfilter_3~1", "runc_1.1")),
    }
    deb = content["runc_1.1_amd64.deb"]
    assert found.packages["runc"] == Update("2:1.1", hashlib.sha256(deb).hexdigest()) and content["install"] == b""
    assert b"Installed-Size: 7\n" in content["Packages"]
    assert found.archive == Packages(hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size)


def test_what_security_mended_once_is_taken_as_it_is_now(debian):
    debian.offer(security=("runc",), runc="2:1.2")
    assert resolve(debian).packages["runc"].version == "2:1.2"


def test_all_is_everything_that_a_machine_may_have(debian):
    assert resolve(debian, Os("all")).packages.keys() == ARCHIVE.keys() - {
        "stranger", "linux-image-cloud-amd64", "linux-image-cloud-arm64", "linux-image-6",
    }  # fmt: skip


def test_a_kernel_that_is_moved_is_that_of_the_architecture(debian):
    debian.offer(security=("linux-image-cloud-arm64", "linux-image-6", "linux-image-cloud-amd64"))
    assert resolve(debian, Os(kernel="moved"), "arm64").packages.keys() == {"linux-image-cloud-arm64", "linux-image-6"}
    assert resolve(debian) is None


def test_where_nothing_is_to_be_updated_there_is_no_archive(debian):
    assert resolve(debian, Os("none")) is None


def test_updates_of_the_lock_are_made_again_where_debian_still_has_them(debian):
    debian.offer(security=("runc",))
    found = resolve(debian)
    shutil.rmtree(debian.cache)
    selection = packages.updating(SECURITY, "amd64")
    again = packages.present(selection, found.archive, "amd64", debian.cache, Silent())
    assert hashlib.sha256(again.read_bytes()).hexdigest() == found.archive.sha256
    again.unlink()
    debian.offer(security=("runc",), runc="2:1.2")
    with pytest.raises(UserError, match=r"updates of machines \(amd64\): the lock says .* has moved on"):
        packages.present(selection, found.archive, "amd64", debian.cache, Silent())


def test_where_debian_cannot_be_reached_it_is_said_how_to_do_without_updates(debian):
    shutil.rmtree(debian.root)
    with pytest.raises(UserError, match="Reading Debian's package lists failed") as caught:
        resolve(debian)
    assert caught.value.hint.endswith("spec.os.updates: none does without.")


def test_what_local_machines_have_is_among_what_is_updated(monkeypatch):
    monkeypatch.undo()
    known = {*closure.wanted(), *(name for part in updates._may_have() for name in part)}
    assert set(recipe.packages()) - known == {"linux-image-cloud-amd64"}
    assert len(updates._may_have()) == 2 and all(name.strip() == name != "" for name in known)
