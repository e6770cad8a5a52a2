"""What a running program handles: plain data, and a few wrappers around lazy plan nodes.

Plain data are bool, int, float, str, None, list, tuple, dict and set. Everything soft is a wrapper around a node of
`dsl.plan`, and nothing is computed until the program needs a plain value (a branch, arithmetic, its result).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from dsl.check.scopes import Place
from dsl.plan import Describe, Description, Exists, Node, make
from dsl.syntax import ast
from dsl.work import Work

LAST = (1_000_000_000, 0)
"""A place after every text."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A soft truth; its free variables are those of the node."""

    node: Node


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """``iota(…)``: a distribution over objects. `argmax`: stands for its most probable object (``point``)."""

    description: Description
    argmax: bool = False


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number that is not yet counted."""

    node: Node


@dataclass(frozen=True, slots=True)
class DescribedValue:
    """A value of a sort that is not yet chosen (``describe(Color, …)``)."""

    node: Describe
    sort: str


@dataclass(frozen=True, slots=True)
class AttributeOf:
    """``color(x)``: true as a formula, a value where it is compared."""

    sort: str
    target: Any


@dataclass(frozen=True, slots=True)
class Measured:
    """``depth(x)``, ``area(x)``, ``text(x)``, ``mask(x)``: what a model of such tells of an object, not yet asked."""

    name: str
    target: Any


@dataclass(frozen=True, slots=True)
class Variable:
    """An object variable that a quantifier binds. `kind`: an object, or a container of a sort; ``""``: not known."""

    name: str
    kind: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One given thing of the scene; `kind` as of a variable."""

    index: int
    kind: str = field(default="", compare=False)


class Value(str):
    """A value of a sort, such as ``red``: a text wherever a text is wanted, but no list of letters."""

    __slots__ = ()

    @staticmethod
    def of(word: str | None) -> Value | None:
        """Return the value of a word; of none, none."""
        return None if word is None else Value(word)


@dataclass(frozen=True, slots=True)
class SortRef:
    """A sort used as a value: ``Object``, ``Color``."""

    name: str


@dataclass(frozen=True, slots=True)
class PredicateRef:
    """The name of a predicate used as a value: ``exists(Object, cube)``."""

    name: str


@dataclass(frozen=True, slots=True)
class BuiltinRef:
    """A built-in function."""

    name: str


@dataclass(slots=True)
class Scope:
    """Names and values, the scope around them, and of a function or the program the names that its statements may
    bind, with the place from which on (see :func:`dsl.check.scopes.assigned`)."""

    names: dict[str, Any]
    outer: Scope | None = None
    assigned: Mapping[str, Place] | None = None

    def find(self, name: str) -> Scope | None:
        """Return the innermost scope that has the name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.names:
            scope = scope.outer
        return scope

    def may_bind(self, name: ast.Name) -> bool:
        """Tell whether statements before a name, in this function or around it, may give it a value."""
        if name.span is None:
            return False
        scope: Scope | None = self
        here = (name.span.line, name.span.column)
        while scope is not None:
            if scope.assigned is not None:
                place = scope.assigned.get(name.id)
                if place is not None and here >= place:
                    return True
                # A function's body runs later: it may use all names around it.
                here = LAST
            scope = scope.outer
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A lambda or a ``def`` with the scope in which it was written."""

    name: str
    params: tuple[ast.Param, ...]
    body: ast.Expr | tuple[ast.Stmt, ...]
    scope: Scope
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values of parameters, as they were when the function was defined."""


Box: TypeAlias = tuple[float, float, float, float]
"""Pixels ``x0 y0 x1 y1``, the origin at the top left."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture (dialect ``patches``). Two regions of one place are equal, however they were found.

    Parameters
    ----------
    index
        Of an object of the scene, which object it is; ``None`` for any other region.
    box
        Where it is.
    whole
        Whether it is the whole picture.
    noun
        What it was looked for as, or ``""``.
    history
        The operations that made it, in order, as text.
    """

    index: int | None
    box: Box
    whole: bool = False
    noun: str = field(default="", compare=False)
    history: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class FilmPart:
    """A part of a film (dialect ``patches``): the frames from `start` to before `end`, by their numbers."""

    start: int
    end: int


class YesNo(Formula):
    """The answer to a yes/no question: a formula, and as a text "yes" or "no"."""

    __slots__ = ()


class Members(list[Any]):
    """A list of which it is not decided yet what is in it: values in order, each with the formula that it is a member.

    As a Python list it is empty until :meth:`settle` fills it; who handles values settles it first, unless it can do
    with the formulas.

    Parameters
    ----------
    candidates
        Pairs (value, formula without free variables).
    source
        What it lists, as program text.
    """

    __slots__ = ("open", "source")

    def __init__(self, candidates: Iterable[tuple[Any, Node]], source: str = "") -> None:
        super().__init__()
        self.open: tuple[tuple[Any, Node], ...] | None = tuple(candidates)
        self.source = source

    def settle(self, members: Iterable[Any]) -> None:
        """Make it the plain list of these members."""
        self.open = None
        self[:] = members


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a picture before anything is asked: the need ``sight``.

    Parameters
    ----------
    size
        ``(width, height)`` in pixels.
    boxes
        Of the N objects of the scene.
    finds
        Whether there is a detector of any words, which is asked for each noun (the need ``find``).
    containers
        Which boxes are containers of a world, no objects.
    times
        Of a film: when each frame that is looked at is shown, in seconds.
    by_parts
        Whether a conjunction is decided by deciding its parts, as in the logic ``godel``.
    """

    size: tuple[int, int]
    boxes: tuple[Box, ...]
    finds: bool = False
    by_parts: bool = True
    containers: frozenset[int] = frozenset()
    times: tuple[float, ...] = ()


