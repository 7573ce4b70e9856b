"""The one seam to Terraform or OpenTofu: finds it, runs it in a rendered folder, reads its `-json` lines.

python-terraform writes the command lines (`terraform_command`); `terraform_process` runs them, since they must be
streamed and interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import terraform_state
from generator.errors import UserError
from generator.files import PRIVATE, create_private, write_atomic
from generator.progress import Progress
from generator.terraform_binary import Binary, find
from generator.terraform_command import command_line
from generator.terraform_details import details
from generator.terraform_messages import Event, describe, plain, raise_for
from generator.terraform_process import started

_PLAN_FILE = (".anywhere-", ".tfplan")  # what the name of a saved plan begins and ends with
PLAN_FILES = "*".join(_PLAN_FILE)
SECRETS = "TF_VAR_secrets"
# What a person's shell may set for their own Terraform, and what would change ours.
_FOREIGN = ("TF_CLI_ARGS", "TF_WORKSPACE", "TF_DATA_DIR", "TF_CLI_CONFIG_FILE", "TF_INPUT", "ANYWHERE_REGISTRY_")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a plan touches; `action` is create, update, replace, delete or another of Terraform's."""

    address: str
    action: str

    @property
    def resource(self) -> str:
        """The address without the key of an instance: `KIND.NAME` of `KIND.NAME["KEY"]`."""
        return self.address.partition("[")[0]

    @property
    def key(self) -> str:
        """The `for_each` key: `KEY` of `KIND.NAME["KEY"]`; "" where there is none."""
        _, _, key = self.address.partition('["')
        return key.removesuffix('"]')


@dataclass(frozen=True, slots=True)
class Plan:
    """A saved plan: what it changes, and what was found changed behind Terraform's back."""

    file: Path
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]
    outputs_change: bool

    @property
    def empty(self) -> bool:
        return not self.changes and not self.outputs_change

    def counts(self) -> dict[str, int]:
        """How many resources each action touches."""
        counts: dict[str, int] = {}
        for change in self.changes:
            counts[change.action] = counts.get(change.action, 0) + 1
        return counts


