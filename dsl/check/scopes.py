"""What the checker knows of names: which are bound where, and to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from dsl.syntax import ast

Place = tuple[int, int]
"""A line and a column of the text, from 1."""


@dataclass(slots=True)
class Binding:
    """A name of the program.

    Parameters
    ----------
    kind
        ``"function"`` (a def, or a lambda given a name), ``"variable"`` (bound by a quantifier's lambda or a
        parameter) or ``"value"``.
    least, most
        The arguments a function takes.
    params
        Their names.
    sort
        What it is one of, where that is known.
    members
        Of a list, what its items are, where that is known.
    """

    kind: str
    least: int = 0
    most: int = 0
    params: tuple[str, ...] = ()
    sort: str = ""
    members: str = ""


@dataclass(slots=True)
class Scope:
    """Names bound in one function, lambda or comprehension, and the scope around it."""

    parent: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)

    def _around(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def find(self, name: str) -> Binding | None:
        """Return what the name is bound to here or further out, or ``None``."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def bind(self, name: str, binding: Binding) -> None:
        """Bind a name here. A function bound twice with different arguments becomes a plain value."""
        before = self.names.get(name)
        if before is not None and before != binding and "function" in (before.kind, binding.kind):
            binding = Binding("value")
        self.names[name] = binding

    def variables(self) -> list[str]:
        """Return the variables of the lambdas around, innermost first."""
        found = (n for scope in self._around() for n, b in scope.names.items() if b.kind == "variable")
        return list(dict.fromkeys(found))

    def visible(self) -> list[str]:
        """Return all names that can be used here."""
        return list(dict.fromkeys(name for scope in self._around() for name in scope.names))


def assigned(body: tuple[ast.Stmt, ...]) -> dict[str, Place]:
    """Return the names that statements of one function, or of the program, may give a value, and from where on.

    As for the checker, a name means what the program binds from its first binding on; before, it is a predicate.
    """
    out: dict[str, Place] = {}

    def bind(target: ast.Expr, span: ast.Span | None, end: bool) -> None:
        for name in _names(target):
            if span is not None:
                out.setdefault(name.id, (span.end_line, span.end_column) if end else (span.line, span.column))

    for node in body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                bind(target, node.span, True)
        elif isinstance(node, ast.For):
            bind(node.target, node.target.span, True)
        elif isinstance(node, ast.FunctionDef):
            bind(ast.Name(node.name), node.span, False)
        for block in [node.body, node.orelse] if isinstance(node, ast.If | ast.For) else []:
            for name, place in assigned(block).items():
                out.setdefault(name, place)
    return out


def _names(target: ast.Expr) -> list[ast.Name]:
    if isinstance(target, ast.TupleDisplay):
        return [n for item in target.items for n in _names(item)]
    return [target] if isinstance(target, ast.Name) else []


def function_binding(params: tuple[ast.Param, ...]) -> Binding:
    """Return the binding of a function with these parameters."""
    least = sum(p.default is None for p in params)
    return Binding("function", least, len(params), tuple(p.name for p in params))


def named_functions(program: ast.Program) -> dict[str, ast.FunctionDef | ast.Lambda]:
    """Return the functions that have names: defs, and lambdas assigned to a name, anywhere in the program."""
    out: dict[str, ast.FunctionDef | ast.Lambda] = {}
    for node in ast.walk(program):
        if isinstance(node, ast.FunctionDef):
            out[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    out[target.id] = node.value
    return out


def recursion(program: ast.Program) -> list[tuple[ast.Node, list[str]]]:
    """Return each function that can call itself, with the names on the way: ``f → g → f``."""
    functions = named_functions(program)
    calls: dict[str, list[str]] = {}
    for name, node in functions.items():
        params = {p.name if isinstance(p, ast.Param) else p for p in node.params}
        used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        calls[name] = [u for u in dict.fromkeys(used) if u in functions and u not in params]
    out: list[tuple[ast.Node, list[str]]] = []
    reported: set[str] = set()
    for name in calls:
        if name in reported:
            continue
        path = _path_back(calls, name)
        if path:
            reported.update(path)
            out.append((functions[name], path))
    return out


def _path_back(calls: dict[str, list[str]], start: str) -> list[str]:
    """Return the shortest chain of calls from `start` to itself, or an empty list."""
    came: dict[str, str] = {}
    queue = [start]
    for current in queue:
        for other in calls[current]:
            if other == start:
                chain = [start, current]
                while chain[-1] != start:
                    chain.append(came[chain[-1]])
                return chain[::-1] if current != start else [start, start]
            if other not in came:
                came[other] = current
                queue.append(other)
    return []
