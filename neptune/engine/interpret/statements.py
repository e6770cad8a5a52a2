"""Statements: a tree walk with limits over assignments, branches, loops and definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dsl.check.scopes import Place, assigned
from dsl.errors import LimitError, ProgramError
from dsl.syntax import ast
from neptune.engine.interpret import methods, operators
from neptune.engine.interpret.running import RunningProgram
from neptune.engine.interpret.values import Closure


class Returned(Exception):
    """A ``return`` was reached, with this value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Broken(Exception):
    """A ``break`` was reached."""


class Continued(Exception):
    """A ``continue`` was reached."""


MAX_DEPTH = 100


class Statements(RunningProgram):
    """Runs statements; how an expression is evaluated is the interpreter's part."""

    _statements = 0

    def run(self, program: ast.Program) -> Any:
        """Run the program and return its result, possibly still lazy.

        Raises
        ------
        dsl.ProgramError
            For a mistake that shows only while running, or a limit that is reached.
        """
        # By the identity of a body, which the program holds.
        self._assigned: dict[int, Mapping[str, Place]] = {}
        self.work.begin(program)
        *first, last = program.body
        self.scope.assigned = self.assigned_by(program.body)
        try:
            self.block(first)
            if isinstance(last, ast.ExprStatement):
                return self.eval(last.value)
            self.block([last])
        except Returned as returned:
            return returned.value
        except RecursionError:
            # Functions that call one another through their arguments: f(f).
            raise LimitError("depth", MAX_DEPTH, None, last.span, what="calls inside one another") from None
        if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
            self.note(f"the program ends with an assignment; its result is '{last.targets[0].id}'")
            return self.scope.names[last.targets[0].id]
        return self.fell_through(last)

    def fell_through(self, last: ast.Stmt) -> Any:
        """Say what comes of a program that ends without a result."""
        raise ProgramError(
            "The program returned nothing", last.span, expected="a result", hint="end with 'return …' or an expression"
        )

    def shown(self, value: Any) -> dict[str, Any]:
        """Return what an answer says of a result besides: fields of an answer."""
        return {}

    def assigned_by(self, body: ast.Expr | tuple[ast.Stmt, ...]) -> Mapping[str, Place] | None:
        """Return what statements of a body may bind, and from where on; ``None`` for an expression."""
        if not isinstance(body, tuple):
            return None
        found = self._assigned.get(id(body))
        if found is None:
            found = self._assigned[id(body)] = assigned(body)
        return found

    def block(self, statements: Iterable[ast.Stmt]) -> None:
        """Run statements in order."""
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.Stmt) -> None:
        """Run one statement."""
        self._statements += 1
        if self._statements > self.limits.statements:
            raise LimitError("statements", self.limits.statements, None, node.span)
        match node:
            case ast.Assign():
                value = self.eval(node.value)
                for target in node.targets:
                    self.assign(target, value)
            case ast.AugAssign():
                current = self.eval(node.target)
                result = operators.binary(self, node.op, current, self.eval(node.value), node)
                self.assign(node.target, self.replaced(current, result, node))
            case ast.ExprStatement():
                self.eval(node.value)
            case ast.If():
                self.block(node.body if self.truth(self.eval(node.test), node.test) else node.orelse)
            case ast.For():
                for item in self.iterate(self.eval(node.iterable), node.iterable):
                    self.assign(node.target, item)
                    try:
                        self.block(node.body)
                    except Broken:
                        break
                    except Continued:
                        continue
                else:
                    self.block(node.orelse)
            case ast.FunctionDef():
                # As in Python: once, here and not when it is called.
                defaults = {p.name: self.eval(p.default) for p in node.params if p.default is not None}
                self.scope.names[node.name] = Closure(node.name, node.params, node.body, self.scope, defaults)
            case ast.Return():
                raise Returned(self.eval(node.value) if node.value is not None else None)
            case ast.Break():
                raise Broken
            case ast.Continue():
                raise Continued
            case ast.Pass():
                pass

    def replaced(self, current: Any, result: Any, node: ast.Stmt) -> Any:
        """Return what ``x op= y`` binds: a list or a set itself, changed for all its names, as in Python."""
        if isinstance(current, list) and isinstance(result, list):
            current[:] = result
        elif isinstance(current, set) and isinstance(result, set):
            kept = set(result)  # `x |= x` is both
            current.clear()
            current.update(kept)
        else:
            return result
        if any(isinstance(item, list | tuple | dict | set) for item in current):
            self.weigh(current, node)
        return current

    def assign(self, target: ast.Expr, value: Any) -> None:
        """Bind a name, an element, or several names at once."""
        match target:
            case ast.Name():
                self.scope.names[target.id] = value
            case ast.TupleDisplay() | ast.ListDisplay():
                items = list(self.iterate(value, target))
                if len(items) != len(target.items):
                    raise ProgramError(
                        f"{len(items)} values can not be unpacked into {len(target.items)} names",
                        target.span,
                        expected=f"{len(target.items)} values",
                    )
                for each, item in zip(target.items, items, strict=True):
                    self.assign(each, item)
            case ast.Subscript():
                container, index = self.eval(target.value), self.eval(target.index)  # type: ignore[arg-type]
                methods.set_item(self, container, index, value, target)
            case _:
                raise ProgramError("This can not be assigned to", target.span, expected="a name")