NeedKind = Literal[
    "truth", "probability", "number", "object", "objects", "ranking", "text", "query",
    "sight", "tool", "find", "region_query", "knowledge", "percept", "missing",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """A plain value that a program needs before it can go on, or that its result becomes in the end.

    Parameters
    ----------
    kind, of
        ``truth``, ``probability``: of a formula without free variables, bool (p > ½) or float in [0, 1].
        ``number``: of a `Count` or `CountTrue`, int.
        ``object``: of a `Description`, the index of the most probable object (the lowest among equals), -1 in an
        empty scene.
        ``ranking``: of a formula of at most one free variable, its probability at each of the N objects.
        ``text``: of a `Describe`, the value whose formula is truest (the first among equals), ``None`` where no
        object is there.
        ``query``: an open question (text, attribute, indices of objects), the answer in words; without a text, for
        the objects' attribute.
        ``objects``: of results only, a formula of one free variable: the objects of which it is true.
        ``sight``: of nothing, a :class:`Sight`; of a :data:`~neptune.scene.boxes.View`, that of another picture.
        ``tool``: of a view, what a picture tool says in numbers. ``find``: of (noun, box), what a detector of any words
        finds there, the best first: pairs of a box and its score in [0, 1]. ``region_query``: of (text, box), the
        answer in words to an open question about that part of the picture; of ("", box, attribute) about an attribute.
        ``knowledge``: of (question, whether a long answer is meant), what a language model says that sees no picture.
        ``percept``: of (what is asked of masks, depths or words, indices of objects, or else a box), the answer in
        words.
        ``missing``: of a description of what is not there, whether the whole picture stands in for it.
    """

    kind: NeedKind
    of: Any


class Evaluator(Protocol):
    """What evaluates the needs of a run: the part that asks the oracle and computes."""

    @property
    def objects(self) -> int:
        """The number of objects."""
        ...

    @property
    def work(self) -> Work:
        """What the run has done so far; the interpreter counts its part there."""
        ...

    def need(self, need: Need, line: int) -> Any:
        """Return the plain value; `line` is the line of the program that needs it, for the trace."""
        ...

    def foresee(self, formulas: Sequence[Node], every: bool) -> None:
        """Hear which formulas will be decided one by one, and whether surely each: they may be asked at once."""
        ...


def to_nine_digits(value: float | Iterable[float]) -> float | list[float]:
    """Round probabilities to nine significant digits: as many as tell any two float32 scores apart.

    Another order of operations moves one by some 1e-16, and must not change which of two equal objects is taken.
    """
    return [float(f"{v:.9g}") for v in value] if isinstance(value, Iterable) else float(f"{value:.9g}")


def bound(node: Node) -> Node:
    """Return a formula with its free variables bound by ∃."""
    for var in sorted(node.free, reverse=True):
        node = make(Exists, var, node)
    return node


def node_of(value: Any) -> Node | None:
    """Return the plan node of a lazy value, as the program made it; ``None`` for a plain value."""
    if isinstance(value, Formula | Quantity | DescribedValue):
        return value.node
    return value.description if isinstance(value, DescribedObject) else None


ResultKind = Literal["truth", "objects", "object", "number", "text", "nothing", "list", "region"]


def result_kind(value: Any) -> ResultKind | None:
    """Return what a value answers with as a program's result, lazy or plain; ``None`` if it answers nothing.

    This is the one place that says so. An :class:`AttributeOf` has to be made a value first
    (``Interpreter.result``), and a formula of several free variables is the truth of "there are such objects".
    """
    if isinstance(value, Formula):
        return "objects" if len(value.node.free) == 1 else "truth"
    if isinstance(value, Region) and value.index is not None:
        return "object"
    return _KINDS[type(value)][1] if type(value) in _KINDS else None


def needed(value: Any) -> Need | None:
    """Return what is to be evaluated to make a lazy result plain; ``None`` for a plain value, or no result at all.

    The kind is the one of :func:`result_kind`; the free variables of a truth are bound by ∃, an ``objects`` formula
    keeps its one.
    """
    node, kind = node_of(value), result_kind(value)
    if node is None or kind is None:
        return None
    return Need(kind, bound(node) if kind == "truth" else node)  # type: ignore[arg-type]


def kind_name(value: Any) -> str:
    """Return what a value is, in the words of the language."""
    return _KINDS[type(value)][0] if type(value) in _KINDS else type(value).__name__


_KINDS: dict[type, tuple[str, ResultKind | None]] = {
    Formula: ("a formula", None),  # by its free variables, see `result_kind`
    DescribedObject: ("a described object", "object"),
    Quantity: ("a number", "number"),
    DescribedValue: ("a described value", "text"),
    AttributeOf: ("an attribute", None),
    Measured: ("a value read off the picture", None),
    Variable: ("an object variable", None),
    ObjectRef: ("an object", "object"),
    SortRef: ("a sort", None),
    PredicateRef: ("a predicate", None),
    BuiltinRef: ("a built-in function", None),
    Closure: ("a function", None),
    Region: ("a region", "region"),
    FilmPart: ("a film", None),
    YesNo: ("a yes/no answer", None),  # a formula
    Members: ("a list", "list"),
    bool: ("a truth value", "truth"),
    int: ("a number", "number"),
    float: ("a number", "number"),
    str: ("a text", "text"),
    Value: ("a text", "text"),
    list: ("a list", "list"),
    tuple: ("a tuple", "list"),
    dict: ("a dict", "list"),
    set: ("a set", "list"),
    type(None): ("None", "nothing"),
}
