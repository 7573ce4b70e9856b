"""The package as others install it: its version, what it declares to need, its types, its licence."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import generator

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("generator", "providers", "modules")
OURS = {*PACKAGES, "examples", "tests", "benchmarks", "agent"}


def name_of(requirement):
    """The normalized name of the distribution that a requirement, or a line of a lock, is of."""
    return re.sub(r"[._-]+", "-", re.split(r"[\s\[<>=!~;]", requirement)[0]).lower()


def owners():
    """Module or package -> the distribution that it came with; packages that many share are left out."""
    found = {}
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            if file.suffix in (".py", ".so", ".pyi") and ".." not in file.parts:
                module = ".".join((*file.parts[:-1], file.name.partition(".")[0]))
                found[module.removesuffix(".__init__")] = name_of(distribution.name)
    return found


def imports(folder):
    """Every import of other people's modules below `folder`, with the file that has it."""
    for path in sorted((ROOT / folder).glob("**/*.py")):
        beside = {other.stem for other in (*path.parent.iterdir(), *(ROOT / "tests").iterdir())}
        for node in ast.walk(ast.parse(path.read_text(), str(path))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names | OURS and (folder != "tests" or top not in beside):
                    yield name, path.relative_to(ROOT)


def undeclared(folders, declared, owned):
    for folder in folders:
        for name, path in imports(folder):
            parts = name.split(".")
            prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
            owner = next((owned[prefix] for prefix in prefixes if prefix in owned), f"unknown ({name})")
            if owner not in declared:
                yield f"{path}: {name} of {owner}"


def test_what_is_imported_is_declared():
    needed = {name_of(each) for each in PROJECT["dependencies"]}
    tested = needed | {name_of(each) for each in PROJECT["optional-dependencies"]["test"]}
    owned = owners()
    assert sorted(set(undeclared(PACKAGES, needed, owned))) == []
    assert sorted(set(undeclared(("examples", "tests", "benchmarks", "setup"), tested, owned))) == []
    without = needed - {"botocore"}
    assert any("botocore" in each for each in undeclared(PACKAGES, without, owned))


@pytest.mark.parametrize("lock", ["requirements", "runtime", "checkov", "docs"])
def test_every_locked_package_has_one_version_and_hashes(lock):
    entries = re.split(r"\n(?=\S)", (ROOT / "setup" / f"{lock}.txt").read_text().partition("\n")[2].strip())
    for entry in entries:
        assert re.match(r"[\w.\[\]-]+==\S+ ", entry) and "--hash=sha256:" in entry, entry
    locked = {name_of(entry) for entry in entries}
    if lock in ("requirements", "runtime"):
        wanted = [
            *PROJECT["dependencies"],
            *(PROJECT["optional-dependencies"]["test"] if lock == "requirements" else ()),
        ]
        assert {name_of(each) for each in wanted} <= locked
    else:
        lines = (ROOT / "setup" / f"{lock}.in").read_text().splitlines()
        assert {name_of(line) for line in lines if not line.startswith("#")} <= locked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree, built without a network."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    script = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, capture_output=True, text=True, check=True)
    with zipfile.ZipFile(folder / done.stdout.splitlines()[-1]) as archive:
        yield archive


def test_the_wheel_has_types_licence_and_the_version_of_the_code(wheel):
    names = set(wheel.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    info = f"kubernetes_anywhere-{generator.__version__}.dist-info"
    assert f"{info}/licenses/LICENSE" in names
    assert f"Version: {generator.__version__}\n" in wheel.read(f"{info}/METADATA").decode()


def test_mypy_passes_for_those_who_use_the_package(wheel, tmp_path):
    """Away from this repository and its settings: what they import has types, and no error of ours is theirs."""
    wheel.extractall(tmp_path / "installed")
    (tmp_path / "user.py").write_text(
        "from pathlib import Path\n"
        "from generator.schema import load\n"
        "from providers.local import provider\n"
        'reveal_type(load(Path("cluster.yaml")).name)\n'
        "reveal_type(provider().name)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "user.py"]
    environment = {"PATH": "/usr/bin:/bin", "MYPYPATH": str(tmp_path / "installed")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count('"str"') == 2 and '"Any"' not in done.stdout
