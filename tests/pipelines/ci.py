"""A runner of either system: fresh checkouts of a bare repository, and the variables that the system sets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cli.target import DEFINITION
from tests.pipelines import STEPS
from tests.pipelines.forge import TOKEN, Forge

ROOT = Path(__file__).parents[2]
SYSTEMS = ("github", "gitlab")
REMARK = DEFINITION + "# a remark\n"


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


class Ci:
    """`place` is the target, which is the same for every checkout; `mine` is a checkout of a person.

    `asked` is the checkout that planned the newest request.
    """

    asked: Path

    def __init__(self, root: Path, system: str, forge: Forge, cluster: Path, target: str) -> None:
        self.root, self.system, self.forge = root, system, forge
        self.remote, self.mine, self.place = root / "remote.git", root / "mine", root / "place"
        self.key = root / "age.key"
        self._number = 0
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(root, "clone", "--quiet", str(self.remote), str(self.mine))
        for name, value in (("user.name", "me"), ("user.email", "me@example.com")):
            git(self.mine, "config", name, value)
        git(self.mine, "checkout", "--quiet", "-b", "main")
        for path in cluster.glob("cluster.*"):
            shutil.copy(path, self.mine)
        shutil.copy(cluster / "age.key", self.key)
        self.place.mkdir()
        (self.place / "machines.tf").write_text(target)
        shutil.copytree(STEPS, self.mine / "steps")
        self.push("Begin")
        self._programs()

    def _programs(self) -> None:
        (self.root / "bin").mkdir()
        for name, module in (("anywhere", "program"), ("gh", "gh")):
            path = self.root / "bin" / name
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.pipelines.{module} "$@"\n')
            path.chmod(0o755)

    def stand_in(self, script: str) -> Path:
        """Have a script take the place of anywhere; where it notes what it is asked for."""
        calls = self.root / "calls"
        (self.root / "bin" / "anywhere").write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{script}\n')
        return calls

    def push(self, message: str, branch: str = "main") -> str:
        """Commit all that a person changed, and push it."""
        git(self.mine, "add", "--all")
        git(self.mine, "commit", "--quiet", "--message", message)
        git(self.mine, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.mine, "rev-parse", "HEAD")

    def branch(self, name: str, **changes: str) -> str:
        """Push a branch on which these files of the repository are others; the commit."""
        git(self.mine, "checkout", "--quiet", "-B", name, "main")
        for file, text in changes.items():
            (self.mine / file.replace("_", ".")).write_text(text)
        head = self.push(name, name)
        git(self.mine, "checkout", "--quiet", "main")
        return head

    def merge(self, name: str, number: int = 3) -> str:
        """Merge a branch by a commit of its own, as request `number`."""
        head = git(self.mine, "rev-parse", name)
        git(self.mine, "merge", "--quiet", "--no-ff", "--message", f"Merge {name}", name)
        git(self.mine, "push", "--quiet", "origin", "main")
        merged = git(self.mine, "rev-parse", "HEAD")
        self.forge.merged[merged] = (number, head)
        return merged

    def checkout(self, commit: str) -> Path:
        """A shallow checkout of a commit, as the systems make it: no branch is checked out."""
        self._number += 1
        folder = self.root / f"checkout-{self._number}"
        git(self.root, "init", "--quiet", str(folder))
        git(folder, "remote", "add", "origin", f"file://{self.remote}")
        git(folder, "fetch", "--quiet", "--depth=1", "origin", commit)
        git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        return folder

    def environment(self, folder: Path, with_key: bool = True) -> dict[str, str]:
        shared = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PLACE": str(self.place),
            "HOME": str(folder.parent / "home"),
            "LANG": "C.UTF-8",
            "DEFINITION": "cluster.yaml",
            "ANYWHERE_PROVIDER": "local",
            "ANYWHERE_CACHE": str(self.root / "cache"),
            "BRANCH": "main",
            **({"ANYWHERE_AGE_KEY": self.key.read_text()} if with_key else {}),
        }
        commit = git(folder, "rev-parse", "HEAD")
        if self.system == "github":
            own = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "team/clusters", "GITHUB_SHA": commit}
            own |= {"GITHUB_REF_NAME": "main", "GH_TOKEN": "ghs", "FORGE_URL": self.forge.url}
            return shared | own | {"GITHUB_STEP_SUMMARY": str(folder.parent / f"{folder.name}.summary")}
        own = {"GITLAB_CI": "true", "CI_PROJECT_ID": "7", "CI_COMMIT_SHA": commit, "CI_DEFAULT_BRANCH": "main"}
        own |= {"CI_API_V4_URL": f"{self.forge.url}/api/v4", "CI_COMMIT_BRANCH": "main", "GITLAB_TOKEN": TOKEN}
        return shared | own

    def start(self, folder: Path, step: str, *words: str, with_key: bool = True, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [folder / "steps" / step, *words],
            cwd=folder,
            env=self.environment(folder, with_key) | extra,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, folder: Path, step: str, *words: str, status: int = 0, with_key: bool = True, **extra: str) -> str:
        """What a step says, which must end with `status`."""
        with self.start(folder, step, *words, with_key=with_key, **extra) as running:
            said = running.communicate(timeout=240)[0]
        assert running.returncode == status, said
        return said

    def anywhere(self, folder: Path, *words: str, **extra: str) -> str:
        """What the command line says, as a step of its own."""
        done = subprocess.run(
            ["anywhere", *words], cwd=folder, env=self.environment(folder) | extra, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def request(self, name: str, number: int = 3, status: int = 2, **changes: str) -> Path:
        """A pull request: a branch that is planned, commented on and kept; the checkout that did so."""
        head = self.branch(name, **changes)
        folder = self.asked = self.checkout(head)
        self.run(folder, "plan.sh", status=status, with_key=False)
        self.run(folder, "comment.sh", str(number), with_key=False)
        if status != 1:
            self.forge.keep(head, folder / "plan")
        return folder

    def state(self) -> str:
        path = self.place / "terraform.tfstate"
        return path.read_text() if path.exists() else ""
