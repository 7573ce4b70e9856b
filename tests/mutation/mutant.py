"""Mutants: a module without one of its calls, without one step of a verb, or without one of its refusals."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

SAID_OR_SLEPT = ("print", "time.sleep")  # these guard nothing


@dataclass(frozen=True)
class Mutant:
    """`text` is the whole module; `line` and `what` say what it lacks."""

    line: int
    what: str
    text: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    for node in removable(ast.parse(source)):
        yield Mutant(node.lineno, ast.unparse(node).splitlines()[0], _without(source, node))


def removable(tree: ast.AST) -> list[ast.AST]:
    """What each mutant of a module lacks: a call for its effect alone, a raise, or a step in a verb's list of steps."""
    found = (node for node in ast.walk(tree) if _is_removable(node))
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _is_removable(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=called)):
            return ast.unparse(called) not in SAID_OR_SLEPT
        case ast.Raise() | ast.Call(func=ast.Name(id="Step")):
            return True
    return False


def _without(source: str, node: ast.AST) -> str:
    """`source` with the lines of `node` emptied: a statement becomes `pass`, a step leaves its tuple."""
    lines = source.splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno - 1
    before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    instead = "" if isinstance(node, ast.Call) else "pass"
    if isinstance(node, ast.Call):
        after = after.removeprefix(",")
    kept = "\n" * (last - first)  # so that every other line keeps its number
    return "".join((*lines[:first], before + instead + after.rstrip("\n") + kept + "\n", *lines[last + 1 :]))
