"""The house keeps its shape: imports run one way, files and functions stay small, only the CLI speaks."""

import ast
import tomllib
from pathlib import Path

import pytest

from generator import __version__

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("generator/**/*.py"), *ROOT.glob("providers/**/*.py")])
FILE_LINES, FUNCTION_LINES = 400, 40

# A file may import from its own rank and those below it; a package counts as one.
RANKS = (
    (
        *("addon_catalog", "directories", "dns_names", "errors", "git", "image_reference", "interrupts", "progress"),
        *("terraform_details", "yaml_text"),
    ),
    ("command", "debian", "download", "files", "outbound", "terraform_command", "terraform_process", "terraform_state"),
    ("own_addon", "sections", "recipients"),
    ("definition", "source", "kubernetes_version"),
    ("decode", "manifests", "topology", "supported"),
    ("site",),
    ("schema", "registry_login"),
    ("lock", "lock_changes", "agekey", "store"),
    ("pki", "addons", "applied", "components", "release", "kubernetes", "workloads", "node", "node_proxy"),
    ("render", "terraform", "terraform_binary", "terraform_messages", "status", "images", "packages"),
    ("rendered_folder", "release_changes"),
    ("drawing",),
    ("operations",),
    ("cli",),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}


def imported(tree):
    """Every dotted name that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parts(path):
    return path.relative_to(ROOT).with_suffix("").parts


@pytest.fixture(scope="module")
def trees():
    return {path: ast.parse(path.read_text(), str(path)) for path in FILES}


def test_every_module_of_the_generator_has_a_rank():
    assert {parts(path)[1] for path in FILES if parts(path)[0] == "generator"} - {"__init__"} <= RANK.keys()


def test_imports_run_one_way(trees):
    wrong = []
    for path, tree in trees.items():
        package, module, *_ = parts(path)
        if package != "generator" or module == "__init__":
            continue
        for name in imported(tree):
            into = name.split(".")
            if into[0] == "generator" and len(into) > 1 and RANK[into[1]] > RANK[module]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_only_operations_and_the_cli_touch_providers(trees):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in trees.items()
        for name in imported(tree)
        if name.split(".")[0] == "providers"
        and parts(path)[0] == "generator"
        and parts(path)[1] not in ("operations", "cli")
    ]
    assert wrong == []


def test_providers_know_neither_the_cli_nor_each_other(trees):
    wrong = []
    for path, tree in trees.items():
        package, own, *_ = parts(path)
        if package != "providers" or own == "__init__":
            continue
        others = {"local", "aws", "gce"} - {own}
        for name in imported(tree):
            into = [*name.split("."), ""]
            if into[:2] in (["generator", "cli"], ["generator", "operations"]) or (
                into[0] == "providers" and into[1] in others
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def exits_or_prints(node):
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("print", "sys.exit", "exit", "os._exit")
    return isinstance(node, ast.Raise) and node.exc is not None and "SystemExit" in ast.unparse(node.exc)


def entry_point(node):
    """`main` of a program of its own, such as the Terraform provider, ends its process itself."""
    return isinstance(node, ast.FunctionDef) and node.name == "main"


def outside_mains(tree):
    queue = [tree]
    while queue:
        node = queue.pop()
        yield node
        queue += [child for child in ast.iter_child_nodes(node) if not entry_point(child)]


def test_only_the_cli_prints_and_exits(trees):
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        if parts(path)[:2] != ("generator", "cli")
        for node in outside_mains(tree)
        if exits_or_prints(node)
    ]
    assert wrong == []


def test_the_generator_knows_no_resource_of_a_module(trees):
    kinds = (
        "aws_",
        "google_",
        "anywhere_disk",
        "anywhere_machine",
        "anywhere_document",
        "anywhere_network",
        "anywhere_store",
    )
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        if parts(path)[0] == "generator"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(kind in node.value for kind in kinds)
    ]
    assert wrong == []


WRITERS = ("write_text", "write_bytes", "mkstemp", "NamedTemporaryFile")
# These write only what is theirs alone: temporary folders, and files of the kernel.
OWN_FILES = ("generator/packages/apt.py", "generator/kubernetes.py", "providers/local/bake.py")
OWN_FOLDERS = ("providers/local/container/",)


def test_files_that_matter_have_one_writer(trees):
    wrong = []
    for path, tree in trees.items():
        name = str(path.relative_to(ROOT))
        if name == "generator/files.py" or name in OWN_FILES or name.startswith(OWN_FOLDERS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in WRITERS:
                wrong.append(f"{name}:{node.lineno} {node.attr}")
    assert wrong == []


# These hold files that a person keeps, and may have linked from elsewhere: `rewrite` follows links.
KEPT = ("generator/lock.py", "generator/store.py", "generator/operations/rollback.py")
KEPT += ("generator/operations/user_kubeconfig.py", "generator/operations/registry_client.py")


def test_files_that_a_person_keeps_are_rewritten_and_not_replaced():
    assert [name for name in KEPT if "write_atomic" in (ROOT / name).read_text()] == []


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("weave.local", "generator/dns_names.py"),
        ("urlopen", "generator/download.py"),
        ("kubelet-client-current.pem", "generator/pki/documents.py"),
    ],
)
def test_what_has_one_place_stands_nowhere_else(text, home):
    found = [str(path.relative_to(ROOT)) for path in FILES if text in path.read_text()]
    assert found == [home]


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"].get("version", __version__) == __version__
    assert f'version = "{__version__}"' in (ROOT / "modules" / "local" / "versions.tf").read_text()


def test_only_the_cli_shows_anything(trees):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, tree in trees.items()
        if parts(path)[:2] != ("generator", "cli")
        for name in imported(tree)
        if name.split(".")[0] in ("typer", "rich")
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["generator", "providers", "modules", "benchmarks", "examples", "tests"])
def test_files_and_functions_stay_small(folder):
    wrong = []
    for path in sorted(ROOT.glob(f"{folder}/**/*.py")):
        text = path.read_text()
        if (lines := len(text.splitlines())) > FILE_LINES:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text, str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > FUNCTION_LINES:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert wrong == []
