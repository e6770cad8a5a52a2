"""Hypothesis strategies for guarded plan nodes and leaf tables, for the planner's tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from hypothesis import strategies as st
from reference.evaluator import Evaluator

from dsl import plan
from dsl.plan import (
    Atom,
    Compare,
    Count,
    CountTrue,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Number,
    Predicate,
    Xor,
    make,
)
from dsl.plan.guards import insert_guards
from neptune.algebra import LogicParameters, ProbabilisticTensor, logic
from neptune.engine.evaluate.executor import Executor

UNARY = [Predicate(n, 1) for n in ("red", "cube", "metal")]
BINARY = [Predicate("left", 2), Predicate("behind", 2), Predicate("same_size", 2, "", True, True)]
NULLARY = Predicate("dark", 0, "is it dark?")
LOGICS = ("godel", "product", "lukasiewicz", "frank:0.1", "frank:50")
NAMES = ("x", "y", "z", "w")


@st.composite
def formulas(draw: Any, free: int = 0) -> Node:
    """A formula with at most four variables in scope, as a program could build it; guarded.

    Hypothesis draws a seed, not each choice: its choices would make the same few formulas again and again.
    """
    rng = draw(st.randoms(use_true_random=True))
    return insert_guards(formula(rng, [f"@{i}" for i in range(free)], rng.randint(4, 14), True))


SCENES = st.tuples(st.sampled_from((3, 4, 5, 2, 1, 0)), st.integers(0, 10_000))
"""How many objects, and the seed of their scores."""


def formula(rng: random.Random, scope: list[str], size: int, described: bool) -> Node:
    """Draw one formula over the variables in scope."""
    if size <= 1:
        return atom(rng, scope)
    kinds = ["and", "and", "or", "not", "xor"]
    if len(scope) < 4:
        kinds += ["exists"] * 4 + ["forall"] * 2 + (["expect", "compare", "tally"] if described else [])
    kind = rng.choice(kinds)
    var = f"@{len(scope)}"
    inner = [*scope, var]

    def sub(s: list[str], share: float = 0.6) -> Node:
        return formula(rng, s, int(size * share), described)

    match kind:
        case "and" | "or":
            join = plan.conjunction if kind == "and" else plan.disjunction
            return join([sub(scope) for _ in range(rng.choice([2, 2, 3, 4]))])
        case "not":
            return plan.negation(formula(rng, scope, size - 1, described))
        case "xor":
            return make(Xor, sub(scope), sub(scope))
        case "exists" | "forall":
            return make(Exists if kind == "exists" else Forall, var, formula(rng, inner, size - 1, described))
        case "expect":
            iota = make(Description, var, sub(inner))
            return make(ExpectationOver, var, iota, atom(rng, inner), rng.random() < 0.2)
        case "tally":
            tally = make(CountTrue, tuple(sub(scope, 0.4) for _ in range(2)))
            return make(Compare, rng.choice([">", "=="]), tally, make(Number, float(rng.choice([0, 1]))))
    left = make(Count, var, sub(inner))
    right = make(Number, rng.choice([0.0, 1.0, 2.0, 1.5])) if rng.random() < 0.5 else make(Count, var, sub(inner))
    return make(Compare, rng.choice([">", ">=", "<", "<=", "==", "!="]), left, right)


def atom(rng: random.Random, scope: list[str]) -> Node:
    """Draw an atom over the variables in scope."""
    roll = rng.random()
    if not scope or roll < 0.04:
        return make(Atom, NULLARY, ()) if roll < 0.5 else plan.const(rng.choice([0.0, 1.0, 0.25]))
    if len(scope) > 1 and roll < 0.6:
        u, v = rng.sample(scope, 2)
        if rng.random() < 0.2:
            return plan.same(u, v) if rng.random() < 0.4 else plan.negation(plan.same(u, v))
        return make(Atom, rng.choice(BINARY), (u, v))
    return make(Atom, rng.choice(UNARY), (rng.choice(scope),))


def tables(n: int, seed: int) -> dict[Predicate, torch.Tensor]:
    """Return logits for every predicate on n objects, no two of them equal."""
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for p in [*UNARY, *BINARY, NULLARY]:
        cells = torch.randn([n] * p.arity, generator=generator) * 3
        if p.symmetric:
            cells = cells.triu() + cells.triu(1).T
        out[p] = cells
    return out


EvaluatorT = TypeVar("EvaluatorT", Evaluator, Executor)
optimised = partial(Executor, planner="optimised")


def evaluator(
    kind: Callable[..., EvaluatorT],
    n: int,
    given: dict[Predicate, torch.Tensor],
    name: str,
    parameters: LogicParameters | None = None,
    limit: int = 10_000_000,
) -> EvaluatorT:
    """Return an evaluator of these tables: the slow reference, or an executor."""
    chosen = logic.get(name)

    def known(node: Atom) -> torch.Tensor:
        index = tuple(t if isinstance(t, int) else slice(None) for t in node.terms)
        return chosen.to_internal(given[node.predicate][index].to(chosen.dtype)).unsqueeze(0)

    return kind(n, chosen, parameters or LogicParameters(), known, limit)


def both(n: int, given: dict[Predicate, torch.Tensor], name: str) -> tuple[Evaluator, Executor]:
    """Return the slow reference and the optimised executor of these tables."""
    return evaluator(Evaluator, n, given, name), evaluator(optimised, n, given, name)


def gap(a: ProbabilisticTensor, b: ProbabilisticTensor) -> float:
    """Return the largest difference of two tables, 0.0 where they are equal bit for bit."""
    b = b.align(a.vars)
    if torch.equal(a.internal, b.internal):
        return 0.0
    return max(float((a.values - b.values).detach().abs().max()), 1e-30)
