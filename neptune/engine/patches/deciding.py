"""How values of the dialect are decided: formulas at last, lists as far as the program looks, the rest as in Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dsl import plan
from dsl.errors import ProgramError
from dsl.limits import Limits
from dsl.plan import Node
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.engine.interpret import values
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.patches.looking import Looking
from neptune.engine.patches.members import NeedsAnswer, is_open, some, walk


class Deciding(Interpreter):
    """A running program of the dialect, and how it decides values.

    Parameters
    ----------
    evaluator, vocabulary, limits, distinct_variables, semantics
        As of :class:`~neptune.engine.interpret.interpreter.Interpreter`.
    inputs
        What the task gives the program, by name: ``query`` (the question) and ``possible_answers``.

    Attributes
    ----------
    bound
        What was bound to a name: (line, name, value), in order.
    here
        The statement that is running, for errors.
    decided
        The formula that was decided last.
    """

    def __init__(
        self,
        evaluator: values.Evaluator,
        vocabulary: Vocabulary,
        limits: Limits,
        distinct_variables: str = "auto",
        semantics: int = 3,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(evaluator, vocabulary, limits, distinct_variables, semantics)
        self.inputs = dict(inputs or {})
        self.looking = Looking(self)
        self.bound: list[tuple[int, str, Any]] = []
        self.here: Any = ast.Pass()
        self.decided: Node | None = None
        self._foreseeing = 0
        self.program: ast.Program | None = None

    # --- what is asked ---------------------------------------------------------------------------

    def need(self, kind: values.NeedKind, of: Any, node: ast.Node) -> Any:
        """Return a plain value that the evaluator gives.

        Raises
        ------
        NeedsAnswer
            If formulas are made beforehand, for values of which it is not known whether the program comes to them.
        """
        if self._foreseeing and kind != "sight":
            raise NeedsAnswer
        if kind == "truth":
            self.decided = of
        return super().need(kind, of, node)

    @contextmanager
    def foreseeing(self) -> Iterator[None]:
        """Make formulas only while the block runs: what needs a plain value, or changes one, raises
        :class:`NeedsAnswer`."""
        self._foreseeing += 1
        try:
            yield
        finally:
            self._foreseeing -= 1

    @property
    def is_foreseeing(self) -> bool:
        """Whether formulas are made beforehand."""
        return self._foreseeing > 0

    def reads_later(self, loop: ast.For) -> bool:
        """Tell whether a loop's variable is named anywhere outside the loop."""
        assert self.program is not None
        assert isinstance(loop.target, ast.Name)
        name = loop.target.id

        def named(within: ast.Node) -> int:
            return sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(within))

        return named(self.program) > named(loop)

    # --- values turned into one another ----------------------------------------------------------

    def is_soft(self, value: Any) -> bool:
        """Return whether the value is a formula, or stands for one."""
        return is_open(value) or super().is_soft(value)

    def truth_node(self, value: Any, node: Any) -> Node:
        """Return any value as a truth, as Python has it."""
        if self.is_soft(value):
            return self.formula(value, node)
        return plan.const(float(self.truth(value, node)))

    def formula(self, value: Any, node: ast.Expr | ast.Stmt) -> Node:
        """Return the truth node for a value."""
        if isinstance(value, values.Members) and value.open is not None:
            return some(value)
        if isinstance(value, values.Region):
            return plan.const(1.0)
        if value is None or isinstance(value, str | int | float | list | tuple | dict | set):
            return plan.const(float(bool(value)))
        return super().formula(value, node)

    def truth(self, value: Any, node: ast.Expr, others: Iterable[ast.Expr] = ()) -> bool:
        """Decide a value: a formula by p > ½, anything else as Python does."""
        if self.is_soft(value):
            if isinstance(value, values.Members) and not self.looking.sight.by_parts:
                return any(True for _ in walk(self, value, node))
            formula = self.formula(value, node)
            return formula.value > 0.5 if isinstance(formula, plan.Const) else bool(self.need("truth", formula, node))
        if isinstance(value, values.DescribedValue | values.Region):
            return True
        if isinstance(value, str) and isinstance(node, ast.Text):
            self.note("a text as a truth is true unless it is empty, as in Python")
        elif isinstance(value, values.BuiltinRef | values.Closure):
            return super().truth(value, node, others)
        return bool(value)

    def text(self, value: Any, node: ast.Node) -> str:
        """Return the value as text, choosing or counting if need be."""
        return "None" if value is None else super().text(value, node)

    def formatted(self, value: Any, how: str, node: ast.Node) -> str:
        """Return a value as a field of a text shows it.

        Raises
        ------
        ProgramError
            If it has no such format.
        """
        value = self.plain(value, node)
        if not how:
            return self.text(value, node)
        given = value if isinstance(value, str) else self.number(value, self.here)
        try:
            return format(given, how)
        except ValueError as error:
            said = f"{values.kind_name(value).capitalize()} has no format '{how}'"
            raise ProgramError(said, node.span) from error

    def key(self, value: Any, node: ast.Node) -> Any:
        """Return a value fit as a dict's key or a set's element."""
        if isinstance(value, values.Region):
            return value
        return super().key(self.text(value, node) if isinstance(value, values.Formula) else value, node)

    def iterate(self, value: Any, node: ast.Node) -> Iterable[Any]:
        """Yield the items of a finite value; of an open list its members, each decided when it is its turn."""
        if isinstance(value, values.Members) and value.open is not None:
            return walk(self, value, node)
        if isinstance(value, values.YesNo | values.DescribedValue):
            value = self.text(value, node)
        if isinstance(value, set):
            return super().iterate(sorted(value, key=repr), node)
        return super().iterate(value, node)

    def element(self, value: Any, index: int, node: ast.Node) -> Any:
        """Return an element of a list; of one that is not there what stands in for it."""
        return self.looking.element(value, index, node)
