"""A machine that runs its target's `anywhere-fetch` and `anywhere-store`, unmodified, in its namespace."""

import ssl
import subprocess
from pathlib import Path

from tests.fetch.endpoint import Endpoint, Service
from tests.fetch.namespace import Namespace

MODULES = Path(__file__).parent.parent.parent / "modules"


class Programs:
    """What a machine of `target` asks it with."""

    def __init__(self, target: str, namespace: Namespace, authority: Path) -> None:
        self.target, self.namespace, self.authority = target, namespace, authority

    def describe(self, role: str, group: str, address: str = "") -> None:
        """Write node.env as user-data does; `address` is the metadata service's, where it is not the target's own."""
        address = address or (MODULES / self.target / "metadata").read_text().strip()
        text = f"ANYWHERE_ROLE={role}\nANYWHERE_GROUP={group}\nANYWHERE_METADATA={address}\n"
        (self.namespace.etc / "anywhere" / "node.env").write_text(text)

    def line(self, key: str, *before: str) -> list[str]:
        """The command for `key`; `before` is put in front of it, e.g. a limit."""
        return self._command("anywhere-fetch", key, before=before)

    def _command(self, script: str, *arguments: str, before: tuple[str, ...] = ()) -> list[str]:
        env = ("env", "-i", "PATH=/usr/bin:/bin", f"CURL_CA_BUNDLE={self.authority}")
        return self.namespace.command(*env, *before, "sh", str(MODULES / self.target / script), *arguments)

    def store(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[bytes]:
        """Run `anywhere-store` with these arguments."""
        command = self._command("anywhere-store", *arguments, before=before)
        return subprocess.run(command, capture_output=True, timeout=120)

    def stored(self, *arguments: str) -> str:
        """What `anywhere-store` says where it must succeed, without a word on stderr."""
        done = self.store(*arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode()

    def unstored(self, *arguments: str) -> str:
        """The one line said where `anywhere-store` is refused."""
        done = self.store(*arguments)
        assert done.returncode != 0 and done.stdout == b""
        said = done.stderr.decode()
        assert said.startswith(f"anywhere-store {arguments[1]}: ")
        assert said.count("\n") == 1 and said.endswith("\n")
        return said

    def fetch(self, key: str, *before: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.line(key, *before), capture_output=True, timeout=120)

    def have(self, key: str) -> bytes:
        """The document, which must come without a word on stderr."""
        done = self.fetch(key)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    def renew(self, key: str, tag: Path) -> bytes:
        """What is sent to a machine that has a file with the tag of what it knows."""
        done = subprocess.run([*self.line(key), str(tag)], capture_output=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    def have_once(self, key: str, content: bytes, tag: Path) -> None:
        """The document, which must come again only where the machine knows another one."""
        tag.touch()
        assert self.renew(key, tag) == content
        first = tag.read_text()
        assert first and self.renew(key, tag) == b"" and tag.read_text() == first
        tag.write_text('"another"\n')
        assert self.renew(key, tag) == content and tag.read_text() == first

    def refused(self, key: str) -> str:
        """The one line said where the document does not come; nothing of it is on stdout."""
        done = self.fetch(key)
        assert done.returncode != 0
        assert done.stdout == b""
        said = done.stderr.decode()
        assert said.startswith(f"anywhere-fetch {key}: ")
        assert said.count("\n") == 1 and said.endswith("\n")
        return said

    def recorder(self, folder: Path) -> tuple[Path, list[str]]:
        """(the file in which curl's arguments are recorded, what to put before the script for that)."""
        trace, curl = folder / "trace", folder / "bin" / "curl"
        curl.parent.mkdir()
        curl.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{trace}\nexec /usr/bin/curl "$@"\n')
        curl.chmod(0o755)
        return trace, ["env", f"PATH={curl.parent}:/usr/bin:/bin"]


class Machine(Programs):
    """One machine of a cloud; a context manager, in which its metadata and the target's services answer."""

    def __init__(
        self, target: str, namespace: Namespace, tls: tuple[ssl.SSLContext, Path], metadata: Service, services: Service
    ) -> None:
        self.context, authority = tls
        super().__init__(target, namespace, authority)
        self.metadata = Endpoint(namespace.listen("169.254.169.254", 80), metadata)
        self.serve(services)

    def serve(self, services: Service) -> None:
        """Open the port of the target's services."""
        self.services = Endpoint(self.namespace.listen("127.0.0.1", 443), services, self.context)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None:
        self.metadata.close()
        self.services.close()
