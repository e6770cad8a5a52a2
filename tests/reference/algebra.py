"""The slow, obvious meaning of every operation: one Python loop a cell, on plain floats. No torch.

The fast path is tested against this file, which is meant to be read. A :class:`Cells` is a dict from a tuple
of object indices to a probability; objects that are padding are left out when a quantifier runs over them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, getcontext, localcontext
from functools import lru_cache
from typing import Any

import numpy as np

EPSILON = 1e-6
Place = tuple[int, ...]
Norm = Callable[[float, float], float]


@dataclass(frozen=True)
class Cells:
    """A table of probabilities: variables, how many objects each has, a float a cell, masks of padding."""

    vars: tuple[str, ...]
    sizes: Mapping[str, int]
    cells: Mapping[Place, float]
    domain: Mapping[str, Sequence[bool]] = field(default_factory=dict)

    def at(self, where: Mapping[str, int]) -> float:
        """Return the cell for an object of each variable."""
        return self.cells[tuple(where[v] for v in self.vars)]

    def real(self, var: str) -> list[int]:
        """Return the objects of a variable that are not padding."""
        mask = self.domain.get(var)
        return [i for i in range(self.sizes[var]) if mask is None or mask[i]]


def table(values: Any, vars: Sequence[str], domain: Mapping[str, Sequence[bool]] | None = None) -> Cells:
    """Return the table of nested lists, one level for each variable."""
    sizes: dict[str, int] = {}
    level = values
    for var in vars:
        sizes[var] = len(level)
        level = level[0] if len(level) else []
    cells = {}
    for place in itertools.product(*(range(sizes[v]) for v in vars)):
        cell = values
        for i in place:
            cell = cell[i]
        cells[place] = float(cell)
    return Cells(tuple(vars), sizes, cells, domain or {})


def _places(vars: Iterable[str], sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    names = list(vars)
    for place in itertools.product(*(range(sizes[v]) for v in names)):
        yield dict(zip(names, place))


def cellwise(f: Callable[..., float], *tables: Cells) -> Cells:
    """Return f of the tables' cells for every choice of objects of all their variables, matched by name."""
    vars = tuple(dict.fromkeys(v for t in tables for v in t.vars))
    sizes = {v: n for t in tables for v, n in t.sizes.items()}
    domain = {v: m for t in tables for v, m in t.domain.items()}
    cells = {tuple(w.values()): f(*(t.at(w) for t in tables)) for w in _places(vars, sizes)}
    return Cells(vars, sizes, cells, domain)


def reduce(f: Callable[[list[float]], Any], t: Cells, over: Sequence[str]) -> Cells:
    """Return f of the list of real cells over some variables, for every choice of objects of the others."""
    rest = tuple(v for v in t.vars if v not in over)
    cells = {}
    for w in _places(rest, t.sizes):
        inner = itertools.product(*(t.real(v) for v in over))
        cells[tuple(w.values())] = f([t.at({**w, **dict(zip(over, i))}) for i in inner])
    return Cells(rest, {v: t.sizes[v] for v in rest}, cells, {v: m for v, m in t.domain.items() if v in rest})


# ---- connectives ----


@lru_cache(maxsize=100_000)
def frank(s: float, a: float, b: float) -> float:
    """Return the Frank t-norm ``log_s(1 + (sᵃ-1)(sᵇ-1)/(s-1))`` with 60 digits."""
    with localcontext():
        getcontext().prec = 60
        theta, x, y, one = Decimal(s).ln(), Decimal(a), Decimal(b), Decimal(1)
        inner = one + ((theta * x).exp() - one) * ((theta * y).exp() - one) / (theta.exp() - one)
        return float(inner.ln() / theta)


def conjunction(logic: str) -> Norm:
    """Return the t-norm of ``godel``, ``product``, ``lukasiewicz`` or ``frank:S``."""
    if logic == "godel":
        return min
    if logic == "product":
        return lambda a, b: a * b
    if logic == "lukasiewicz":
        return lambda a, b: max(0.0, a + b - 1.0)
    s = float(logic.removeprefix("frank:"))
    return lambda a, b: frank(s, a, b)


def not_(a: float) -> float:
    """Return ``1 - a``."""
    return 1.0 - a


def or_(logic: str, a: float, b: float) -> float:
    """Return the dual ``¬(¬a ∧ ¬b)``."""
    return not_(conjunction(logic)(not_(a), not_(b)))


def xor(logic: str, a: float, b: float) -> float:
    """Return ``(a ∧ ¬b) ∨ (¬a ∧ b)``."""
    both = conjunction(logic)
    return or_(logic, both(a, not_(b)), both(not_(a), b))


# ---- quantifiers ----


def exists(cells: list[float]) -> float:
    """Return the largest cell; 0 if there is none."""
    return max(cells, default=0.0)


def forall(cells: list[float]) -> float:
    """Return the smallest cell; 1 if there is none."""
    return min(cells, default=1.0)


def logit(p: float) -> float:
    """Return the clamped logit."""
    p = min(max(p, EPSILON), 1.0 - EPSILON)
    return math.log(p / (1.0 - p))


def exact_logit(p: float) -> float:
    """Return the logit, ∓∞ at 0 and 1."""
    return math.log(p / (1.0 - p)) if 0.0 < p < 1.0 else math.copysign(math.inf, p - 0.5)


