"""The machine image with kubeadm: anywhere's own base image, with kubeadm's programs and images instead of Docker's."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.kubeadm import images
from generator import directories
from generator.command import find, run
from generator.definition import VERSION
from generator.images import build, catalog, layer
from generator.images.recipe import RECIPES
from generator.lock import Base
from generator.progress import Progress
from providers.local import accelerator, bake, base, cache, cpio
from providers.local.guest import Bootable, Drive, Guest, GuestFailed
from providers.local.guest import run as run_guest

HERE = Path(__file__).parent
HOST = HERE / "host"
DONE = "prepare: done"
SECONDS = 300
UNITS = "etc/systemd/system"
DOCKERS = ("docker.service", "docker.socket", "containerd.service")  # the containerd is its own
SETTINGS: layer.Entries = {
    f"{UNITS}/multi-user.target.wants/kubelet.service": layer.Link("/etc/systemd/system/kubelet.service"),
    f"{UNITS}/multi-user.target.wants/pods-containerd.service": layer.Link(f"/{UNITS}/pods-containerd.service"),
    **{f"{UNITS}/{unit}": layer.Link("/dev/null") for unit in DOCKERS},
}


def ensure(progress: Progress) -> str:
    """The key of the machine image, in the cache of machine images; what is not there is made."""
    plain, held = base.ensure(progress), images.ensure(progress)
    programs, name = images.programs("kubeadm", "kubelet"), _key(plain)
    with cache.alone(name):
        if not cache.holds(name):
            with progress.phase("the base image with kubeadm"), cache.workplace(name) as work:
                files = build.compile_programs(programs, images.ARCH, work, directories.cache(), progress)
                files |= build.compile_programs(RECIPES["cni"], images.ARCH, work, directories.cache(), progress)
                layer.write(work / "host.tar", {**_host(), **{path: layer.File(file) for path, file in files.items()}})
                _unpack(cache.bootable(plain.sha256), work, name)
    runtimes = {image.name: ("docker",) if image.name == "containerd" else ("containerd",) for image in held}
    return bake.ensure(Base("kubeadm", name), held, runtimes, images.folder(), progress)


def _host() -> dict[str, layer.File | layer.Link | layer.Folder]:
    """The files of kubeadm's machine but for programs, by path."""
    versions = {"KUBERNETES": VERSION, "COREDNS": catalog.COREDNS, "ETCD": catalog.ETCD}
    entries = dict(SETTINGS)
    for path in sorted(each for each in HOST.rglob("*") if each.is_file()):
        text = path.read_text()
        for key, value in versions.items():
            text = text.replace(f"@{key}@", value)
        name = str(path.relative_to(HOST))
        entries[name] = layer.File(text.encode(), 0o755 if "/sbin/" in name else 0o644)
    return entries


def _key(plain: Base) -> str:
    """A digest of what the image is made from."""
    recipes = (images.programs("kubeadm", "kubelet").key(images.ARCH), RECIPES["cni"].key(images.ARCH))
    made = (plain.sha256, *recipes, _host(), (HERE / "prepare.sh").read_text())
    return hashlib.sha256(repr(made).encode()).hexdigest()


def _unpack(plain: Bootable, work: Path, name: str) -> None:
    """Boot `plain` to unpack the tar, and keep the disk that results under `name`."""
    overlay, made = work / "overlay.qcow2", Bootable(work / "made.qcow2", work / "vmlinuz", work / "initrd")
    qemu_img, initrd = find("qemu-img"), work / "prepare.initrd"
    run([qemu_img, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", plain.disk, overlay], "Making an overlay")
    script = (HERE / "prepare.sh").read_bytes()
    initrd.write_bytes(plain.initrd.read_bytes() + cpio.archive({"bake": script, "plan": b""}))
    drives = (Drive(overlay, "qcow2", "root"), Drive(work / "host.tar", "raw", "host", True))
    line = "console=ttyS0 root=/dev/vda quiet loglevel=3 mitigations=off panic=-1"
    console = run_guest(Guest(plain.kernel, initrd, line, accelerator.choose(), drives), seconds=SECONDS)
    if DONE not in console:
        raise GuestFailed("Unpacking kubeadm failed. The guest's console ends:", console)
    run([qemu_img, "convert", "-O", "qcow2", overlay, made.disk], "Writing the image with kubeadm")
    made.kernel.hardlink_to(plain.kernel)
    made.initrd.hardlink_to(plain.initrd)
    cache.place(made, name)
