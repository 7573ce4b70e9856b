"""The kubeconfig that a user has already, with the contexts of other clusters: ours is merged into it.

As kubectl does: of the files in $KUBECONFIG the first that exists is changed, else the last is made; without the
variable it is ~/.kube/config. Unlike `kubectl config set-cluster`, the current context stays, unless there is none.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.directories import of_user
from generator.errors import UserError
from generator.files import PRIVATE, rewrite

if TYPE_CHECKING:
    from ruamel.yaml import YAML

LISTS = ("clusters", "contexts", "users")
EMPTY = ("", "~", "null", "Null", "NULL")  # how YAML writes a value that is not there


@dataclass(frozen=True, slots=True)
class Merged:
    """Where it was merged into; `is_current` says whether kubectl uses `context` unasked."""

    path: Path
    context: str
    is_current: bool


def merge(kubeconfig: Path) -> Merged:
    """Merge the cluster, user and context of `kubeconfig` into the user's own file, replacing those of the same names.

    All else in it stays, comments too. UserError where one of the user's files is damaged; none is touched then.
    """
    ours = _read(kubeconfig)
    path = _chosen(_candidates())
    if path.exists() and not path.is_file():  # a device or a pipe would be replaced by a file
        raise UserError(f"{path} is not a regular file.", "Set KUBECONFIG to the path of a file.")
    with _locked(path):
        theirs = _read(path) if path.exists() else _empty()
        context = str(ours["current-context"])
        current = next(filter(None, map(_current, [theirs, *_others(path)])), "")
        for name in LISTS:
            _put(theirs, name, ours[name])
        if not current:
            theirs["current-context"] = context
        text = io.StringIO()
        _yaml().dump(theirs, text)
        _write(path, text.getvalue())
    return Merged(path, context, current in ("", context))


def _candidates() -> list[Path]:
    """The user's files, in the order that kubectl looks at them."""
    given = [of_user(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return given or [of_user("~/.kube/config")]


def _chosen(candidates: Sequence[Path]) -> Path:
    return next((path for path in candidates if path.exists()), candidates[-1])


def _others(path: Path) -> Iterator[MutableMapping[str, Any]]:
    """The user's other files: each may set the current context."""
    yield from (_read(other) for other in _candidates() if other != path and other.exists())


def _current(config: MutableMapping[str, Any]) -> str:
    said = config.get("current-context") or ""
    return "" if said in EMPTY else str(said)


def _put(config: MutableMapping[str, Any], name: str, ours: Sequence[MutableMapping[str, Any]]) -> None:
    """Replace the entries of the same names, in their places; new ones come last."""
    entries = config.get(name)
    if not isinstance(entries, list):  # checked: it is there without a value, or missing
        entries = config[name] = []
    for entry in ours:
        places = [number for number, old in enumerate(entries) if str(old["name"]) == str(entry["name"])]
        if places:
            entries[places[0]] = entry
        else:
            entries.append(entry)


def _yaml() -> YAML:
    """Reads and writes every scalar as it stands, so that nothing of the user's changes its form."""
    from ruamel.yaml import YAML
    from ruamel.yaml.resolver import VersionedResolver

    class Text(VersionedResolver):
        """Takes a plain scalar for text, whatever it looks like."""

        @property
        def versioned_resolver(self) -> dict[str, Any]:
            return {}

    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = Text
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    return yaml


def _empty() -> MutableMapping[str, Any]:
    return _yaml().load("apiVersion: v1\nkind: Config\n")  # type: ignore[no-any-return]


def _read(path: Path) -> MutableMapping[str, Any]:
    """A kubeconfig; UserError where it is not one."""
    from ruamel.yaml.error import YAMLError

    try:
        config = _yaml().load(path.read_text("utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error).splitlines()[0]) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check who owns it, or set KUBECONFIG.") from None
    if config is None:
        return _empty()
    if not isinstance(config, MutableMapping) or config.get("kind", "Config") != "Config":
        raise _damaged(path, "it is not of kind Config")
    for name in LISTS:
        _check(path, name, config.get(name))
    return config


def _check(path: Path, name: str, entries: object) -> None:
    if entries is None or entries in EMPTY:
        return
    if not isinstance(entries, list) or not all(isinstance(e, MutableMapping) and "name" in e for e in entries):
        raise _damaged(path, f"{name} is not a list of named entries")


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a kubeconfig: {reason}.", "Fix it or move it away, or set KUBECONFIG. It was not changed."
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold kubectl's own lock on the file."""
    lock = path.with_name(f"{path.name}.lock")
    _make(path.parent)
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, PRIVATE))
    except FileExistsError:
        raise UserError(f"{path} is being changed by another process.", f"If none is, delete {lock}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be locked: {error.strerror}.", "Set KUBECONFIG to a file of yours.") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        raise UserError(f"{there} is not a folder.", "Set KUBECONFIG to the path of a file in one.") from None
    except OSError as error:
        raise UserError(f"{folder} cannot be made: {error.strerror}.", "Set KUBECONFIG to a file of yours.") from None


def _write(path: Path, text: str) -> None:
    try:
        rewrite(path, text.encode(), PRIVATE)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}.", "It was not changed. Set KUBECONFIG to a file of yours."
        ) from None
