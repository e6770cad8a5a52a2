"""Runs a program: expressions over plain values and lazy formulas (its statements: `statements.py`).

A tree walk with limits. Nothing here computes a score: formulas become nodes of `dsl.plan`, and only a branch,
arithmetic or the result asks the :class:`~neptune.engine.interpret.values.Evaluator` for a plain value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from dsl import plan, work
from dsl.builtins import BUILTINS
from dsl.errors import LimitError, ProgramError
from dsl.plan import Node
from dsl.syntax import ast
from neptune.engine.interpret import builtins, methods, operators, quantifiers, truthiness, values
from neptune.engine.interpret.percepts import asked
from neptune.engine.interpret.statements import MAX_DEPTH, Returned, Statements


class Interpreter(Statements):
    """Runs one checked program on one scene."""

    _depth = _steps = 0

    # --- expressions -----------------------------------------------------------------------------

    def eval(self, node: ast.Expr) -> Any:
        """Evaluate an expression."""
        self._depth += 1
        self._steps += 1
        if self._steps > self.limits.iterations:
            raise LimitError("iterations", self.limits.iterations, None, node.span, what="the run")
        if not self._steps % 256:
            self.work.spend(work.STEPS, 256, node.span)
        if self._depth > MAX_DEPTH + self.limits.depth:
            raise LimitError("depth", MAX_DEPTH + self.limits.depth, None, node.span)
        try:
            return self._eval[type(node)](self, node)
        finally:
            self._depth -= 1

    def _fstring(self, node: ast.FString) -> str:
        parts = [p.value if isinstance(p, ast.Text) else self._formatted(p) for p in node.parts]
        return self.bounded("".join(parts), node)

    def _formatted(self, part: ast.Formatted) -> str:
        value = self.plain(self.eval(part.value), part)
        if not part.format:
            return self.text(value, part)
        # The parser admits plain formats only (".2f", ">5"): no attributes, no nested fields.
        plain = value if isinstance(value, str) else self.number(value, part.value)
        try:
            return format(plain, part.format)
        except ValueError as error:
            raise ProgramError(
                f"{values.kind_name(value).capitalize()} has no format '{part.format}'", part.span
            ) from error

    def _name(self, node: ast.Name) -> Any:
        found = self.scope.find(node.id)
        if found is not None:
            return found.names[node.id]
        missing = self._without_value(node)
        if missing is not None:
            raise missing
        return self._unbound(node)

    def _unbound(self, node: ast.Name) -> Any:
        """Return what a name means that the program does not bind."""
        if node.id in BUILTINS:
            return values.BuiltinRef(node.id)
        if node.id in ("objects", "Objects") or self.vocabulary.sort_named(node.id) is not None:
            return values.SortRef(self.vocabulary.sort_named(node.id) or "Object")
        if self.vocabulary.sort_of_value(node.id) is not None:
            return values.Value(self.vocabulary.value_named(node.id))
        return values.PredicateRef(node.id)

    def _without_value(self, node: ast.Name) -> ProgramError | None:
        """Return the error of a name that the program may bind, but has not bound on the way here."""
        if not self.scope.may_bind(node):
            return None
        return ProgramError(
            f"'{node.id}' has no value here",
            node.span,
            expected="a name that was given a value on the way here",
            hint=f"give '{node.id}' a value before the branch or loop that may not do so",
        )

    def _display(self, node: Any) -> Any:
        items = [self.eval(item) for item in node.items]
        if isinstance(node, ast.ListDisplay):
            return self.weigh(items, node)
        if isinstance(node, ast.TupleDisplay):
            return self.weigh(tuple(items), node)
        return {self.key(i, node) for i in items}

    def _dict(self, node: ast.DictDisplay) -> Any:
        keys = [self.key(self.eval(k), k) for k in node.keys]
        made = dict(zip(keys, (self.eval(v) for v in node.values), strict=True))
        return self.weigh(made, node)

    def _lambda(self, node: ast.Lambda) -> Any:
        return values.Closure("lambda", tuple(ast.Param(p) for p in node.params), node.body, self.scope)

    def _unary(self, node: ast.Unary) -> Any:
        value = self.eval(node.operand)
        if node.op in ("not", "~"):
            if self.is_soft(value):
                return values.Formula(plan.negation(self.formula(value, node.operand)))
            if node.op == "~" and not isinstance(value, bool):
                raise ProgramError(
                    f"'~' needs a formula, not {values.kind_name(value)}", node.span, expected="a formula, e.g. red(x)"
                )
            return not self.truth(value, node.operand)
        number = self.number(value, node)
        return -number if node.op == "-" else number

    def _binary(self, node: ast.Binary) -> Any:
        return operators.binary(self, node.op, self.eval(node.left), self.eval(node.right), node)

    def _connective(self, node: ast.Connective) -> Any:
        """``and``/``or``: Python's on plain values; as soon as a formula takes part, the soft connective."""
        formulas: list[Node] = []
        plain: list[tuple[Any, ast.Expr]] = []
        for k, operand in enumerate(node.operands):
            value = self.eval(operand)
            if self.is_soft(value):
                formulas.append(self.formula(value, operand))
                continue
            if not formulas and k == len(node.operands) - 1 and isinstance(value, str):
                return value  # Python's, as in: query(…) or "unknown"
            plain.append((value, operand))
            others = [o for o in node.operands if o is not operand]
            if self.truth(value, operand, others) != (node.op == "and"):
                # A plain value that decides: in every logic false ∧ φ = false and true ∨ φ = true.
                if not formulas:
                    return value
                formulas = [plan.const(1.0 if node.op == "or" else 0.0)]
                break
        if not formulas:
            return value
        for value, operand in plain:
            self._beside_formula(value, operand)
        join = plan.conjunction if node.op == "and" else plan.disjunction
        return self.made(join(formulas), node)

    def _beside_formula(self, value: Any, operand: ast.Expr) -> None:
        """Check a plain value beside a formula: a text is no truth, nor is a literal, nor what stands in a quantifier's
        lambda, where Python's idea of a branch can not be meant."""
        if isinstance(value, bool | values.ObjectRef):
            return
        if self.binders or isinstance(value, str) or truthiness.is_written(self.scope, operand):
            raise truthiness.no_truth(self.vocabulary, self.scope, value, operand)
        self.note(f"{values.kind_name(value)} beside a formula was read as in Python: 0, empty and None are false")

    def _comparison(self, node: ast.Comparison) -> Any:
        left = self.eval(node.left)
        results: list[Any] = []
        for op, right_node in zip(node.ops, node.rights, strict=True):
            right = self.eval(right_node)
            results.append(operators.compare(self, op, left, right, node))
            if results[-1] is False:
                return False
            left = right
        soft = [r.node for r in results if isinstance(r, values.Formula)]
        return self.made(plan.conjunction(soft), node) if soft else True

    def _conditional(self, node: ast.Conditional) -> Any:
        test = self.eval(node.test)
        if isinstance(test, values.Formula) and test.node.free:
            # Inside a quantifier the test is soft: (test ∧ then) ∨ (¬test ∧ otherwise).
            then, otherwise = (self.formula(self.eval(part), part) for part in (node.then, node.otherwise))
            yes = plan.conjunction([test.node, then])
            no = plan.conjunction([plan.negation(test.node), otherwise])
            return self.made(plan.disjunction([yes, no]), node)
        return self.eval(node.then if self.truth(test, node.test) else node.otherwise)

    def _comprehension(self, node: ast.Comprehension) -> Any:
        found: list[Any] = []
        outer, self.scope = self.scope, values.Scope({}, self.scope)
        try:
            self._clauses(node, 0, found)
        finally:
            self.scope = outer
        if node.kind == "dict":
            return dict(found)
        return {self.key(v, node) for v in found} if node.kind == "set" else found

    def _clauses(self, node: ast.Comprehension, k: int, found: list[Any]) -> None:
        if k == len(node.clauses):
            element = self.eval(node.element)
            found.append((self.key(element, node), self.eval(node.value)) if node.value is not None else element)
            return
        clause = node.clauses[k]
        for item in self.iterate(self.eval(clause.iterable), clause.iterable):
            self.assign(clause.target, item)
            if all(self.truth(self.eval(c), c) for c in clause.conditions):
                self._clauses(node, k + 1, found)

    def _call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            target = self.eval(node.func.value)
            return methods.call(self, target, node.func.name, self._arguments(node), node)
        args, keywords = self._arguments(node)
        if isinstance(node.func, ast.Name) and self.scope.find(node.func.id) is None:
            missing = self._without_value(node.func)
            if missing is not None:
                raise missing
            builtin = BUILTINS.get(node.func.id)
            # round(x) of a quantifier's variable is the predicate, not the built-in.
            one_variable = len(args) == 1 and isinstance(args[0], values.Variable)
            if builtin is not None and not (builtin.also_predicate and one_variable):
                return builtins.call(self, node.func.id, args, keywords, node)
            return operators.predicate(self, node.func.id, args, node)
        return self.call_value(self.eval(node.func), args, node, keywords)

    def _arguments(self, node: ast.Call) -> tuple[list[Any], dict[str, Any]]:
        return [self.eval(a) for a in node.args], {k.name: self.eval(k.value) for k in node.keywords}

    def call_value(self, function: Any, args: list[Any], node: ast.Expr, keywords: dict[str, Any] | None = None) -> Any:
        """Call a function value: a closure, a built-in, a predicate's name, or a formula (which renames it)."""
        match function:
            case values.Closure():
                return self._apply(function, args, keywords or {}, node)
            case values.BuiltinRef():
                return builtins.call(self, function.name, args, keywords or {}, node)
            case values.PredicateRef():
                return operators.predicate(self, function.name, args, node)
            case values.Formula():
                return methods.rename(self, function, args, node)
        raise ProgramError(
            f"{values.kind_name(function).capitalize()} can not be called", node.span, expected="a function"
        )

    def _apply(self, function: values.Closure, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
        names = dict(zip((p.name for p in function.params), args, strict=False))
        unknown = keywords and set(keywords) - {p.name for p in function.params}
        if len(args) > len(function.params) or unknown or names.keys() & keywords.keys():
            raise ProgramError(
                f"'{function.name}' takes {len(function.params)} argument(s), got {len(args) + len(keywords)}",
                node.span,
            )
        names.update(keywords)
        outer = self.scope
        self.scope = values.Scope(names, function.scope, self.assigned_by(function.body))
        try:
            for param in function.params:
                if param.name not in names:
                    if param.name not in function.defaults:
                        raise ProgramError(f"'{function.name}' needs an argument '{param.name}'", node.span)
                    names[param.name] = function.defaults[param.name]
            if not isinstance(function.body, tuple):
                return self.eval(function.body)
            try:
                self.block(function.body)
            except Returned as returned:
                return returned.value
            return None
        finally:
            self.scope = outer

    def attribute_value(self, sort: str, target: Any, node: ast.Node) -> Any:
        """Return the value of a sort at an object: described by the vocabulary's values, or asked for."""
        return operators.attribute_value(self, sort, target, node)

    def is_soft(self, value: Any) -> bool:
        """Return whether the value is a formula, or stands for one."""
        return asked.is_truth(value) or super().is_soft(value)

    def formula(self, value: Any, node: ast.Expr | ast.Stmt) -> Node:
        """Return the truth node for a value."""
        return asked.truth(self, value, node) if asked.is_truth(value) else super().formula(value, node)

    def number(self, value: Any, node: ast.Expr | ast.Stmt) -> int | float:
        """Return a plain number, counting or asking if need be."""
        return super().number(asked.plain(self, value, node) if isinstance(value, values.Measured) else value, node)

    def plain(self, value: Any, node: ast.Node) -> Any:
        """Return a lazy value made plain."""
        return asked.plain(self, value, node) if isinstance(value, values.Measured) else super().plain(value, node)

    def member(self, sort: str, thing: Any, node: ast.Node) -> Node:
        """Return the formula that a thing is of a sort of things."""
        return quantifiers.member(self, sort, thing, node)

    def result(self, value: Any, last: ast.Stmt) -> Any:
        """Return what a program returned; free variables of a formula are objects, or containers where it is said of
        such."""
        found = super().result(asked.read_off(self, value, last), last)
        if not isinstance(found, values.Formula) or not self.vocabulary.containers:
            return found
        kinds = [c for var in sorted(found.node.free) for c in quantifiers.kind_of(self, found.node, var)]
        return values.Formula(plan.conjunction([*kinds, found.node]))

    _eval: ClassVar[dict[type, Callable[[Interpreter, Any], Any]]] = {
        ast.Number: lambda self, node: node.value,
        ast.Text: lambda self, node: node.value,
        ast.Truth: lambda self, node: node.value,
        ast.Nothing: lambda self, node: None,
        ast.FString: _fstring,
        ast.Name: _name,
        ast.ListDisplay: _display,
        ast.TupleDisplay: _display,
        ast.SetDisplay: _display,
        ast.DictDisplay: _dict,
        ast.Subscript: lambda self, node: methods.get_item(self, self.eval(node.value), node.index, node),
        ast.Lambda: _lambda,
        ast.Unary: _unary,
        ast.Binary: _binary,
        ast.Connective: _connective,
        ast.Comparison: _comparison,
        ast.Conditional: _conditional,
        ast.Comprehension: _comprehension,
        ast.Call: _call,
    }
