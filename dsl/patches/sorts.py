"""What can be said of a program's values before it is run: the sort of each name and expression, or ``Any``.

Of one name all bindings count together, wherever they stand: a name that is a region here and a text there is ``Any``.
So what is said here holds in every run.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsl.patches.declared import (
    ANY,
    ATTRIBUTES,
    BOOL,
    DICT,
    FUNCTION,
    FUNCTIONS,
    INPUTS,
    LIST,
    METHODS,
    MODULES,
    NOTHING,
    NUMBER,
    PLAIN_BUILTINS,
    SET,
    TEXT,
    TUPLE,
    base,
    item,
    sorts_with,
)  # fmt: skip
from dsl.syntax import ast

_BUILTINS = {
    **dict.fromkeys(("len", "abs", "int", "float", "round"), NUMBER),
    **dict.fromkeys(("any", "all", "bool"), BOOL),
    "str": TEXT, "range": f"{LIST}[{NUMBER}]", "enumerate": f"{LIST}[{TUPLE}]", "zip": f"{LIST}[{TUPLE}]",
    "set": SET, "dict": DICT, "tuple": TUPLE, "sum": ANY,
}  # fmt: skip
_PLAIN = {ast.Text: TEXT, ast.FString: TEXT, ast.Number: NUMBER, ast.Truth: BOOL, ast.Nothing: NOTHING,
          ast.TupleDisplay: TUPLE, ast.SetDisplay: SET, ast.DictDisplay: DICT, ast.Comparison: BOOL,
          ast.Lambda: FUNCTION}  # fmt: skip
_ROUNDS = 4


class Sorts:
    """The sorts of one program's names.

    Parameters
    ----------
    program
        Its tree, in normal form.
    """

    def __init__(self, program: ast.Program) -> None:
        self._bindings = list(_bindings(program))
        self.bound = frozenset(name for name, _, _ in self._bindings)
        self._names: dict[str, str] = {}
        for _ in range(_ROUNDS):
            found: dict[str, str] = {}
            for name, value, how in self._bindings:
                sort = self._bound_to(value, how)
                if sort:
                    found[name] = joined(found[name], sort) if name in found else sort
            if found == self._names:
                return
            self._names = found
        self._names = dict.fromkeys(self._names, ANY)  # not settled: nothing is said

    def of(self, node: ast.Node) -> str:
        """Return the sort of an expression."""
        return self._of(node) or ANY

    def _bound_to(self, value: ast.Node | None, how: str) -> str:
        """Return the sort that a binding gives its name; ``""`` while it is not known."""
        if value is None:
            return ANY
        sort = self._of(value)
        return sort if how == "value" or not sort else item(sort)

    def _of(self, node: ast.Node) -> str:
        """Return the sort of an expression, ``""`` while it hangs on names that have none yet."""
        match node:
            case ast.Name():
                if node.id in self.bound:
                    return self._names.get(node.id, "")
                return INPUTS.get(node.id, FUNCTION if node.id in FUNCTIONS or node.id in PLAIN_BUILTINS else ANY)
            case ast.Call():
                return self._call(node)
            case ast.Attribute():
                return self._member(node, called=False)
            case ast.Subscript():
                sort = self._of(node.value)
                return sort if isinstance(node.index, ast.Slice) or not sort else item(sort)
            case ast.ListDisplay():
                return _list_of([self._of(i) for i in node.items])
            case ast.Comprehension():
                kind = {"list": LIST, "generator": LIST, "set": SET, "dict": DICT}.get(node.kind, ANY)
                return _list_of([self._of(node.element)]) if kind == LIST else kind
            case ast.Unary():
                return BOOL if node.op == "not" else ANY if node.op == "~" else NUMBER
            case ast.Binary():
                left, right = self._of(node.left), self._of(node.right)
                if left == right == SET or (left == right and left in (TEXT, NUMBER)):
                    return left
                return joined(left, right) if base(left) == base(right) == LIST else ANY
            case ast.Connective():
                return _all_joined([self._of(o) for o in node.operands])
            case ast.Conditional():
                return _all_joined([self._of(node.then), self._of(node.otherwise)])
        return _PLAIN.get(type(node), ANY)

    def _call(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Attribute):
            return self._member(node.func, called=True)
        if not isinstance(node.func, ast.Name) or node.func.id in self.bound:
            return ANY
        name = node.func.id
        if name == "best_image_match" and (len(node.args) > 2 or _has(node, "return_index")):
            return ANY
        if name in FUNCTIONS:
            return FUNCTIONS[name].gives
        if name in ("list", "sorted", "max", "min") and len(node.args) == 1 and not _has(node, "default"):
            sort = self._of(node.args[0])
            if name in ("max", "min") or not sort:
                return item(sort) if sort else ""
            return f"{LIST}[{item(sort)}]" if item(sort) != ANY else LIST
        return _BUILTINS.get(name, LIST if name in ("list", "sorted") else ANY)

    def _member(self, node: ast.Attribute, *, called: bool) -> str:
        module = module_of(node, self)
        if module:
            found = MODULES[module].get(node.name)
            return NUMBER if found is not None else ANY
        sort = self._of(node.value)
        if not sort:
            return ""
        having = [base(sort)] if base(sort) != ANY else sorts_with(node.name)
        gives = set()
        for one in having:
            if called and node.name in METHODS.get(one, {}):
                gives.add(METHODS[one][node.name].gives)
            elif not called and node.name in ATTRIBUTES.get(one, {}):
                gives.add(ATTRIBUTES[one][node.name].gives)
        if gives == {LIST} and sort != base(sort):  # a copy has the same items
            return sort
        return gives.pop() if len(gives) == 1 else ANY


def _has(node: ast.Call, keyword: str) -> bool:
    return any(k.name == keyword for k in node.keywords)


def module_of(node: ast.Attribute, sorts: Sorts) -> str:
    """Return the module that ``math.sqrt`` is of, or ``""``."""
    name = node.value.id if isinstance(node.value, ast.Name) else ""
    return name if name in MODULES and name not in sorts.bound else ""


def joined(first: str, second: str) -> str:
    """Return the sort that covers both; None is covered by any other."""
    if first == second or second in ("", NOTHING):
        return first
    if first in ("", NOTHING):
        return second
    if base(first) == base(second) == LIST:
        return LIST
    return ANY


def _all_joined(sorts: list[str]) -> str:
    found = ""
    for sort in sorts:
        found = joined(found, sort)
    return found


def _list_of(sorts: list[str]) -> str:
    of = _all_joined(sorts) if sorts else ANY
    return f"{LIST}[{of}]" if of and of not in (ANY, NOTHING) and "[" not in of else LIST


def _bindings(program: ast.Program) -> Iterator[tuple[str, ast.Node | None, str]]:
    """Yield each binding: the name, what it is bound to (``None``: unknown), and whether to its ``value`` or its
    ``item``."""
    keyed: dict[int, ast.Node] = {}  # a lambda by which items are put in order → the items
    for node in ast.walk(program):
        match node:
            case ast.Assign():
                for target in node.targets:
                    yield from _target(target, node.value, "value")
            case ast.AugAssign():
                if isinstance(node.target, ast.Name):
                    yield node.target.id, ast.Binary(node.op, node.target, node.value), "value"
            case ast.For() | ast.Clause():
                yield from _target(node.target, node.iterable, "item")
            case ast.FunctionDef():
                yield node.name, None, "value"
                yield from ((param.name, None, "value") for param in node.params)
            case ast.Call():
                items = node.func.value if isinstance(node.func, ast.Attribute) else next(iter(node.args), None)
                keyed |= {id(k.value): items for k in node.keywords if k.name == "key" and items is not None}
            case ast.Lambda(params=(name,)):
                yield name, keyed.get(id(node)), "item"
            case ast.Lambda():
                yield from ((name, None, "value") for name in node.params)


def _target(target: ast.Node, value: ast.Node, how: str) -> Iterator[tuple[str, ast.Node | None, str]]:
    if isinstance(target, ast.Name):
        yield target.id, value, how
    elif isinstance(target, ast.TupleDisplay):
        pairs = _pairs(value, how) if len(target.items) == 2 else None
        for k, part in enumerate(target.items):
            if pairs is not None and isinstance(part, ast.Name):
                yield part.id, *pairs[k]
            elif isinstance(part, ast.Name):
                yield part.id, None, "value"
            else:
                yield from _target(part, ast.Name("", span=part.span), how)


def _pairs(value: ast.Node, how: str) -> list[tuple[ast.Node, str]] | None:
    """Return what the two parts of each pair are, of ``enumerate(items)`` and ``zip(items, items)``."""
    if how != "item" or not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name):
        return None
    if value.func.id == "enumerate" and len(value.args) == 1:
        return [(ast.Number(0), "value"), (value.args[0], "item")]
    if value.func.id == "zip" and len(value.args) == 2:
        return [(value.args[0], "item"), (value.args[1], "item")]
    return None
