"""What is put on machines: the node archive and the user-data that fetches it. Pure but for reading our own files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from generator.errors import UserError
from generator.yaml_text import quoted

USER_DATA_LIMIT = 16_384  # bytes, raw; AWS refuses more
FOLDERS = ("agent", "host", "units")
TARGET_PARTS = ("metadata", "anywhere-target", "anywhere-fetch", "anywhere-store")  # what is not Terraform's
STORE_PARTS = ("anywhere-target", "anywhere-store")  # in the archive, so that running machines get them too


@cache
def archive() -> bytes:
    """The node archive: a tar of agent, host settings, units and stores; the same bytes wherever it is made.

    Not compressed: the bytes would depend on the computer's zlib.
    """
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as out:
        for name, data in _archived():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            out.addfile(entry, io.BytesIO(data))
    return tar.getvalue()


def _archived() -> Iterator[tuple[str, bytes]]:
    """What is the same on every target, and after it what differs, of every target: so all have the same archive."""
    modules = resources.files("modules")
    for folder in FOLDERS:
        yield from sorted(_files(modules.joinpath("node", folder), folder))
    for target in sorted(entry.name for entry in modules.iterdir() if entry.joinpath(STORE_PARTS[0]).is_file()):
        for part in STORE_PARTS:
            yield f"targets/{target}/{part}", modules.joinpath(target, part).read_bytes()


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{prefix}/{entry.name}"
        if entry.name == "__pycache__" or entry.name.startswith("."):
            continue  # what Python, tools and editors leave behind is different everywhere
        if entry.is_dir():
            yield from _files(entry, name)
        else:
            yield name, entry.read_bytes()


def user_data(provider: str, role: str, group: str, ssh_keys: Sequence[str], proxy: str = "") -> bytes:
    """The cloud-init user-data of one group of machines; UserError past the limit, with the bytes of each part.

    `proxy` is the file of environment variables by which they find their proxy, "" for none.
    """
    import jinja2

    modules = resources.files("modules")
    boot = modules.joinpath("node", "boot")
    parts = {
        "metadata": modules.joinpath(provider, "metadata").read_text(),
        "target": modules.joinpath(provider, "anywhere-target").read_text(),
        "fetch": modules.joinpath(provider, "anywhere-fetch").read_text(),
        "converge": boot.joinpath("anywhere-converge").read_text(),
        "service": boot.joinpath("anywhere-converge.service").read_text(),
        "timer": boot.joinpath("anywhere-converge.timer").read_text(),
        "proxy": proxy,
        "ssh_keys": f"[{', '.join(map(quoted, ssh_keys))}]" if ssh_keys else "",
    }
    template = modules.joinpath("node", "user-data.yaml.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    text = environment.from_string(template).render(role=role, group=group, **{k: v.rstrip() for k, v in parts.items()})
    data = text.encode()
    if len(data) > USER_DATA_LIMIT:
        sizes = ", ".join(f"{name} {len(part.encode())}" for name, part in parts.items())
        raise UserError(
            f"The user-data of {group} has {len(data)} bytes; clouds take {USER_DATA_LIMIT}. By part: {sizes}.",
            "Move what can wait into the node archive (modules/node/agent).",
        )
    return data
