"""`anywhere_document`: a text that machines of some roles may fetch from the metadata address."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from generator.errors import UserError
from providers.local.home import ClusterFolder, read_json, remove_empty, write_json, write_private
from providers.local.terraform.resource import Resource, is_known
from providers.local.terraform.schema import UNKNOWN, Attribute, InvalidAttribute, State

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"Cannot read {path}: {error.strerror}."
        raise InvalidAttribute(message, "Render the cluster again: `anywhere render`.", "source") from None


class Document(Resource[ClusterFolder]):
    description = "A document that machines of the given roles may fetch. Write-only content never enters the state."
    schema = {
        "id": Attribute("string", "The key.", computed=True),
        "key": Attribute("string", "What machines ask for, such as secrets/etcd.", required=True, replace=True),
        "roles": Attribute(["set", "string"], "The roles of the machines that may read it.", required=True),
        "content": Attribute("string", "The text itself.", optional=True),
        "content_wo": Attribute(
            "string", "The text itself, kept out of plan and state.", optional=True, sensitive=True, write_only=True
        ),
        "content_version": Attribute("string", "Change it to have content_wo written again.", optional=True),
        "source": Attribute("string", "A file that holds the document.", optional=True),
        "sha256": Attribute(
            "string", "SHA-256 in hex; where given with source, the file must have it.", optional=True, computed=True
        ),
    }

    @classmethod
    def validate(cls, config: State) -> None:
        if is_known(config["key"]) and not _KEY.fullmatch(config["key"]):
            hint = "Use letters, digits and . _ - in parts divided by /; no part begins with a dot."
            raise InvalidAttribute(f"{config['key']!r} is not a valid document key.", hint, "key")
        # A plan needs no secrets: content_version alone says that content_wo comes with apply.
        given = [name for name in ("content", "content_version", "source") if config[name] is not None]
        if config["content_wo"] is not None and "content_version" not in given:
            raise InvalidAttribute("content_wo needs content_version.", "Give it a version.", "content_version")
        if len(given) != 1:
            hint = "Give exactly one of content, content_wo with content_version, and source."
            raise InvalidAttribute(f"A document with {' and '.join(given) or 'no content'}.", hint, "key")

    def plan(self, prior: State | None, planned: State, config: State) -> State:
        if is_known(config["sha256"]):
            return planned
        if is_known(config["content"]):
            return {**planned, "sha256": _sha256(config["content"].encode())}
        if is_known(config["source"]):
            return {**planned, "sha256": _sha256(_bytes_of(Path(config["source"])))}
        same = prior is not None and planned["content_version"] == prior["content_version"]
        if same and config["content_version"] is not None:
            return planned
        return {**planned, "sha256": UNKNOWN}

    def _content(self, planned: State, config: State) -> bytes:
        if planned["content"] is not None:
            return str(planned["content"]).encode()
        if planned["source"] is not None:
            data = _bytes_of(Path(planned["source"]))
            if is_known(planned["sha256"]) and planned["sha256"] != _sha256(data):
                message = f"{planned['source']} does not have the SHA-256 {planned['sha256']}."
                raise InvalidAttribute(message, "It was changed or damaged; render the cluster again.", "source")
            return data
        if config["content_wo"] is None:
            hint = "Use `anywhere apply`, or give the secrets in TF_VAR_secrets."
            raise InvalidAttribute(f"No content for document {planned['key']}.", hint, "content_wo")
        return str(config["content_wo"]).encode()

    def _write(self, planned: State, config: State) -> State:
        key, data = planned["key"], self._content(planned, config)
        digest = _sha256(data)
        # Readers first: a role that loses the document must not see its new content.
        write_json(self.settings.readers / key, {"roles": sorted(planned["roles"]), "sha256": digest})
        write_private(self.settings.documents / key, data)
        return {**planned, "id": key, "sha256": digest, "content_wo": None}

    def create(self, planned: State, config: State) -> State:
        return self._write(planned, config)

    def read(self, state: State) -> State | None:
        record: Any = read_json(self.settings.readers / state["key"])
        try:
            digest = _sha256((self.settings.documents / state["key"]).read_bytes())
        except OSError:
            digest = ""
        if record is None or digest != state["sha256"] or record["sha256"] != digest:
            detail = "It is missing or was changed by hand; apply writes it again."
            self.warnings.warn(f"Document {state['key']} is not as it was written.", detail)
            return None
        return {**state, "roles": record["roles"]}

    def update(self, prior: State, planned: State, config: State) -> State:
        fields = ("content", "content_version", "source", "sha256")
        if all(planned[name] == prior[name] for name in fields):
            # Only the roles differ: write-only content is not at hand, and not needed.
            record = {"roles": sorted(planned["roles"]), "sha256": prior["sha256"]}
            write_json(self.settings.readers / planned["key"], record)
            return planned
        return self._write(planned, config)

    def delete(self, state: State) -> None:
        for root in (self.settings.documents, self.settings.readers):
            path = root / state["key"]
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise UserError(f"Cannot remove {path}: {error.strerror}.", "Fix its permissions.") from None
            remove_empty(path.parent)
