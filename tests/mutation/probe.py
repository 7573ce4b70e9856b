"""Probes: a module that does what it did, and notes which of the statements that mutants lack ran, and for which test.

Each probe is written into the module itself, so that it also works in a program that a test starts.
"""

import ast
from pathlib import Path

from tests.mutation.mutant import removable

# What probes call. NOTES is a folder: its `ran` gets lines of a module, the number of a statement, and a test. As a
# program may run without the environment of its test, each test that runs then may have started it.
CALLED = """
def _ran(number, noted=set()):
    import os, pathlib
    notes = pathlib.Path(NOTES)
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    for name in [test] if test else [path.read_text() for path in notes.glob("now-*")]:
        if (number, name) not in noted:
            noted.add((number, name))
            file = os.open(notes / "ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(file, f"{MODULE}\\t{number}\\t{name}\\n".encode())
            os.close(file)


def _step(number, step):
    run = step.run

    def ran(context):
        _ran(number)
        run(context)

    object.__setattr__(step, "run", ran)
    return step
"""


def probed(source: str, name: str, notes: Path) -> str:
    """The module `name` with a probe before all that its mutants lack."""
    tree = ast.parse(source)
    numbers = {node: number for number, node in enumerate(removable(tree))}
    tree = _Probes(numbers).visit(tree)
    called = CALLED.replace("NOTES", repr(str(notes))).replace("{MODULE}", name)
    tree.body[_head(tree) : _head(tree)] = ast.parse(called).body
    return ast.unparse(ast.fix_missing_locations(tree))


class _Probes(ast.NodeTransformer):
    def __init__(self, numbers: dict[ast.AST, int]) -> None:
        self._numbers = numbers

    def generic_visit(self, node: ast.AST) -> ast.AST | list[ast.AST]:
        number = self._numbers.get(node)
        super().generic_visit(node)
        if number is None:
            return node
        if isinstance(node, ast.Call):
            return _call("_step", ast.Constant(number), node)
        return [ast.Expr(_call("_ran", ast.Constant(number))), node]


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _head(tree: ast.Module) -> int:
    """How many statements must stay the first: the docstring, and imports from `__future__`."""
    head = 0
    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
                head += 1
            case _:
                break
    return head
