"""The checker's half for statements: blocks, bindings, functions, and whether there is a result."""

from __future__ import annotations

from collections.abc import Iterator

from dsl.builtins import BUILTINS
from dsl.check.expressions import Expressions
from dsl.check.scopes import Binding, Scope, function_binding, recursion
from dsl.syntax import ast


class Statements(Expressions):
    """Walks the statements in order; bodies of functions last, when every name around them is bound."""

    def program(self, tree: ast.Program) -> None:
        """Check a whole program; faults go to ``errors``."""
        top = Scope()
        changed = (
            n.func.value for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
        )
        self.grown = {value.id for value in changed if isinstance(value, ast.Name)}
        self.block(tree.body, top, loop=False)
        for node, path in recursion(tree):
            self.fault(
                f"'{path[0]}' calls itself ({' → '.join(path)})",
                node,
                expected="functions that do not call themselves",
                hint="use a for statement, or a quantifier",
            )
        if not _gives_result(tree.body):
            self.fault(
                "the program gives no result",
                tree.body[-1],
                expected="an expression on the last line, or a return",
                hint="end with return and the value",
            )
        for node in _results(tree.body):
            self.result(node, top)

    def result(self, node: ast.Expr, scope: Scope) -> None:
        """Check what a program gives: the bare name of a sort or of a built-in function is no answer.

        It is what is left of prose where a model begins a sentence: "The".
        """
        if not isinstance(node, ast.Name) or scope.find(node.id) is not None:
            return
        name, words = node.id, self.vocabulary
        kind = "built-in function" if name in BUILTINS else "sort" if words.sort_named(name) is not None else ""
        if kind and words.value_named(name) is None:
            self.fault(
                f"the program gives the {kind} '{name}'",
                node,
                expected="a truth, a number, a text or an object",
                hint=f'write it as a text if it is the answer: "{name}"',
            )

    def block(self, body: tuple[ast.Stmt, ...], scope: Scope, *, loop: bool) -> None:
        """Check statements, then the bodies of the functions among them."""
        later: list[ast.FunctionDef] = []
        self._statements(body, scope, loop, later)
        for node in later:
            inner = Scope(scope)
            for param in node.params:
                self.parameter(inner, param)
            self.block(node.body, inner, loop=False)

    def parameter(self, scope: Scope, param: ast.Param) -> None:
        """Bind a function's parameter inside it."""
        self.bind(scope, param.name, param, Binding("value"))

    def _statements(self, body: tuple[ast.Stmt, ...], scope: Scope, loop: bool, later: list[ast.FunctionDef]) -> None:
        for node in body:
            if isinstance(node, ast.ExprStatement):
                self.expression(node.value, scope)
            elif isinstance(node, ast.Return):
                if node.value is not None:
                    self.expression(node.value, scope)
            elif isinstance(node, ast.Assign):
                self._assign(node, scope)
            elif isinstance(node, ast.AugAssign):
                self.expression(node.target, scope)
                self.expression(node.value, scope)
                if isinstance(node.target, ast.Name):
                    self.bind(scope, node.target.id, node.target, Binding("value"))
            elif isinstance(node, ast.If):
                self.expression(node.test, scope)
                self._statements(node.body, scope, loop, later)
                self._statements(node.orelse, scope, loop, later)
            elif isinstance(node, ast.For):
                self.expression(node.iterable, scope)
                self.target(node.target, scope, self.member_of(node.iterable, scope))
                self._statements(node.body, scope, True, later)
                self._statements(node.orelse, scope, loop, later)
            elif isinstance(node, ast.FunctionDef):
                self._function(node, scope)
                later.append(node)
            elif isinstance(node, ast.Import):
                self.fault(
                    "the language has no 'import'",
                    node,
                    hint="everything a program may use is built in; leave the import out",
                )
            elif isinstance(node, ast.Break | ast.Continue) and not loop:
                word = "break" if isinstance(node, ast.Break) else "continue"
                self.fault(f"'{word}' outside a for statement", node, hint=f"leave '{word}' out, or put it in a loop")

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        if isinstance(node.value, ast.Lambda):
            binding = function_binding(tuple(ast.Param(p) for p in node.value.params))
            for target in node.targets:
                if isinstance(target, ast.Name):  # before the body: the lambda sees its own name
                    self.bind(scope, target.id, target, binding)
            self.expression(node.value, scope)
            names: tuple[ast.Expr, ...] = tuple(t for t in node.targets if not isinstance(t, ast.Name))
        else:
            self.expression(node.value, scope)
            names = node.targets
        held = self.held_by(node.value, scope)
        for target in names:
            before = scope.names.get(target.id) if isinstance(target, ast.Name) else None
            # given another sort of thing before, perhaps in another branch: what it is here is not known
            sure = before is None or (before.sort, before.members) == (held.sort, held.members)
            self.target(target, scope, held if isinstance(target, ast.Name) and sure else None)

    def _function(self, node: ast.FunctionDef, scope: Scope) -> None:
        seen: set[str] = set()
        optional = False
        for param in node.params:
            if param.name in seen:
                self.fault(f"the parameter '{param.name}' occurs twice", param, hint="give it another name")
            seen.add(param.name)
            if param.default is not None:
                optional = True
                self.expression(param.default, scope)
            elif optional:
                self.fault(
                    f"the parameter '{param.name}' without a default follows one with a default",
                    param,
                    hint="put parameters with defaults last",
                )
        self.bind(scope, node.name, node, function_binding(node.params))


def _results(body: tuple[ast.Stmt, ...], whole: bool = True) -> Iterator[ast.Expr]:
    """Yield what a program may give: what is returned outside its functions, and the last line's value."""
    for node in body:
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        if isinstance(node, ast.If | ast.For):
            yield from _results(node.body, False)
            yield from _results(node.orelse, False)
    last = body[-1] if body else None
    if whole and isinstance(last, ast.ExprStatement | ast.Assign):
        yield last.value


def _gives_result(body: tuple[ast.Stmt, ...]) -> bool:
    last = body[-1]
    named = isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name)
    return named or isinstance(last, ast.ExprStatement) or _returns(body)


def _returns(body: tuple[ast.Stmt, ...]) -> bool:
    for node in body:
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if isinstance(node, ast.If | ast.For) and (_returns(node.body) or _returns(node.orelse)):
            return True
    return False