class Terraform:
    """Terraform in one rendered folder. `secrets` reaches it by environment only, never by a file.
    `environment` is what the target needs.
    """

    def __init__(
        self,
        folder: Path,
        cache: Path,
        progress: Progress,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._cache = cache
        self._progress = progress
        self._environment = dict(environment or {})
        self._binary: Binary | None = None
        self._outputs: dict[str, Any] | None = None

    @property
    def binary(self) -> Binary:
        """The program, looked for once."""
        if self._binary is None:
            self._binary = find(os.environ)
        return self._binary

    def init(self) -> None:
        """Fetch providers and open the backend; skipped when nothing that it depends on changed."""
        stamp = self.folder / ".terraform" / "anywhere-init"
        if stamp.is_file() and stamp.read_text() == self._fingerprint():
            return
        self.binary.check()
        # They are programs, and a folder that came from git may bring its own.
        shutil.rmtree(stamp.parent / "providers", ignore_errors=True)
        self._outputs = None
        self._run(["init"], _options(input=False, no_color=True))
        stamp.parent.mkdir(exist_ok=True)
        write_atomic(stamp, self._fingerprint().encode())

    def validate(self) -> None:
        """UserError with every diagnostic where the folder is not valid."""
        completed = self._capture(["validate"], _options(json=True))
        diagnostics = _json(completed.stdout, "validate").get("diagnostics", [])
        raise_for([d for d in diagnostics if d.get("severity") == "error"], completed.returncode)

    def plan(self, secrets: Mapping[str, str], targets: Sequence[str] = ()) -> Plan:
        """Plan the rendered folder, or only these addresses and what they need, and save the plan."""
        return self._plan(secrets, target=list(targets) or None)

    def plan_destroy(self, secrets: Mapping[str, str]) -> Plan:
        """Plan to destroy everything that the state holds."""
        return self._plan(secrets, destroy=True)

    def open_plan(self, data: bytes) -> Plan:
        """A plan that was saved elsewhere, with what it says of itself; the folder must be initialised."""
        file = create_private(self.folder, *_PLAN_FILE)
        write_atomic(file, data, PRIVATE)
        said = self._show(file)
        outputs = said.get("output_changes", {}).values()
        return Plan(
            file,
            _sorted(_shown(said.get("resource_changes", ()))),
            _sorted(_shown(said.get("resource_drift", ()))),
            any(output["actions"] != ["no-op"] for output in outputs),
        )

    def details(self, plan: Plan) -> Mapping[str, tuple[str, ...]]:
        """What changes inside the resources that `plan` updates or replaces, by address."""
        if not any(change.action in ("update", "replace") for change in plan.changes):
            return {}
        changes = self._show(plan.file).get("resource_changes", ())
        return {change["address"]: details(change["change"]) for change in changes}

    def _show(self, file: Path) -> dict[str, Any]:
        completed = self._capture(["show", file.name], _options(json=True, no_color=True))
        if completed.returncode:
            raise UserError(f"Terraform cannot read the plan:\n{plain(completed.stderr)}", "Plan again.")
        return _json(completed.stdout, "show")

    def state_version(self) -> str:
        """What changes with every write of the state, wherever it is; "" before the first apply."""
        state = self._state()
        return f"{state['lineage']} {state['serial']}" if state.get("lineage") else ""

    def has_resources(self) -> bool:
        """Whether the state, wherever it is, has anything in it: a destroy leaves one that has not."""
        return bool(self._state().get("resources"))

    def apply(self, plan: Plan, secrets: Mapping[str, str]) -> None:
        """Apply exactly the plan that was saved, once."""
        try:
            # A relative path: Terraform reads an absolute one the same, but shows it in its messages.
            self._run(["apply", plan.file.name], _options(json=True, input=False), secrets)
        finally:
            self._outputs = None
            plan.file.unlink(missing_ok=True)

    def _state(self) -> dict[str, Any]:
        completed = self._capture(["state", "pull"], {})
        if completed.returncode:
            raise UserError(f"Terraform could not read its state:\n{plain(completed.stderr)}")
        return _json(completed.stdout or "{}", "state pull")

    def outputs(self) -> dict[str, Any]:
        """The root outputs, by name; empty before the first apply. Read once until something is applied."""
        if self._outputs is None:
            completed = self._capture(["output"], _options(json=True, no_color=True))
            if completed.returncode:
                raise UserError(f"Terraform could not read its outputs:\n{plain(completed.stderr)}")
            self._outputs = {name: output["value"] for name, output in _json(completed.stdout, "output").items()}
        return self._outputs

    def check_state(self, cluster: str) -> None:
        """UserError where the folder holds the state of another cluster, of something else, or a damaged state."""
        state = terraform_state.read(self.folder / terraform_state.FILE)
        owner = state.get("outputs", {}).get("cluster", {}).get("value") or self._rendered_for()
        if owner != cluster and state.get("resources"):
            other = f"the Terraform state of cluster {owner!r}" if owner else "a Terraform state of something else"
            raise UserError(
                f"{self.folder} holds {other}, not of {cluster!r}.",
                "Give this cluster a folder of its own with --out, or put back the definition of the other one.",
            )

    def check_remote_state(self, cluster: str) -> None:
        """UserError where the backend, which `init` opened, holds the state of another cluster."""
        if not (self.folder / "backend.tf.json").exists():
            return
        owner = self.outputs().get("cluster", cluster)
        if owner != cluster:
            raise UserError(
                f"The backend holds the Terraform state of cluster {owner!r}, not of {cluster!r}.",
                "Give each cluster a key or prefix of its own in the definition's backend.",
            )

    def _rendered_for(self) -> str:
        """The cluster that the folder was last rendered for, "" where that is not known."""
        try:
            return str(json.loads((self.folder / "terraform.tfvars.json").read_text()).get("cluster", ""))
        except (OSError, ValueError, AttributeError):
            return ""

    def _plan(self, secrets: Mapping[str, str], **mode: Any) -> Plan:
        changes: list[Change] = []
        drift: list[Change] = []
        outputs: list[str] = []

        def collect(event: Event) -> None:
            kind = event.get("type")
            if kind in ("planned_change", "resource_drift"):
                change = event["change"]
                into = drift if kind == "resource_drift" else changes
                into.append(Change(change["resource"]["addr"], change["action"]))
            elif kind == "outputs":
                outputs.extend(n for n, o in event["outputs"].items() if o.get("action", "noop") != "noop")

        file = create_private(self.folder, *_PLAN_FILE)
        options = _options(json=True, input=False, out=file.name, detailed_exitcode=True, **mode)
        try:
            self._run(["plan"], options, secrets, collect, accepted=(0, 2))
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        touched = (c for c in changes if c.action not in ("noop", "read"))
        return Plan(file, _sorted(touched), _sorted(drift), bool(outputs))

    def _run(
        self,
        words: list[str],
        options: Mapping[str, Any],
        secrets: Mapping[str, str] | None = None,
        collect: Callable[[Event], None] | None = None,
        accepted: tuple[int, ...] = (0,),
    ) -> None:
        """Run one command, streaming. UserError with its diagnostics where it fails, Interrupted where we must end."""
        diagnostics: list[Event] = []
        tail: list[str] = []
        with (
            tempfile.TemporaryFile("w+") as errors,
            started(
                self._command(words, options), self.folder, self._env(secrets), errors, self._progress.note
            ) as process,
        ):
            for line in process.lines():
                event = _event(line)
                if event is None:
                    tail.append(line)
                    continue
                if event.get("type") == "diagnostic" and event["diagnostic"]["severity"] == "error":
                    diagnostics.append(event["diagnostic"])
                if collect:
                    collect(event)
                if said := describe(event):
                    self._progress.note(said)
            status = process.wait()
            errors.seek(0)
            text = errors.read()
        if status not in accepted:
            raise_for(diagnostics, status, text or "".join(tail[-20:]))

    def _capture(self, words: list[str], options: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(words, options),
            cwd=self.folder,
            env=self._env(None),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _command(self, words: list[str], options: Mapping[str, Any]) -> list[str]:
        return command_line(self.binary.path, words, options)

    def _env(self, secrets: Mapping[str, str] | None) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        plugins = self._cache / "terraform-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        env |= {
            "TF_IN_AUTOMATION": "1",
            "TF_WORKSPACE": "default",  # also where a file in the folder names another one
            "CHECKPOINT_DISABLE": "1",
            "TF_PLUGIN_CACHE_DIR": str(plugins),
            "TF_CLI_CONFIG_FILE": str(self._configuration()),
        }
        env |= self._environment
        if secrets is not None:
            env[SECRETS] = secrets_value(secrets)
        return env

    def _configuration(self) -> Path:
        """Our own CLI configuration, so that a broken ~/.terraformrc does not matter."""
        file = self._cache / "terraform.rc"
        text = "# Terraform and OpenTofu find local providers in the mirrors they imply; nothing else is set.\n"
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, text.encode())
        return file

    def _seal(self) -> bytes:
        """Bytes that only this user of this computer knows: what was initialised elsewhere is initialised again."""
        file = self._cache / "terraform.seal"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, os.urandom(32), PRIVATE)
        return file.read_bytes()

    def _fingerprint(self) -> str:
        """A digest of all that `init` depends on, which nobody but this user can make."""
        digest = hashlib.sha256(self.binary.identity.encode() + self._seal())
        files = (f for pattern in ("*.tf", "*.tf.json") for f in self.folder.rglob(pattern))
        ours = [f for f in files if ".terraform" not in f.relative_to(self.folder).parts]
        for file in [*sorted(ours), self.folder / ".terraform.lock.hcl", self._configuration()]:
            content = file.read_bytes() if file.is_file() else b""
            digest.update(f"{file}:{len(content)}\n".encode() + content)
        return digest.hexdigest()


