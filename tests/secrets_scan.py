"""Every secret of a store, looked for raw, by line and in base64, also inside of plan files, which are archives."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from generator.store import Secrets
from tests.cloud_session import Session

KUBECONFIG = "kubeconfig"  # the administrator's own key, which stays with whoever applies


def values(secrets: Secrets) -> dict[str, str]:
    """Every secret text of a store, by what it is."""
    pairs = {**secrets.authorities, **{f"leaf {name}": pair for name, pair in secrets.leaves.items()}}
    found = {f"key of {name}": pair.key for name, pair in pairs.items()}
    token = {"bootstrap token": secrets.token.secret} if secrets.token else {}
    return {**found, **secrets.keys, **token}


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may show: a line of it, or the whole in base64 wherever that begins."""
    yield from (line.encode() for line in secret.splitlines() if len(line) > 15 and "-----" not in line)
    for skipped in range(3):
        middle = base64.b64encode(secret.encode()[skipped:])
        yield middle[: len(middle) // 4 * 4 - 4]


def shown(secrets: Secrets, places: dict[str, bytes]) -> set[tuple[str, str]]:
    """(secret, place) wherever one is seen."""
    wanted = [(name, form) for name, secret in values(secrets).items() for form in forms(secret)]
    return {(name, place) for place, data in places.items() for name, form in wanted if form in data}


def opened(name: str, data: bytes) -> dict[str, bytes]:
    """A file, and what is in it where it is an archive."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return {name: data}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {f"{name}/{member}": archive.read(member) for member in archive.namelist()}


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a rendered folder, Terraform's own files too."""
    found: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.name != KUBECONFIG:
            found |= opened(str(path.relative_to(folder)), path.read_bytes())
    return found


def places(session: Session) -> dict[str, bytes]:
    """All that a session of the command line left and said."""
    return {**files(session.folder), "what was printed": session.said}


def planted(secret: str) -> dict[str, bytes]:
    """`secret` as a plan, a state and a kubeconfig would have it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as plan:
        plan.writestr("tfplan", json.dumps({"secret": secret}))
    wrapped = base64.b64encode(f"- {secret}\n".encode())
    return opened("plan", archive.getvalue()) | {"state": json.dumps([secret]).encode(), "kubeconfig": wrapped}
