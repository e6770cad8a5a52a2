"""Runs programs of the dialect ``patches``: what differs from the other dialects, and nothing else.

Python's meaning, but that truths about the picture are formulas until a branch, ``bool_to_yesno`` or the result decides
them, and that what a list holds is decided only as far as the program looks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from dsl import plan
from dsl.errors import ProgramError
from dsl.limits import Limits
from dsl.patches.declared import FUNCTIONS, INPUTS, MODULES
from dsl.plan import Node
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.engine.interpret import methods, operators, values
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.interpret.statements import Returned
from neptune.engine.patches import calls, loops, modules, plain, seen
from neptune.engine.patches.deciding import Deciding
from neptune.engine.patches.members import NeedsAnswer, emptiness, is_open, settled
from neptune.engine.patches.pictured import films

_ORDERS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
MOST_BOUND = 60
"""So many bindings of variables are shown in a report."""


class PatchInterpreter(Deciding):
    """Runs one checked program of the dialect on one scene."""

    # --- statements ------------------------------------------------------------------------------

    def run(self, program: ast.Program) -> Any:
        """Run the program and return its result, possibly still lazy."""
        self.program = program
        return super().run(program)

    def block(self, statements: Iterable[ast.Stmt]) -> None:
        """Run statements in order; a loop that asks whether there is one, or counts, as one question."""
        given = tuple(statements)
        body = self.program.body if self.program is not None else ()
        following = body[-1:] if given == body[:-1] else ()
        for k, statement in enumerate(given):
            if isinstance(statement, ast.For) and not self.is_foreseeing:
                self.here = statement
                read = loops.read(self, statement, next(iter((*given[k + 1 :], *following)), None))
                if read is not None and read.returns:
                    raise Returned(read.value)
                if read is not None:
                    continue
            self.statement(statement)

    def statement(self, node: ast.Stmt) -> None:
        """Run one statement."""
        self.here = node
        if isinstance(node, ast.AugAssign):
            self._augmented(node)
            return
        super().statement(node)

    def _augmented(self, node: ast.AugAssign) -> None:
        current, given = (settled(self, self.eval(part), node) for part in (node.target, node.value))
        result = operators.binary(self, node.op, _listed(current), _listed(given), node)
        self.assign(node.target, self.replaced(current, result, node))

    def assign(self, target: ast.Expr, value: Any) -> None:
        """Bind a name, an element, or several names at once."""
        super().assign(target, value)
        if isinstance(target, ast.Name) and not self.is_foreseeing and len(self.bound) < MOST_BOUND:
            line = target.span.line if target.span is not None else 0
            self.bound.append((line, target.id, value))

    # --- names, attributes, calls ----------------------------------------------------------------

    def _unbound(self, node: ast.Name) -> Any:
        return self.input(node) if node.id in INPUTS else values.BuiltinRef(node.id)

    def input(self, node: ast.Name) -> Any:
        """Return what the task gives the program under a name.

        Raises
        ------
        ProgramError
            For a film, where there is none.
        """
        if node.id == "image":
            return self.looking.whole
        if node.id == "possible_answers":
            return list(self.inputs.get("possible_answers", ()))
        if node.id in ("query", "question"):
            return str(self.inputs.get("query", ""))
        return films.film(self, node)

    def _module(self, node: ast.Expr) -> str:
        """Return the module that an expression names, or ``""``."""
        named = isinstance(node, ast.Name) and node.id in MODULES and self.scope.find(node.id) is None
        return node.id if named and isinstance(node, ast.Name) else ""

    def _attribute(self, node: ast.Attribute) -> Any:
        module = self._module(node.value)
        if module:
            constant = MODULES[module].get(node.name)
            return constant if isinstance(constant, float) else values.BuiltinRef(f"{module}.{node.name}")
        return self.attribute(self.eval(node.value), node.name, node)

    def attribute(self, value: Any, name: str, node: ast.Node) -> Any:
        """Return an attribute of a value."""
        return calls.attribute(self, value, name, node)

    def method(self, value: Any, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Call) -> Any:
        """Call a method of a value."""
        return calls.method(self, value, name, args, keywords, node)

    def function(self, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
        """Call a function that the dialect declares."""
        return calls.function(self, name, args, keywords, node)

    def _call(self, node: ast.Call) -> Any:
        func = node.func
        if isinstance(func, ast.Attribute) and not self._module(func.value):
            target = self.eval(func.value)
            args, keywords = self._arguments(node)
            return self.method(target, func.name, args, keywords, node)
        function = self._attribute(func) if isinstance(func, ast.Attribute) else self.eval(func)
        args, keywords = self._arguments(node)
        return self.call_value(function, args, node, keywords)

    def call_value(self, function: Any, args: list[Any], node: ast.Expr, keywords: dict[str, Any] | None = None) -> Any:
        """Call a function value: a closure, or what the dialect declares."""
        if isinstance(function, values.Closure):
            return super().call_value(function, args, node, keywords)
        if not isinstance(function, values.BuiltinRef):
            said = f"{values.kind_name(function).capitalize()} can not be called"
            raise ProgramError(said, node.span, expected="a function")
        if function.name in FUNCTIONS:
            return self.function(function.name, args, keywords or {}, node)
        if "." in function.name:
            return modules.call(self, function.name, args, keywords or {}, node)
        return plain.builtin(self, function.name, args, keywords or {}, node)

    def _subscript(self, node: ast.Subscript) -> Any:
        target = self.eval(node.value)
        if isinstance(target, values.Formula | values.DescribedValue):
            target = self.text(target, node)
        if isinstance(node.index, ast.Slice) or not isinstance(target, list | tuple | str):
            return methods.get_item(self, settled(self, target, node), node.index, node)
        return self.looking.element(target, int(self.number(self.eval(node.index), node)), node)

    # --- operators -------------------------------------------------------------------------------

    def _binary(self, node: ast.Binary) -> Any:
        left, right = (_listed(settled(self, self.eval(part), node)) for part in (node.left, node.right))
        if isinstance(left, str) and node.op == "+" and not isinstance(right, str):
            right = self.text(right, node) if isinstance(right, values.Formula | values.DescribedValue) else right
        elif isinstance(right, str) and node.op == "+" and isinstance(left, values.Formula | values.DescribedValue):
            left = self.text(left, node)
        return operators.binary(self, node.op, left, right, node)

    def _connective(self, node: ast.Connective) -> Any:
        """``and``, ``or``: as in Python; truths about the picture stay formulas as long as nothing after them needs a
        plain value, which they may guard: ``len(xs) > 0 and xs[0].exists("dog")``."""
        join = plan.conjunction if node.op == "and" else plan.disjunction
        open_: list[Node] = []
        value: Any = None
        for k, operand in enumerate(node.operands):
            last = k == len(node.operands) - 1
            if open_:
                try:
                    with self.foreseeing():
                        value = self.eval(operand)
                except (NeedsAnswer, ProgramError):
                    if self.truth(values.Formula(join(open_)), node) != (node.op == "and"):
                        return values.Formula(join(open_))
                    value = self.eval(operand)
            else:
                value = self.eval(operand)
            if self.is_soft(value) and not is_open(value):
                open_.append(self.formula(value, operand))
                continue
            if open_ and not isinstance(value, bool):
                # As in Python: the value itself, where what stands before it does not decide.
                if self.truth(values.Formula(join(open_)), node) != (node.op == "and"):
                    return values.Formula(join(open_))
                open_ = []
            if last and not open_:
                return value
            if self.truth(value, operand) != (node.op == "and"):
                return value if not open_ else values.Formula(plan.const(float(node.op == "or")))
        return self.made(join(open_), node) if len(open_) > 1 else _formula(value, open_)

    def _comparison(self, node: ast.Comparison) -> Any:
        left = settled(self, self.eval(node.left), node)
        results: list[Any] = []
        for op, right_node in zip(node.ops, node.rights, strict=True):
            right = settled(self, self.eval(right_node), node)
            results.append(self._compared(op, left, right, node))
            if results[-1] is False:
                return False
            left = right
        soft = [r.node for r in results if isinstance(r, values.Formula)]
        return self.made(plan.conjunction(soft), node) if soft else True

    def _compared(self, op: str, left: Any, right: Any, node: ast.Comparison) -> Any:
        if op in ("in", "not in"):
            if isinstance(right, values.Formula | values.DescribedValue):
                right = self.text(right, node)
            if isinstance(left, values.Formula) and not isinstance(right, str):
                found = [self._compared("==", left, item, node) for item in self.iterate(right, node)]
                truth = plan.disjunction([self.truth_node(f, node) for f in found])
                return values.Formula(truth if op == "in" else plan.negation(truth))
        elif op in ("==", "!=", "is", "is not"):
            for answer, other in ((left, right), (right, left)):
                if isinstance(answer, values.Formula) and not isinstance(other, values.Formula):
                    said = _said(other)
                    same = op in ("==", "is")
                    if said is None:
                        return not same
                    return answer if said == same else values.Formula(plan.negation(answer.node))
        if isinstance(left, values.Quantity) and isinstance(right, int):
            there = emptiness(left, op, right)
            if there is not None and self.looking.sight.by_parts:
                return self.made(there, node)
        if op in _ORDERS and isinstance(left, str) and isinstance(right, str):
            return _ORDERS[op](left, right)
        return operators.compare(self, op, left, right, node)

    def _comprehension(self, node: ast.Comprehension) -> Any:
        found = loops.comprehended(self, node)
        return super()._comprehension(node) if found is None else found

    # --- results ---------------------------------------------------------------------------------

    def result(self, value: Any, last: ast.Stmt) -> Any:
        """Return what a program returned: where that is nothing, what is said of the whole picture."""
        value = settled(self, value, last)
        if value is None:
            whole = self.looking.missing("result: the program returned None", last)
            query = str(self.inputs.get("query", ""))
            value = self.looking.query(whole, query, last) if query else whole
        return super().result(_as_object(value), last)

    def fell_through(self, last: ast.Stmt) -> Any:
        """Return the result of a program that ends without one: None, as in Python."""
        return None

    def shown(self, value: Any) -> dict[str, Any]:
        """Return what an answer says besides: where it came from, and what was bound to names."""
        return {"regions": seen.sources(self, value), "variables": seen.variables(self)}

    _eval: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        **Interpreter._eval,
        ast.Attribute: _attribute,
        ast.Call: _call,
        ast.Subscript: _subscript,
        ast.Binary: _binary,
        ast.Connective: _connective,
        ast.Comparison: _comparison,
        ast.Comprehension: _comprehension,
    }


def _as_object(value: Any) -> Any:
    """Return regions that are objects of the scene as such, alone or in a list."""
    if isinstance(value, values.Region) and value.index is not None:
        return values.ObjectRef(value.index)
    return [_as_object(v) for v in value] if isinstance(value, list) else value


def _listed(value: Any) -> Any:
    """Return a settled list as a plain one, which can be joined with others."""
    return list(value) if isinstance(value, values.Members) else value


def _formula(value: Any, open_: list[Node]) -> Any:
    """Return the one formula of a connective: the answer itself, if it came last."""
    return value if isinstance(value, values.Formula) and value.node == open_[0] else values.Formula(open_[0])


def _said(value: Any) -> bool | None:
    """Return what a plain value says as the answer to a yes/no question; ``None``: neither yes nor no."""
    if isinstance(value, bool):
        return value
    words = {"yes": True, "true": True, "no": False, "false": False}
    return words.get(value.strip().lower().rstrip(".!")) if isinstance(value, str) else None


def interpreter_for(
    program: ast.Program,
    evaluator: values.Evaluator,
    vocabulary: Vocabulary,
    limits: Limits,
    distinct_variables: str = "auto",
    semantics: int = 3,
    inputs: Mapping[str, Any] | None = None,
) -> Interpreter:
    """Return what runs a checked program, by its dialect."""
    conventions = evaluator, vocabulary, limits, distinct_variables, semantics
    if program.dialect == "patches":
        return PatchInterpreter(*conventions, inputs)
    return Interpreter(*conventions)