def secrets_value(secrets: Mapping[str, str]) -> str:
    """What the environment variable SECRETS holds."""
    return json.dumps(dict(secrets), sort_keys=True)


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    """By address, numbers as numbers: Terraform says them in whatever order it comes to them."""

    def key(change: Change) -> list[tuple[str, int]]:
        return [(text, int(number or 0)) for text, number in re.findall(r"(\D+)(\d*)", change.address)]

    return tuple(sorted(changes, key=key))


def _shown(changes: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """The changes that `terraform show -json` lists, with the actions that its stream of events has for them."""
    for change in changes:
        actions = change["change"]["actions"]
        action = "replace" if len(actions) == 2 else actions[0]
        if change["change"].get("importing"):
            action = "import"
        elif action == "no-op" and change.get("previous_address"):
            action = "move"
        if action not in ("no-op", "read"):
            yield Change(change["address"], action)


def _options(**options: Any) -> dict[str, Any]:
    """Options of one command: True is a bare flag, None leaves it out. `input` takes a value."""
    if "input" in options:
        options["input"] = "false"
    return options


def _event(line: str) -> Event | None:
    """A line of the `-json` UI, None where it is not one."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _json(text: str, command: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        raise UserError(f"terraform {command} did not answer with JSON.", "See `anywhere doctor`.") from None
    return dict(document)
