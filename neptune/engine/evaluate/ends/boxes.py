"""Boxes of live objects: where in a plan a dear formula can matter.

``∃x (red(x) ∧ ∃y (blue(y) ∧ φ(x, y)))`` hangs on φ only where x can be red and y blue: elsewhere a conjunction is no
truer than its other operands. A formula that binds a variable and whose table would be large is *dear*. Its bounds are
computed in a box, the live objects of each of its free variables, and are [0, 1] elsewhere. That is sound whatever the
box; a box that leaves out what matters only leaves the decision open.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np

from dsl.plan import And, Atom, Const, Description, Exists, ExpectationOver, Forall, Node, Not, Or, Same, walk
from neptune.algebra import Logic
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.evaluate.ends.arithmetic import Ends
from neptune.engine.evaluate.ends.axes import Axes, Mask, Sizes, sorted_axes
from neptune.scene.types import IntArray

FEW, LARGE = 12, 1 << 18
"""With more objects than this, a formula is dear whose table has more cells than that."""

SLACK = 1e-4
"""What is so close to ½ may be on either side of it, where numbers were rounded."""

Reach = Literal["few", "settled", "live", "whole"]
"""Where dear formulas are computed: at the first few of the objects that are known to fulfil the conditions and
relations beside them, so that no table is large; at all of these; at those that may fulfil them; everywhere."""

BINDERS = (ExpectationOver, Exists, Forall)
BOXED = (Atom, Const, Same, Not, And, Or, Description, *BINDERS)
"""The classes that :class:`neptune.engine.evaluate.ends.boxed.BoxedEnds` has rules for."""

Live: TypeAlias = dict[str, Mask]
"""For variables which objects they may stand for, ``(N,)``; of another all."""


@dataclass(eq=False)
class Box:
    """The objects that each free variable of a dear formula may stand for.

    Parameters
    ----------
    count
        N.
    objects
        For each variable the objects, ascending.
    """

    count: int
    objects: dict[str, IntArray]
    sizes: Sizes = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = Sizes(self.count, {v: len(chosen) for v, chosen in self.objects.items()})

    @property
    def empty(self) -> bool:
        """Whether some variable has no object left."""
        return not all(map(len, self.objects.values()))

    def of(self, var: str) -> IntArray:
        """Return the objects of any variable."""
        found = self.objects.get(var)
        return np.arange(self.count) if found is None else found

    def index(self, have: Axes) -> tuple[IntArray, ...] | None:
        """Return the index that cuts the box out of an array over `have`; ``None``: it has all of it."""
        return np.ix_(*map(self.of, have)) if any(v in self.objects for v in have) else None

    def cut(self, array: Any, have: Axes) -> Any:
        """Return the part of an array over `have` (N cells each) that lies in the box."""
        index = self.index(have)
        return array if index is None else array[index]

    def put(self, array: Any, have: Axes, elsewhere: Any) -> Any:
        """Return the array over `have` (N cells each) that has `array` in the box, and is the same number elsewhere."""
        out = np.full((self.count,) * len(have), elsewhere, dtype=array.dtype)
        if not self.empty:
            out[np.ix_(*map(self.of, have))] = array
        return out

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and all(np.array_equal(self.of(v), other.of(v)) for v in self.objects)

    __hash__ = None  # type: ignore[assignment]


def _is_searched(node: Node) -> bool:
    return isinstance(node, Exists | Forall) and search_of(node) is not None


@lru_cache(maxsize=4096)
def _widest(node: Node) -> int:
    """Return how many variables the largest table of a formula has, node by node; blocks of variables that must all
    differ are searched."""
    if _is_searched(node):
        return len(node.free)
    own = len(node.free) + isinstance(node, BINDERS)
    return max([own, *map(_widest, node.children)])


@lru_cache(maxsize=4096)
def dear(node: Node, objects: int) -> tuple[Node, ...]:
    """Return the dear formulas under a node: of those within each other the outermost, unless an inner one is wider."""
    if objects <= FEW or objects**node.width <= LARGE:  # what ordinary questions pay
        return ()
    widest = _widest(node)
    if objects**widest <= LARGE:
        return ()
    if isinstance(node, BINDERS) and len(node.free) + 1 == widest:
        return (node,) if _boxable(node) else ()
    return tuple(dict.fromkeys(found for child in node.children for found in dear(child, objects)))


def _boxable(node: Node) -> bool:
    """Tell whether a formula can be computed in a box: by rules that there are, no variable bound anew."""
    for inner in walk(node):
        if not isinstance(inner, BOXED) or _is_searched(inner):
            return False
        if isinstance(inner, (Description, *BINDERS)) and inner.var in node.free:
            return False
    return bool(node.free)


def boxes(root: Node, objects: int, reach: Reach, logic: Logic, ends: Callable[[Node], Ends]) -> dict[Node, Box]:
    """Return for each dear formula under a node where it may matter to what the node decides.

    Parameters
    ----------
    root
        What is decided; of its own free variables all objects count.
    objects
        N.
    reach
        How far boxes go.
    logic
        Says where ½ is.
    ends
        Gives bounds of formulas that are not dear, as carrier values over their sorted free variables.
    """
    wanted = frozenset(dear(root, objects)) if reach != "whole" else frozenset()
    if not wanted:
        return {}
    search = _Search(objects, reach in ("few", "settled"), logic.middle, ends, {node: {} for node in wanted})
    search.walk(root, {})
    found = {}
    for node, live in search.found.items():
        chosen = {v: np.flatnonzero(mask) for v, mask in sorted(live.items())}
        if reach == "few":
            most = _most_of_each([len(here) for here in chosen.values()], LARGE // objects)
            chosen = {v: here[:most] for v, here in chosen.items()}
        found[node] = Box(objects, chosen)
    return found


def _most_of_each(lengths: list[int], cells: int) -> int:
    """Return how many objects of each variable make a table of at most so many cells: at least one."""
    most = max(lengths)
    while most > 1 and math.prod([min(length, most) for length in lengths]) > cells:
        most -= 1
    return most


@dataclass
class _Search:
    """One way down a plan."""

    objects: int
    settled: bool
    middle: float
    ends: Callable[[Node], Ends]
    found: dict[Node, Live]

    def walk(self, node: Node, live: Live) -> None:
        if node in self.found:
            for v in node.free:
                mask = live.get(v)
                mask = np.ones(self.objects, dtype=np.bool_) if mask is None else mask
                self.found[node][v] = mask | self.found[node].get(v, False)
            return
        within = {child: dear(child, self.objects) for child in node.children}
        if isinstance(node, And | Or):
            for child, inner in within.items():
                if inner:
                    narrowed = dict(live)
                    for other, dear_too in within.items():
                        if not dear_too:
                            self._narrow(narrowed, other, isinstance(node, And))
                    self.walk(child, narrowed)
            return
        var = getattr(node, "var", None)
        below = {v: mask for v, mask in live.items() if v != var}
        for child, inner in within.items():
            if inner:
                self.walk(child, below)

    def _narrow(self, live: Live, other: Node, conjunctive: bool) -> None:
        """Leave out objects at which a conjunct beside a formula is false (a disjunct true); where boxes go no further
        than what is settled, also those at which a condition on one object or a pair is open."""
        free = sorted_axes(other.free)
        if not 1 <= len(free) <= 2:
            return
        low, high = self.ends(other)
        alive = high > self.middle - SLACK if conjunctive else low < self.middle + SLACK
        if self.settled and _widest(other) == len(free):
            alive = alive & (low > self.middle if conjunctive else high <= self.middle)
        for at, v in enumerate(free):
            if len(free) == 1:
                mask = alive
            else:
                beside = live.get(free[1 - at])
                mask = alive if beside is None else alive & (beside[None] if at == 0 else beside[:, None])
                mask = np.asarray(mask.any(1 - at))
            live[v] = mask if v not in live else live[v] & mask
