"""Evaluates plans on one scene of which all is known, on NumPy arrays: small tables, no bounds, no gradients.

The same compiled programs as the executor's, and the same numbers: of godel bit for bit (expectations in float64,
rounded once), of the other logics to the last digits of float64.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeGuard, cast

import numpy as np
from cachetools import LRUCache, cached

from dsl import plan as nodes
from dsl.errors import LimitError
from dsl.plan import Atom, Count, Describe, Description, Exists, Node, Number, Predicate
from dsl.rewrites import Laws
from neptune.algebra import ProbabilisticTensor
from neptune.algebra.arrays import Array, ArrayLogic, array_logic, as_tensor, clamped
from neptune.algebra.convert import as_float
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.program import ArrayContext, Vars
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.context import RunContext
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evaluate.outline import Outline

ARRAY_CELLS = 1 << 14
"""A plan whose largest table has more cells is left to tensors, which are as fast there."""


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """The logic and the temperatures of a context as they are now, read once.

    Parameters
    ----------
    numbers
        All temperatures; while they are the same, so is the rest.
    laws
        What rewrites may rely on.
    iota_tau, presumption
        As of :class:`~neptune.algebra.LogicParameters`.
    logic
        The logic on arrays; ``None``: tensors alone will do.
    key
        Names logic and temperatures.
    uncalibrated
        Logits count as the oracle gave them, of every predicate.
    """

    numbers: tuple[float, ...]
    laws: Laws
    iota_tau: float
    presumption: float
    logic: ArrayLogic | None
    key: Hashable
    uncalibrated: bool


def settings_of(context: RunContext) -> Settings:
    """Return the settings of a context; the same object while its temperatures stay what they are."""
    numbers = context.parameters.numbers()
    found: Settings | None = context.__dict__.get("_settings")
    if found is None or found.numbers != numbers:
        parameters, laws = context.parameters, plans.laws_of(context.logic, context.parameters)
        usable = laws.crisp and context.planner == "optimised" and context.backend == "auto"
        usable = usable and context.semantics > 1
        found = Settings(
            numbers,
            laws,
            as_float(parameters.iota_tau),
            as_float(parameters.presumption),
            array_logic(context.logic) if usable else None,
            (context.logic.name, numbers),
            all(kind == {"T": 1.0, "b": 0.0} for kind in parameters.to_dict()["oracle"].values()),
        )
        object.__setattr__(context, "_settings", found)
    return found


class Cells:
    """A table of one scene: carrier values, or probabilities where these were computed.

    Parameters
    ----------
    logic
        Its logic.
    cells
        Shape ``(N, …)``, an axis for each free variable.
    probable
        They are probabilities.
    internal
        Their carrier values, if these are known too.
    """

    __slots__ = ("_internal", "_values", "logic", "probable")

    def __init__(self, logic: ArrayLogic, cells: Array, probable: bool = False, internal: Array | None = None) -> None:
        self.logic, self.probable = logic, probable or not logic.uses_logits
        self._values: Array | None = cells if self.probable else None
        self._internal: Array | None = internal if probable and logic.uses_logits else cells

    @property
    def internal(self) -> Array:
        """Carrier values."""
        if self._internal is None:
            assert self._values is not None
            self._internal = self.logic.from_probability(self._values)
        return self._internal

    @property
    def values(self) -> Array:
        """Probabilities."""
        if self._values is None:
            assert self._internal is not None
            self._values = self.logic.to_probability(self._internal)
        return self._values

    @property
    def held(self) -> Array:
        """Probabilities, if they were computed as these; else carrier values."""
        return self.values if self.probable else self.internal

    @property
    def logits(self) -> Array:
        """Logits; ∓∞ at exactly 0 and 1."""
        return self.logic.to_logits(self.internal)

    def decide(self) -> Array:
        """Return booleans: p > ½."""
        if self.probable:
            return np.greater(self.values, 0.5)
        return np.greater(self.internal, self.logic.middle)

    def is_tie(self) -> Array:
        """Return booleans: p is exactly ½."""
        if self.probable:
            return np.equal(self.values, 0.5)
        return np.equal(self.internal, self.logic.middle)

    def exactly(self, k: int) -> float:
        """Return how true it is that exactly k of the cells ``(N,)`` are true."""
        if not self.logic.uses_logits:
            table = ProbabilisticTensor._make(("#",), {}, self.logic.logic, values=as_tensor(self.values))
            return float(table.exactly(k, "#").values)
        n, ordered = len(self.internal), np.sort(self.internal)
        least = ordered[n - k] if k else np.inf
        more = ordered[n - k - 1] if k < n else -np.inf
        return float(self.logic.to_probability(np.array([min(least, -more)], dtype=self.logic.dtype))[0])


@cached(LRUCache(plans.FORMULAS_KEPT), lock=Lock())
def _chain(node: Node, vars: tuple[str, ...]) -> tuple[Node, ...] | None:
    """Return for each variable of a chain of ∃ the formula over it, those before it given as objects 0, 1, …;
    ``None`` for another formula."""
    if len(set(vars)) < len(vars) or any(isinstance(t, int) for n in nodes.walk(node) for t in getattr(n, "terms", ())):
        return None
    found: list[Node] = []
    for place, var in enumerate(vars):
        if not isinstance(node, Exists) or node.var != var or var not in node.body.free:
            return None
        if search_of(node) is not None:
            return None
        found.append(node.body)
        node = nodes.substitute(node.body, {var: place})
    return tuple(found)


def _by_body(node: Node) -> TypeGuard[Exists]:
    """Tell whether a formula is evaluated by the table of its body."""
    return isinstance(node, Exists) and not node.free and node.var in node.body.free and search_of(node) is None


@cached(LRUCache(plans.FORMULAS_KEPT), lock=Lock())
def _whole(outline: Outline) -> Describe | None:
    """Return all that a plan comes to as the parts of one; ``None`` where nothing in it is evaluated twice."""
    if not (outline.presupposed or outline.relative):
        return None
    truths = tuple(dict.fromkeys(truth.body if _by_body(truth) else truth for truth in outline.truths))
    return nodes.make(Describe, tuple(map(str, range(len(truths)))), truths, False)


class KnownScene:
    """Evaluates guarded plans on one scene, each formula once.

    Parameters
    ----------
    atoms
        What is known of the scene.
    objects
        N ≥ 1.
    settings, logic
        The settings of the run, and their logic on arrays.
    cell_limit
        The most cells that a table may have.

    Attributes
    ----------
    peak_cells
        Cells of the largest table made.
    plan_ms
        Milliseconds spent on planning, until whoever counts them sets this to 0.
    """

    def __init__(self, atoms: KnownAtoms, objects: int, settings: Settings, logic: ArrayLogic, cell_limit: int) -> None:
        self.atoms, self.objects, self.settings, self.logic = atoms, objects, settings, logic
        self.cell_limit, self.peak_cells, self.plan_ms = cell_limit, 0, 0.0
        self._memo: dict[Node, Cells] = {}
        self._parts: dict[Node, tuple[Array, Vars, bool]] = {}
        self._held: set[Outline] = set()
        self._arrays: dict[Predicate, Array] = {}
        self._partial: set[Predicate] = set()

    def _has(self, predicate: Predicate, outline: Outline) -> bool:
        """Tell whether a predicate is known as far as a plan speaks of it."""
        found = None if predicate in self._partial else self._arrays.get(predicate)
        if found is None:
            found = self.atoms.array(predicate, self.settings.key)
            self._partial.discard(predicate)
            if found is None:
                found = self.atoms.partly(predicate, [a for a in outline.atoms if a.predicate == predicate])
                self._partial.add(predicate)
            if found is None:
                return False
            self._arrays[predicate] = found
        return True

    def holds(self, outline: Outline) -> bool:
        """Tell whether all atoms of a plan are known, and its tables are small: once it is so, it stays so."""
        if outline not in self._held:
            if not (self._small(outline) and all(self._has(p, outline) for p in outline.predicates)):
                return False
            self._held.add(outline)
        return True

    def _small(self, outline: Outline) -> bool:
        node = outline.node
        if self.objects**node.width <= ARRAY_CELLS or isinstance(node, Number):
            return True
        kind: plans.Kind = "truth"
        if isinstance(node, Description | Count | nodes.CountTrue):
            kind = "cells"
        elif isinstance(node, Describe):
            kind = "parts"
        return (
            plans.plan_formula(node, kind, self.settings.laws).program.peak_cells(self.objects, self.cell_limit)
            <= ARRAY_CELLS
        )

    # --- values ----------------------------------------------------------------------------------

    def foresee(self, outline: Outline) -> None:
        """Evaluate at once all that a plan and what it takes for granted come to: a description that several parts
        speak of is evaluated once. Where not all is known, or a table is large, nothing is done."""
        whole = _whole(outline)
        if whole is None or not self.holds(outline):
            return
        for truth, (x, vars, probable) in zip(whole.children, self._run(whole, "parts"), strict=True):
            if isinstance(truth, Description):  # its variable has the name that the plan gave it
                self._parts[truth.body] = x, (truth.var,) if vars else (), probable
            else:
                self._parts[truth] = x, vars, probable

    def is_foreseen(self, node: Node) -> bool:
        """Tell whether a formula was evaluated with others."""
        return node in self._parts

    def truth(self, node: Node) -> Cells:
        """Return the value of a formula, over its free variables (sorted)."""
        found = self._memo.get(node)
        if found is None:
            if _by_body(node):
                # By the table of its body over x: the same cost, and who makes it true can be read off.
                found = Cells(self.logic, np.asarray(self.truth(node.body).internal.max(axis=0)))
            else:
                found = self._cells(node, *(self._parts.get(node) or self._run(node, "truth")[0]))
            self._memo[node] = found
        return found

    def over(self, node: Description | Count) -> Cells:
        """Return the body of a description or count, with an axis for its variable even where it is vacuous."""
        body = self.truth(node.body)
        if node.var in node.body.free:
            return body
        return Cells(self.logic, np.repeat(body.internal[..., None], self.objects, -1))

    def number(self, node: Node) -> int:
        """Return the number that a count comes to."""
        if isinstance(node, Number):
            return int(node.value)
        x, _, probable = self._run(node, "cells")[0]
        internal = self.logic.from_probability(x) if probable else x
        return int((internal > self.logic.middle).sum())

    def choose(self, node: Describe) -> tuple[int, Array]:
        """Return the chosen value's index, and the probabilities of the values ``(K,)``."""
        cells = self._stacked(self._each(node), 1).reshape(-1)
        logits = clamped(self.logic.to_logits(cells))
        return int(self.logic.ranks(cells).argmax()), self.logic.choice(logits)

    def mixture(self, node: Describe, best: int) -> float:
        """Return the probability of a value of the object meant, the objects weighed."""
        assert node.about is not None
        var, description = node.about
        said = tuple(b.body for b in node.bodies if isinstance(b, nodes.ExpectationOver))

        def distributions() -> Array:
            rows = self._stacked(self._each(nodes.make(Describe, node.values, said, False)), self.objects)
            return self.logic.softmax(clamped(self.logic.to_logits(rows).T.astype(np.float64)))

        predicates = tuple([atom.predicate for atom in said if isinstance(atom, Atom) and atom.terms == (var,)])
        if len(predicates) == len(said):
            each = self.atoms.together(predicates, (self.settings.key, "values"), distributions)
        else:
            each = distributions()
        fits = self.over(description).logits
        weights = self.logic.weights(fits.astype(np.float64), self.settings.iota_tau)
        return float(fits.dtype.type((weights[:, None] * each).sum(-2)[best]))

    def _each(self, node: Describe) -> list[tuple[Array, Vars, bool]]:
        """Return the results of the values of a choice, as :meth:`_run` does."""
        known = [self._parts.get(body) for body in node.bodies]
        return self._run(node, "parts") if None in known else cast("list[tuple[Array, Vars, bool]]", known)

    def _stacked(self, parts: list[tuple[Array, Vars, bool]], size: int) -> Array:
        """Return the carrier values of K truths, closed (`size` 1) or over one variable: ``(K, size)``."""
        kinds = {probable for _, _, probable in parts}
        rows = [x.reshape(-1) if x.size == size else np.repeat(x.reshape(1), size) for x, _, _ in parts]
        if len(kinds) > 1:
            rows = [self.logic.from_probability(x) if p else x for x, (_, _, p) in zip(rows, parts, strict=True)]
        cells = np.concatenate(rows).reshape(len(parts), size)
        return self.logic.from_probability(cells) if kinds == {True} else cells

    def witness(self, node: Node, vars: Sequence[str]) -> list[int] | None:
        """Return objects that make a chain of ∃ as true as it is, the lowest in order; ``None``: to be searched for."""
        chain = _chain(node, tuple(vars))
        if chain is None:
            return None
        found: list[int] = []
        for over in chain:
            if not found:
                table = self.truth(over).internal
            else:
                table = self._cells(over, *self._run(over, "truth", found)[0]).internal
            found.append(int(self.logic.ranks(table).argmax()))
        return found

    def _run(self, node: Node, kind: plans.Kind, places: Sequence[int] = ()) -> list[tuple[Array, Vars, bool]]:
        """Return for each result of a plan its rows, its variables, and whether it is a probability; with `places`,
        the objects that the given ones 0, 1, … of the formula stand for."""
        started = time.perf_counter()
        made = plans.plan_formula(node, kind, self.settings.laws)
        self.plan_ms += 1000 * (time.perf_counter() - started)
        program, n = made.program, self.objects
        cells = program.peak_cells(n, self.cell_limit)
        if cells > self.cell_limit:
            raise LimitError("tensor_cells", self.cell_limit, cells, what=f"a formula of {program.axes} variables")
        objects = [places[o] for o in made.objects] if places else made.objects

        def part(array: Array, index: tuple[Any, ...] | None) -> Array:
            if index is None:
                return array
            at: Array = array[tuple(places[t] if isinstance(t, int) else t for t in index) if places else index]
            return at

        def chance(slot: int) -> Array:
            predicate, index = made.inputs[slot]
            if predicate in self._partial:
                return self.logic.to_probability(part(self._arrays[predicate], index)).astype(np.float64)
            return part(self.atoms.chances(predicate, self.settings.key, self.logic), index)

        inputs = [part(self._arrays[predicate], index) for predicate, index in made.inputs]

        def chances(slots: tuple[int, ...]) -> Array:
            of = tuple([made.inputs[slot][0] for slot in slots])
            return self.atoms.together(of, (self.settings.key, "chances"), lambda: np.stack(list(map(chance, slots))))

        tau = self.settings.iota_tau
        context = ArrayContext(self.logic, self.atoms.context.parameters, tau, n, objects, chance, chances)
        out = program.run_arrays(context, inputs)
        self.peak_cells = max(self.peak_cells, cells, context.peak)
        return [(x, vars, known) for (x, known), (_, vars) in zip(out, program.outputs, strict=True)]

    def _cells(self, node: Node, x: Array, have: Vars, probable: bool) -> Cells:
        """Return a value with an axis for each free variable of its node: one may have been found not to matter."""
        vars = tuple(sorted(node.free))
        x = x.reshape(x.shape[1:])
        if have != vars:
            x = x[tuple(slice(None) if v in have else None for v in vars)]
        if x.shape != (self.objects,) * len(vars):
            x = np.broadcast_to(x, (self.objects,) * len(vars)).copy()
        return Cells(self.logic, x, probable)
