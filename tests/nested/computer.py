"""A computer under QEMU with a kernel of its own, on which this checkout runs."""

import base64
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from generator import directories
from providers.local import accelerator
from providers.local.guest import CPU
from tests import debian_image

ROOT = Path(__file__).parents[2]
PACKAGES = Path(__file__).parent / "packages"
HOOKS = (
    'mkdir -p "$1"/etc/systemd/network',
    r'printf "[Match]\nName=en*\n[Network]\nDHCP=yes\n" >"$1"/etc/systemd/network/80-wired.network',
)
BOOT_SECONDS = 600
PROGRAMS = Path("/programs")  # where Terraform is on that computer
MEMORY = "8192"  # MiB


class Computer:
    """Runs from its making until `close`. What it sees of this computer's files is read-only."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, _free_port()
        self._key = folder / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)], check=True)
        image = debian_image.cached(debian_image.listed(PACKAGES), HOOKS)
        disk = folder / "root.qcow2"
        backing = ["-f", "qcow2", "-F", "qcow2", "-b", str(image.disk)]
        subprocess.run(["qemu-img", "create", "-q", *backing, str(disk), "40G"], check=True)
        accel = accelerator.choose()
        line = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"]
        line += ["-accel", accel, "-cpu", CPU[accel], "-smp", "2", "-m", MEMORY]
        line += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
        line += ["-append", "root=LABEL=anywhere rw console=ttyS0"]
        line += ["-chardev", f"file,id=console,path={folder / 'console'}", "-serial", "chardev:console"]
        line += ["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"]
        line += ["-netdev", f"user,id=nic,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22"]
        line += ["-device", "virtio-net-pci,netdev=nic,romfile="]
        line += ["-drive", f"file={disk},if=none,id=disk,format=qcow2,cache=unsafe,discard=unmap"]
        line += ["-device", "virtio-blk-pci,drive=disk"]
        line += _shares()
        for name, text in _credentials(self._key.with_suffix(".pub").read_text()).items():
            line += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={_encoded(text)}"]
        with (folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def command(self, *words: str) -> list[str]:
        """`words` as a command that runs there, as root."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=60")
        line = ["ssh", "-i", str(self._key), "-p", str(self._port)]
        return [*line, *(f"-o{option}" for option in options), "root@127.0.0.1", shlex.join(words)]

    def set_up(self) -> None:
        """Wait until it answers, and make its disk and this checkout usable."""
        end = time.monotonic() + BOOT_SECONDS
        while subprocess.run(self.command("true"), capture_output=True, check=False).returncode:
            assert self._process.poll() is None, (self._folder / "qemu.log").read_text()
            assert time.monotonic() < end, (self._folder / "console").read_text(errors="replace")[-4000:]
            time.sleep(2)
        cache = shlex.quote(str(directories.cache()))
        script = f"""
            set -eu
            resize2fs /dev/vda
            mkdir -p /var/written/upper /var/written/work
            mount -t overlay overlay -o lowerdir={cache},upperdir=/var/written/upper,workdir=/var/written/work {cache}
            ln -s {PROGRAMS}/terraform /usr/local/bin/terraform
        """
        subprocess.run(self.command("sh", "-c", script), check=True)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _shared() -> dict[Path, Path]:
    """Folders of this computer, and where the other one has them: mostly where they are here, as programs know it."""
    terraform = shutil.which("terraform", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert terraform, "Terraform is missing"
    here = {ROOT, Path(sys.prefix), Path(sys.base_prefix), directories.cache()}
    outermost = [path for path in here if not any(path != other and path.is_relative_to(other) for other in here)]
    return {**{path: path for path in sorted(outermost)}, Path(terraform).resolve().parent: PROGRAMS}


def _shares() -> list[str]:
    words = []
    for number, path in enumerate(_shared()):
        option = f"local,path={path},mount_tag=share{number},security_model=none,readonly=on,multidevs=remap"
        words += ["-virtfs", option]
    return words


def _credentials(key: str) -> dict[str, str]:
    """What systemd takes from the firmware: who may log in, and what is mounted."""
    mounts = (
        f"share{number} {path} 9p trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 0 0\n"
        for number, path in enumerate(_shared().values())
    )
    return {"ssh.authorized_keys.root": key, "fstab.extra": "".join(mounts)}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
