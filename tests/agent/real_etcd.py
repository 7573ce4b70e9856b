"""Real members of etcd on this computer, started as a release starts them: each on a loopback address of its own."""

import os
import ssl
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from agent import bundle, etcd
from etcd_keys import Authority
from releases import release

from generator import directories
from generator.images import archive_index

COMMAND = next(s["command"] for s in release("star-wars")["roles"]["etcd"]["containers"])


def program(folder):
    """The program, out of its newest image archive; the test is skipped where none is on this computer."""
    archives = archive_index.holdings(directories.cache() / "images")
    built = [files[-1].path for ref, files in archives.items() if ref.startswith("anywhere.local/etcd:")]
    if not built:
        pytest.skip("no image of etcd is on this computer: `anywhere images pull` builds it")
    with tarfile.open(max(built, key=lambda path: path.stat().st_mtime_ns)) as archive:
        for name in archive.getnames():
            if name.endswith(".tar"):
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    if "usr/local/bin/etcd" in layer.getnames():
                        (folder / "etcd").write_bytes(layer.extractfile("usr/local/bin/etcd").read())
    (folder / "etcd").chmod(0o755)
    return folder / "etcd"


def base(more=0):
    """The beginning of loopback addresses that are this process's own: other tests may run beside it."""
    return f"127.{os.getpid() // 250 % 200 + 1 + more}.{os.getpid() % 250 + 1}"


class Cluster:
    """Members etcd1 to etcd5, on addresses of their own; `authority` and `client` are what its clients know it by."""

    def __init__(self, etcd, folder, authority=None):
        self._etcd, self._folder, self.running = etcd, folder, {}
        self._base = base()
        self.authority = authority or Authority()
        self.client = self.authority.client()

    def host(self, member):
        return f"{self._base}.{member.removeprefix('etcd')}"

    def files(self, days=1):
        """The files of every member's bundle, as text."""
        # A peer is known by the address that it comes from, which is this one for all of loopback.
        addresses = ["127.0.0.1", *(f"{self._base}.{number}" for number in range(1, 6))]
        certificate, key = self.authority.server(addresses, days)
        pair = {"server.crt": certificate, "server.key": key, "peer.crt": certificate, "peer.key": key}
        return {"ca.crt": self.authority.ca, **pair}

    def start(self, member, cluster="", state="new", days=1):
        """Start a member; `cluster` and `state` are the values of its flags, by default those of one alone."""
        folder, host = self._folder / member, self.host(member)
        (folder / "pki").mkdir(parents=True, exist_ok=True)
        for name, text in self.files(days).items():
            (folder / "pki" / name).write_text(text)
        values = {
            "@MEMBER@.weave.local": host, "@MEMBER@": member, "0.0.0.0": host, "127.0.0.1:2381": f"{host}:2381",
            "/etc/kubernetes/etcd": str(folder / "pki"), "/var/lib/etcd": str(folder),
            "@INITIAL_CLUSTER@": cluster or f"{member}=https://{host}:2380", "@CLUSTER_STATE@": state,
        }  # fmt: skip
        words = [*COMMAND[1:], "--unsafe-no-fsync", "--log-level=error"]
        for word, value in values.items():
            words = [each.replace(word, value) for each in words]
        with (folder / "log").open("ab") as log:
            self.running[member] = subprocess.Popen([str(self._etcd), *words], stdout=log, stderr=log)

    def stop(self, member):
        process = self.running.pop(member)
        process.kill()
        process.wait()

    def ended(self, member):
        """Whether a member's process has ended by itself."""
        return self.running[member].poll() is not None

    def wipe(self, member):
        """Stop a member, and lose its disk."""
        self.stop(member)
        subprocess.run(["rm", "-rf", str(self._folder / member / "data")], check=True)

    def wait(self, *members, path="/readyz"):
        """Wait until the members answer on the port that a health check asks."""
        for member in members:
            url = f"http://{self.host(member)}:2381{path}"
            wait(lambda url=url: _answers(url), f"{member}{path}")

    def log(self, member):
        return (self._folder / member / "log").read_text()

    def close(self):
        for member in list(self.running):
            self.stop(member)


@contextmanager
def of_agent(etcd_program, folder, monkeypatch, names=("ca.crt", "client.crt", "client.key")):
    """A cluster of etcd1 alone, which the agent finds; `names` are those of its keys in the bundle."""
    found = Cluster(etcd_program, folder)
    files = dict(zip(names, (found.authority.ca, *found.client), strict=True))
    monkeypatch.setattr(etcd, "FILES", folder / "client")
    monkeypatch.setattr(bundle, "secrets", lambda release, component: files)
    monkeypatch.setattr(etcd, "host_of", found.host)
    try:
        found.start("etcd1")
        found.wait("etcd1")
        yield found
    finally:
        found.close()


def wait(ready, what, seconds=60):
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def _answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError, ssl.SSLError):
        return False
