"""Two machines of a control plane in turns: the real terraform, and real QEMU processes that boot nothing."""

import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from local_stack import BASE, Stack

import providers
from generator.cli.phases import show
from generator.definition import SIZES
from generator.operations import cluster_api, kubeconfig, rollout
from generator.operations.cluster_secrets import Known
from generator.operations.workspace import Workspace
from generator.terraform import Terraform
from generator.topology import Machine, Topology
from providers import Observed
from providers.local import process

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("terraform", "qemu-system-x86_64", "qemu-img"))), reason="terraform and QEMU are needed"
)
NAMES = ("etcd1", "etcd2")
LOOKS = 3  # after a start, until a machine says that it is ready


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    yield stack
    stack.clean()


def write(stack: Stack, memory: int) -> None:
    stack.write(
        f"""
resource "anywhere_document" "release" {{
  key     = "release.json"
  roles   = ["etcd"]
  content = "{memory}"
}}

resource "anywhere_machine" "machine" {{
  for_each   = toset({list(NAMES)!r})
  name       = each.key
  role       = "etcd"
  cpus       = 1
  memory     = {memory}
  disk       = 1
  base_image = "{BASE}"
  user_data  = "#cloud-config\\n"
  accel      = "tcg"
  grace      = 1
  depends_on = [anywhere_document.release]
}}

output "api" {{
  value = "https://127.0.0.1:${{anywhere_machine.machine["etcd1"].ssh_port}}"
}}

variable "secrets" {{
  type      = map(string)
  ephemeral = true
  default   = {{}}
}}
""".replace("'", '"')
    )


class Local:
    """What a target says of the stack's machines: each is ready some looks after its process began."""

    name, manages_workers, poll, api_remedy = "local", False, 0.01, ""
    addresses = providers.load("local").addresses

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.looks: dict[int | None, int] = {}
        self.seen: list[tuple[int, int]] = []  # the memory of both, by looks

    def observe(self, definition: object) -> tuple[Observed, ...]:
        self.seen.append(tuple(memory(self.stack, name) for name in NAMES))
        return tuple(map(self.observed, NAMES))

    def observed(self, name: str) -> Observed:
        pid = self.stack.pid(name)
        looks = self.looks[pid] = self.looks.get(pid, 0) + 1
        boot = f"anywhere: stage=boot t=0.{pid}\n"
        console = boot + (f"anywhere: stage=ready t=0.{pid}\n" if looks > LOOKS else "")
        return Observed(name, pid is not None, "", console, started=process.started(self.stack.machines / name))


def memory(stack: Stack, name: str) -> int:
    """MiB that the running process has."""
    words = Path(f"/proc/{stack.pid(name)}/cmdline").read_text().split("\0")
    return int(words[words.index("-m") + 1].removesuffix("M"))


def test_the_second_is_untouched_while_the_first_is_waited_for(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    phases = show(stream)
    runner = Terraform(stack.folder, tmp_path / "cache", phases, stack.env)
    write(stack, 64)
    runner.init()
    runner.apply(runner.plan({}), {})
    target, pids = Local(stack), [stack.pid(name) for name in NAMES]
    while not all("ready" in machine.console for machine in target.observe(None)):
        pass
    target.seen.clear()
    write(stack, 80)
    monkeypatch.setattr(kubeconfig, "write", lambda *args: tmp_path)
    nothing = SimpleNamespace(nodes=tuple, find=lambda path: None, close=lambda: None, pause=time.sleep)
    monkeypatch.setattr(cluster_api, "client", lambda path: nothing)
    machines = tuple(Machine(name, "etcd", 1, "", SIZES["tiny"], "amd64", "", {}, (), ("etcd",)) for name in NAMES)
    project = SimpleNamespace(definition=None, provider=target, release="", name="c")
    work = Workspace(project, None, Topology(machines), Known({}, {}, new=False), runner, {})  # type: ignore[arg-type]
    whole = runner.plan({})
    taken = rollout.batches(work, whole)
    rest = rollout.run(work, whole, taken, phases, [], 60)
    assert [batch.machines for batch in taken] == [("etcd1",), ("etcd2",)]
    assert list(dict.fromkeys(target.seen)) == [(64, 64), (80, 64), (80, 80)]
    assert target.seen.count((80, 64)) > LOOKS and target.seen.count((80, 80)) > LOOKS
    assert rest.empty and all(stack.pid(name) not in pids for name in NAMES)
    runner.apply(rest, {})
    assert "arget" not in stream.getvalue()  # Terraform's warnings about a plan that is but a part
    stack.settled()