def logistic(logit: float) -> float:
    """Return the probability of a logit as float32 has it; never ½ where the logit is not 0, but the float beside."""
    p = float(np.float32(1.0 / (1.0 + math.exp(min(-logit, 700.0)))))
    if p == 0.5 and logit != 0.0:
        return float(np.nextafter(np.float32(0.5), np.float32(1.0 if logit > 0.0 else 0.0)))
    return p


def soft_exists(cells: list[float], tau: float) -> float:
    """Return ``σ(τ·log Σ exp(ℓ/τ))``; 0 if there is no cell."""
    if not cells:
        return 0.0
    if tau == 0.0:
        return exists(cells)
    peak = max(logit(p) for p in cells)
    total = sum(math.exp((logit(p) - peak) / tau) for p in cells)
    return 1.0 / (1.0 + math.exp(-(peak + tau * math.log(total))))


def soft_forall(cells: list[float], tau: float) -> float:
    """Return ``¬∃τ¬``."""
    return 1.0 - soft_exists([1.0 - p for p in cells], tau)


def noisy_or(cells: list[float]) -> float:
    """Return ``1 - Π(1 - p)``."""
    return 1.0 - math.prod(1.0 - p for p in cells)


# ---- descriptions ----


def weights(logits: list[float], tau: float) -> list[float]:
    """Return ``softmax(ℓ/τ)`` of clamped logits; at τ = 0 all for the first best, which is not clamped."""
    if tau == 0.0:
        return [float(k == logits.index(max(logits))) for k in range(len(logits))]
    limit = math.log((1.0 - EPSILON) / EPSILON)
    cells = [min(max(x, -limit), limit) for x in logits]
    parts = [math.exp((x - max(cells)) / tau) for x in cells]
    return [part / sum(parts) for part in parts]


def iota(t: Cells, over: Sequence[str], tau: float) -> Cells:
    """Return ``softmax(ℓ/τ)`` over some variables; 0 at padding; one-hot on the first best at τ = 0."""
    cells = dict.fromkeys(t.cells, 0.0)
    rest = tuple(v for v in t.vars if v not in over)
    for w in _places(rest, t.sizes):
        real = [{**w, **dict(zip(over, i))} for i in itertools.product(*(t.real(v) for v in over))]
        if not real:
            continue
        best = max(real, key=t.at)
        parts = [float(r is best) if tau == 0 else math.exp((logit(t.at(r)) - logit(t.at(best))) / tau) for r in real]
        for r, part in zip(real, parts):
            cells[tuple(r[v] for v in t.vars)] = part / sum(parts)
    return Cells(t.vars, t.sizes, cells, t.domain)


def expectation(atom: Cells, weights: Cells, over: Sequence[str]) -> Cells:
    """Return ``Σ w·r``."""
    return reduce(math.fsum, cellwise(lambda r, w: r * w, atom, weights), over)


def argmax(t: Cells, over: Sequence[str]) -> dict[Place, Place]:
    """Return, for each choice of the others, the first tuple that reaches the largest cell; -1 if none."""
    rest = tuple(v for v in t.vars if v not in over)
    out = {}
    for w in _places(rest, t.sizes):
        real = list(itertools.product(*(t.real(v) for v in over)))
        none = (-1,) * len(over)
        out[tuple(w.values())] = max(real, key=lambda i: t.at({**w, **dict(zip(over, i))}), default=none)
    return out


# ---- counting ----


def count(cells: list[float]) -> int:
    """Return how many cells are above ½."""
    return sum(p > 0.5 for p in cells)


def distribution(cells: list[float]) -> list[float]:
    """Return ``P(count = k)`` for k = 0 … n by going through every subset of true cells."""
    out = [0.0] * (len(cells) + 1)
    for truth in itertools.product((False, True), repeat=len(cells)):
        out[sum(truth)] += math.prod(p if t else 1.0 - p for p, t in zip(cells, truth))
    return out


def at_least(logic: str, cells: list[float], k: int) -> float:
    """Return godel's k-th largest cell, or the chance of at least k."""
    if k <= 0:
        return 1.0
    if k > len(cells):
        return 0.0
    return sorted(cells, reverse=True)[k - 1] if logic == "godel" else math.fsum(distribution(cells)[k:])


def exactly(logic: str, cells: list[float], k: int) -> float:
    """Return godel's ``min(φ₍ₖ₎, 1 - φ₍ₖ₊₁₎)``, or the chance of exactly k."""
    if logic == "godel":
        return min(at_least(logic, cells, k), 1.0 - at_least(logic, cells, k + 1))
    return distribution(cells)[k] if 0 <= k <= len(cells) else 0.0


def compare_counts(logic: str, a: list[float], b: list[float], op: str) -> float:
    """Return how true ``#a op #b`` is."""
    if op in (">=", "<=", "!="):
        return 1.0 - compare_counts(logic, a, b, {">=": "<", "<=": ">", "!=": "=="}[op])
    if op == "<":
        return compare_counts(logic, b, a, ">")
    if op == "==":
        both = [(exactly(logic, a, k), exactly(logic, b, k)) for k in range(max(len(a), len(b)) + 1)]
        return max(min(p, q) for p, q in both) if logic == "godel" else math.fsum(p * q for p, q in both)
    if logic == "godel":
        return max((min(at_least(logic, a, k), 1.0 - at_least(logic, b, k)) for k in range(1, len(a) + 1)), default=0.0)
    pairs = itertools.product(enumerate(distribution(a)), enumerate(distribution(b)))
    return math.fsum(p * q for (i, p), (j, q) in pairs if i > j)
