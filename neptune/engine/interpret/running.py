"""What the parts of the interpreter may ask of a running program: values turned into one another, work counted.

Operators, quantifiers, built-ins and methods are functions of a :class:`RunningProgram`. The interpreter is one; it
adds how expressions are evaluated and functions are called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from dsl import plan, work
from dsl.errors import LimitError, ProgramError
from dsl.limits import Limits
from dsl.plan import Node
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.engine.interpret import truthiness, values
from neptune.engine.interpret.atoms import Atoms

Args: TypeAlias = list[Any]
Keywords: TypeAlias = dict[str, Any]
Function: TypeAlias = "Callable[[RunningProgram, Args, Keywords, Any], Any]"
"""A built-in: of the running program, arguments by position and by name, and the call, for errors."""

MOST_NESTED = 50
FREE_ITEMS = 32


class RunningProgram(ABC):
    """One run of one program: its words and limits, the names in scope, what was noted, how much work was done.

    Parameters
    ----------
    evaluator
        Gives the plain values that the program needs.
    vocabulary
        The domain's words.
    limits
        What the program may use; reaching one is a :class:`dsl.LimitError`.
    distinct_variables
        ``"auto"``: the variables of ``.exists("y")`` quantifiers stand for different objects (NePTune's convention),
        those of lambda quantifiers need not (LEFT's). ``"true"``, ``"false"``: all of them, none of them.
    semantics
        2; or 1, as programs were read before: a value is described of the most probable object.

    Attributes
    ----------
    scope
        The names that can be used where the program is.
    notes
        What was normalised on the way, in words.
    binders
        How many variables quantifiers bind around here.
    argmax
        Whether descriptions stand for their most probable objects here, as semantics 1 has it inside ``describe``.
    variable_names
        The names in the program of the variables that quantifier nodes bind.
    """

    def __init__(
        self,
        evaluator: values.Evaluator,
        vocabulary: Vocabulary,
        limits: Limits,
        distinct_variables: str = "auto",
        semantics: int = 3,
    ) -> None:
        self.evaluator, self.vocabulary, self.limits, self.work = evaluator, vocabulary, limits, evaluator.work
        self.distinct_variables, self.semantics = distinct_variables, semantics
        self.atoms = Atoms(vocabulary, limits, self.work)
        self.scope = values.Scope({})
        self.notes: list[str] = []
        self.taken: dict[plan.Describe, None] = {}
        """Values that a formula describes as the one that fits: whether any does is looked at when all is read."""
        self.variable_names: dict[Node, str] = {}
        self.binders = 0
        self.argmax = False
        self._counted: dict[Node, int] = {}
        self._iterations = 0

    # --- what the interpreter adds ---------------------------------------------------------------

    @abstractmethod
    def eval(self, node: ast.Expr) -> Any:
        """Evaluate an expression."""

    @abstractmethod
    def call_value(self, function: Any, args: list[Any], node: ast.Expr, keywords: dict[str, Any] | None = None) -> Any:
        """Call a function value: a closure, a built-in, a predicate's name, or a formula (which renames it)."""

    @abstractmethod
    def attribute_value(self, sort: str, target: Any, node: ast.Node) -> Any:
        """Return the value of a sort at an object: described, or a text."""

    @abstractmethod
    def member(self, sort: str, thing: Any, node: ast.Node) -> Node:
        """Return the formula that a thing is of a sort of things."""

    # --- variables -------------------------------------------------------------------------------

    @contextmanager
    def fresh(self, arity: int) -> Iterator[list[str]]:
        """Give names of new object variables, bound while the block runs."""
        names = [f"@{self.binders + i}" for i in range(arity)]
        self.binders += arity
        try:
            yield names
        finally:
            self.binders -= arity

    @contextmanager
    def describing(self) -> Iterator[None]:
        """Make the formulas of a described value while the block runs: they weigh the objects that a description may
        mean, as any formula does; under semantics 1 they speak of the most probable one."""
        before, self.argmax = self.argmax, self.argmax or self.semantics == 1
        try:
            yield
        finally:
            self.argmax = before

    # --- work ------------------------------------------------------------------------------------

    def spend(self, amount: int, node: ast.Node) -> None:
        """Count turns of loops, or items of nested lists.

        Raises
        ------
        LimitError
            If there were more than ``limits.iterations``.
        """
        self._iterations += amount
        self.work.spend(work.STEPS, amount, node.span)
        if self._iterations > self.limits.iterations:
            raise LimitError("iterations", self.limits.iterations, None, node.span)

    def charge(self, given: Iterable[Any], node: ast.Node) -> None:
        """Count the items that one operation on lists walks over, as turns of a loop would be; short lists are free.

        ``max(r)`` inside a loop is a loop inside a loop; without this it would not meet the limit of loops.

        Raises
        ------
        LimitError
            If there were more than ``limits.iterations`` in the run.
        """
        amount, level = 0, [v for v in given if isinstance(v, list | tuple | dict | set | str)]
        while level:
            inner: list[Any] = []
            for value in level:
                if isinstance(value, str):
                    amount += len(value) // 256
                    continue
                amount += len(value)
                inner.extend(_nested(value))
            if amount > self.limits.iterations:
                break
            level = inner
        if amount > FREE_ITEMS:
            self.spend(amount, node)

    def weigh(self, value: Any, node: ast.Node) -> Any:
        """Return the value; what is inside nested lists is counted as turns of a loop would be.

        ``x = [x, x]`` doubles with each turn, and a list appended to itself has no end: both meet the limit here,
        before anything walks over them.

        Raises
        ------
        LimitError
            If the value holds more than ``limits.iterations`` allows, or is nested too deeply.
        """
        level, depth = [value], 0
        while level:
            level = [v for item in level if isinstance(item, dict | list | tuple) for v in _nested(item)]
            self.spend(len(level), node)
            depth += 1
            if depth > MOST_NESTED:
                raise LimitError("nesting", MOST_NESTED, None, node.span, what="a list inside lists")
        return value

    def bounded(self, text: str, node: ast.Node) -> str:
        """Return the text, if it is within the limit."""
        if len(text) > self.limits.text_chars:
            raise LimitError("text_chars", self.limits.text_chars, len(text), node.span)
        return text

    def made(self, node: Node, where: ast.Node) -> values.Formula:
        """Wrap a new formula, checking that the plan stays within the limits."""
        self.atoms.check_size(node, where)
        return values.Formula(node)

    def note(self, text: str) -> None:
        """Report something that was normalised, once."""
        if text not in self.notes:
            self.notes.append(text)

    def line(self, node: ast.Node) -> int:
        """Return the line of a node, for the trace."""
        return node.span.line if node.span is not None else 0

    def need(self, kind: values.NeedKind, of: Any, node: ast.Node) -> Any:
        """Return a plain value that the evaluator gives; a probability to as many digits as scores have."""
        value = self.evaluator.need(values.Need(kind, of), self.line(node))
        rounded = kind in ("probability", "ranking") and self.semantics > 2
        return values.to_nine_digits(value) if rounded else value

    # --- truths ----------------------------------------------------------------------------------

    def is_soft(self, value: Any) -> bool:
        """Return whether the value is a formula, or stands for one."""
        if isinstance(value, values.DescribedValue):
            return bool(value.node.free)
        return isinstance(value, values.Formula | values.DescribedObject | values.Quantity | values.AttributeOf)

    def formula(self, value: Any, node: ast.Expr | ast.Stmt) -> Node:
        """Return the truth node for a value.

        Raises
        ------
        dsl.ProgramError
            If the value is no truth.
        """
        match value:
            case values.Formula():
                return value.node
            case bool():
                return plan.const(float(value))
            case values.AttributeOf() | values.ObjectRef():
                return plan.const(1.0)
            case values.DescribedObject():
                self.note("a description used as a truth value was read as 'exists'")
                return plan.make(plan.Exists, value.description.var, value.description.body)
            case values.Quantity():
                self.note("a count used as a truth value was read as 'count > 0'")
                return plan.make(plan.Compare, ">", value.node, plan.make(plan.Number, 0.0))
            case values.DescribedValue() if value.node.free:
                self.note("a described value beside conditions was read as true: everything has one")
                return plan.const(1.0)
        raise ProgramError(
            f"{values.kind_name(value).capitalize()} is no truth value",
            node.span,
            expected="a formula, e.g. red(x) or count(…) > 2",
            hint="compare it with something",
        )

    def truth(self, value: Any, node: ast.Expr, others: Iterable[ast.Expr] = ()) -> bool:
        """Decide a value: a formula by p > ½, plain data as Python does; `others` are the operands beside it.

        Raises
        ------
        dsl.ProgramError
            If the value is no truth, such as a text written in the program.
        """
        if self.is_soft(value):
            made = self.formula(value, node)
            if any(v.startswith("@") for v in made.free):
                raise ProgramError(
                    "A condition depends on a variable that a quantifier binds, so it has no single truth value",
                    node.span,
                    expected="a formula without bound variables",
                    hint="write 'a and b or not a and c' instead of a branch inside the quantifier",
                )
            return bool(self.need("truth", values.bound(made), node))
        truthiness.check_kind(value, node)
        if isinstance(value, str) and truthiness.is_written(self.scope, node):
            raise truthiness.no_truth(self.vocabulary, self.scope, value, node, others)
        return bool(value)

    def number(self, value: Any, node: ast.Expr | ast.Stmt) -> int | float:
        """Return a plain number, counting if need be."""
        if isinstance(value, values.Quantity):
            if value.node.free:
                raise ProgramError(
                    "This count depends on a variable that a quantifier binds",
                    node.span,
                    expected="a comparison of the count with a number or another count",
                )
            if value.node not in self._counted:  # a loop may ask for the same count again and again
                self._counted[value.node] = self.need("number", value.node, node)
            return self._counted[value.node]
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, int | float):
            return value
        if isinstance(value, values.Formula) and not value.node.free:
            return self.need("probability", value.node, node)  # type: ignore[no-any-return]
        raise ProgramError(f"{values.kind_name(value).capitalize()} is no number", node.span, expected="a number")

    def text(self, value: Any, node: ast.Node) -> str:
        """Return the value as text, choosing or counting if need be."""
        if isinstance(value, values.Formula):
            return "yes" if self.truth(value, node) else "no"  # type: ignore[arg-type]
        value = self.plain(value, node)
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str | int):
            return str(value)
        if isinstance(value, float):
            return f"{value:g}"
        raise ProgramError(
            f"{values.kind_name(value).capitalize()} is no text", node.span, expected="a text or a number"
        )

    def plain(self, value: Any, node: ast.Node) -> Any:
        """Return a lazy value made plain: a described value as text, a count as a number, the rest unchanged."""
        if isinstance(value, values.AttributeOf):
            value = self.attribute_value(value.sort, value.target, node)
        if isinstance(value, values.DescribedValue):
            if value.node.free:
                raise ProgramError("This value depends on a variable that a quantifier binds", node.span)
            return values.Value.of(self.need("text", value.node, node))
        if isinstance(value, values.Quantity):
            return self.number(value, node)  # type: ignore[arg-type]
        return value

    def pointed(self, value: Any, node: ast.Node) -> int:
        """Return the index of the object that a value stands for."""
        if isinstance(value, values.ObjectRef):
            return value.index
        if isinstance(value, values.DescribedObject) and not value.description.free:
            index = int(self.need("object", value.description, node))
            if index < 0:
                raise ProgramError("There is no object in the picture to point to", node.span)
            return index
        raise ProgramError(f"{values.kind_name(value).capitalize()} is no object", node.span, expected="an object")

    def iterate(self, value: Any, node: ast.Node) -> Iterable[Any]:
        """Yield the items of a finite value: a list, a text, a dict's keys, a sort's objects or values."""
        items: Iterable[Any]
        truthiness.check_letters(self.vocabulary, value, node)
        if isinstance(value, values.SortRef):
            items = self.members(value, node)
        elif isinstance(value, list | tuple | dict | str):
            items = list(value)
        elif isinstance(value, set):
            items = sorted(value, key=str)
        else:
            raise ProgramError(
                f"{values.kind_name(value).capitalize()} can not be looped over",
                node.span,
                expected="a list, a range or a sort",
            )
        for item in items:
            self.spend(1, node)
            yield item

    def members(self, sort: values.SortRef, node: ast.Node) -> list[Any]:
        """Return the members of a sort: things of the scene, or values."""
        if not self.vocabulary.is_of_things(sort.name):
            return [values.Value(v) for v in self.vocabulary.values(sort.name)]
        kind = self.vocabulary.kind(sort.name)
        found = [values.ObjectRef(i, kind) for i in range(self.evaluator.objects)]
        if sort.name == "Object" and not self.vocabulary.containers:
            return found
        if self.vocabulary.containers:  # read off the scene: nobody is asked
            sure = self.need("ranking", self.atoms.of_kind(kind, "@0"), node)
            found = [thing for thing in found if sure[thing.index] > 0.5]
        if sort.name == kind:
            return found
        # Decided, not ranked: a truth asks for less than an exact value, and has a probability that the answer carries.
        return [thing for thing in found if self.need("truth", self.member(sort.name, thing, node), node)]

    def key(self, value: Any, node: ast.Node) -> Any:
        """Return a value fit as a dict's key or a set's element."""
        value = self.plain(value, node)
        if isinstance(value, tuple):
            self.charge((value,), node)
        if isinstance(value, str | int | float | bool | tuple | values.ObjectRef | type(None)):
            return value
        raise ProgramError(f"{values.kind_name(value).capitalize()} can be no key or set element", node.span)

    def result(self, value: Any, last: ast.Stmt) -> Any:
        """Return what a program returned, an attribute made a value; `last` is its last statement.

        Raises
        ------
        dsl.ProgramError
            If it depends on a variable that nothing binds; a formula may.
        """
        if isinstance(value, values.AttributeOf):
            value = self.attribute_value(value.sort, value.target, last)
        node = None if isinstance(value, values.Formula) else values.node_of(value)
        if node is not None and node.free:
            raise ProgramError(
                f"The result depends on {', '.join(sorted(node.free))}, which nothing binds",
                last.span,
                expected="a result without free variables",
                hint='bind it: exists(Object, lambda x: …), or .exists("x1")',
            )
        return value


def _nested(value: Any) -> list[Any]:
    """Return the lists, tuples and dicts directly inside a list, a dict's values or a set."""
    inside = value.values() if isinstance(value, dict) else value
    return [v for v in inside if isinstance(v, list | tuple | dict)]
