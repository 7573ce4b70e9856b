"""Mutants: a module without one of its calls, without one step of a verb, or without one of its refusals."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`text` is the whole module; `line` and `what` say what it lacks."""

    line: int
    what: str
    text: str


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = sorted(
        (node for node in ast.walk(tree) if _removable(node)), key=lambda node: (node.lineno, node.col_offset)
    )
    for node in found:
        yield Mutant(node.lineno, ast.unparse(node).splitlines()[0], _without(source, node))


def _removable(node: ast.AST) -> bool:
    """Whether a node is a call for its effect alone, a raise, or a step in a verb's list of steps."""
    match node:
        case ast.Expr(value=ast.Call()) | ast.Raise():
            return True
        case ast.Call(func=ast.Name(id="Step")):
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
