"""A Terraform folder of local resources in a home of its own, with real QEMU processes that boot nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from providers.local import mirror, process

BASE = "a" * 64
HEAD = """
terraform {
  required_providers {
    anywhere = { source = "anywhere.local/anywhere/local" }
  }
}
provider "anywhere" {
  cluster = "c"
}
"""


class Stack:
    """`run` calls the real terraform; `state` is what it remembers, by resource address."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "terraform"
        self.folder.mkdir()
        self.cluster = root / "home" / "clusters" / "c"
        self.machines = self.cluster / "machines"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "ANYWHERE_"))}
        (root / "terraform.rc").touch()
        self.env = inherited | {
            "ANYWHERE_ACCEL": "tcg",
            "ANYWHERE_CACHE": str(root / "cache"),
            "ANYWHERE_HOME": str(root / "home"),
            "XDG_DATA_HOME": str(root / "data"),
            "TF_CLI_CONFIG_FILE": str(root / "terraform.rc"),
            "CHECKPOINT_DISABLE": "1",
        }
        mirror.install(root / "data")
        base = root / "cache" / "base" / f"{BASE}.qcow2"
        base.parent.mkdir(parents=True)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(base), "1G"], check=True)

    def write(self, text: str) -> None:
        (self.folder / "main.tf").write_text(HEAD + text)

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """terraform in a process group of its own, as a shell would start it."""
        return subprocess.Popen(
            ["terraform", *words, "-no-color"],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, code: int = 0, **env: str) -> str:
        with self.start(*words, **env) as running:
            said = running.communicate(timeout=120)[0]
        assert running.returncode == code, said
        return said

    def init(self) -> None:
        self.run("init")

    def apply(self, code: int = 0, **env: str) -> str:
        return self.run("apply", "-auto-approve", code=code, **env)

    def changes(self, **env: str) -> str:
        """The plan, which must not be empty."""
        return self.run("plan", "-detailed-exitcode", code=2, **env)

    def settled(self, **env: str) -> None:
        self.run("plan", "-detailed-exitcode", **env)

    def state(self, address: str) -> dict[str, Any]:
        kind, _, name = address.partition(".")
        state = json.loads((self.folder / "terraform.tfstate").read_text())
        found = [r for r in state["resources"] if (r["type"], r["name"]) == (kind, name)]
        return dict(found[0]["instances"][0]["attributes"])

    def pid(self, machine: str) -> int | None:
        return process.find(self.machines / machine)

    def kill(self, machine: str) -> None:
        process.kill(self.machines / machine)

    def processes(self) -> list[int]:
        """Every QEMU that runs anywhere below this stack."""
        folders = (path.parent for path in self.machines.glob("*/machine.json"))
        return [pid for folder in folders if (pid := process.find(folder))]

    def clean(self) -> None:
        for folder in self.machines.glob("*"):
            process.kill(folder)
        shutil.rmtree(self.root / "home", ignore_errors=True)


def end(running: subprocess.Popen[str], number: signal.Signals) -> str:
    """Signal terraform and its provider, as a terminal or the kernel would; what terraform said."""
    os.killpg(running.pid, number)
    return running.communicate(timeout=60)[0]
