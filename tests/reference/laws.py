"""The laws of the algebra: one list, from which the tests and the table in ``docs/algebra.md`` are made.

A law measures how far it is from holding on some drawn tables: 0 is "holds exactly". Where a law is marked
as not holding in a logic, its `witness` is a counterexample, and the tests check that it violates the law.

    PYTHONPATH=tests python -m reference.laws --write docs/algebra.md
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from reference.law import FAMILIES, TOLERANCE, Check, Draws, Law, distance, excess

from neptune.algebra.convert import clamp_logit
from neptune.algebra.logic import Logic
from neptune.algebra.tensor import ProbabilisticTensor


def _law(name: str, statement: str, *, exact: bool = True, witness: Draws | None = None) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        holds = {f: witness is None or f == "godel" for f in FAMILIES}
        LAWS.append(Law(name, statement, check, holds, exact, witness))
        return check

    return add


LAWS: list[Law] = []
"""Every law, in the order of the table."""


def _witness(a: list[list[float]], b: list[list[float]], c: list[list[float]]) -> Draws:
    return Draws(a, b, c, [True] * len(a), [True] * len(a[0]), list(range(len(a))), dtype=torch.float64)


HALVES = _witness([[0.5]], [[0.5]], [[0.5]])
LOPSIDED = _witness([[0.5]], [[0.25]], [[0.5]])
CROSSED = _witness([[0.8], [0.1]], [[0.1], [0.8]], [[0.5], [0.5]])
CROSSED_LOW = _witness([[0.6], [0.9]], [[0.9], [0.6]], [[0.5], [0.5]])


def _three(d: Draws, g: Logic) -> tuple[ProbabilisticTensor, ProbabilisticTensor, ProbabilisticTensor]:
    return d.of("a", g), d.of("b", g), d.of("c", g)


@_law("commutativity", "a ∧ b = b ∧ a; a ∨ b = b ∨ a")
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    return max(distance(a & b, b & a), distance(a | b, b | a), distance(a ^ b, b ^ a))


@_law("associativity", "(a ∧ b) ∧ c = a ∧ (b ∧ c); the same for ∨")
def _(d: Draws, g: Logic) -> float:
    a, b, c = _three(d, g)
    return max(distance((a & b) & c, a & (b & c)), distance((a | b) | c, a | (b | c)))


@_law("boundary", "a ∧ 1 = a, a ∧ 0 = 0, a ∨ 0 = a, a ∨ 1 = 1")
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    one, zero = (ProbabilisticTensor(torch.tensor(v, dtype=d.dtype), logic=g) for v in (1.0, 0.0))
    exact = max(
        distance(a & zero, a._like(torch.full_like(a.internal, g.bottom), a.vars)),
        distance(a | one, a._like(torch.full_like(a.internal, g.top), a.vars)),
    )
    same = a._like(a.internal, a.vars)
    return max(exact, distance(a & one, same), distance(a | zero, same), distance(one & a, same))


@_law("double negation", "¬¬a = a")
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    changed = float(((~~a).decide() != a.decide()).any())
    return max(
        distance(~~a, a), distance(a._like(g.not_(g.not_(a.internal)), a.vars), a._like(a.internal, a.vars)), changed
    )


@_law("De Morgan", "¬(a ∧ b) = ¬a ∨ ¬b; ¬(a ∨ b) = ¬a ∧ ¬b")
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    return max(distance(~(a & b), ~a | ~b), distance(~(a | b), ~a & ~b))


@_law("monotonicity", "a ≤ c ⇒ a ∧ b ≤ c ∧ b, a ∨ b ≤ c ∨ b, ∃a ≤ ∃c, ∃τa ≤ ∃τc, #a ≥ k ≤ #c ≥ k")
def _(d: Draws, g: Logic) -> float:
    a, b, c = _three(d, g)
    c = c._like(torch.maximum(a.internal, c.internal), c.vars)
    pairs = [(a & b, c & b), (a | b, c | b), (a.exists("y"), c.exists("y")), (a.forall("y"), c.forall("y"))]
    pairs += [(a.exists("y", d.tau), c.exists("y", d.tau)), (a.forall("x", d.tau), c.forall("x", d.tau))]
    pairs += [(a.at_least(k, "y"), c.at_least(k, "y")) for k in (1, 2)]
    soft = max(excess(*p) for p in pairs[4:6])
    return max([excess(*p) for p in pairs[:4] + pairs[6:]] + [0.0 if soft <= TOLERANCE[d.dtype] else soft])


@_law("∃/∀ duality", "∀x a = ¬∃x¬a, also for soft quantifiers and noisy-or")
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    kinds: list[dict[str, Any]] = [{}, {"tau": d.tau}, {"quantifier": "noisy_or"}]
    return max(distance(a.forall("x", **kind), ~(~a).exists("x", **kind)) for kind in kinds)


@_law("exchange of like quantifiers", "∃x∃y a = ∃y∃x a = ∃xy a; the same for ∀")
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    out = [distance(a.exists("x").exists("y"), a.exists(v)) for v in (("x", "y"), ("y", "x"))]
    out += [distance(a.forall("x").forall("y"), a.forall(v)) for v in (("x", "y"), ("y", "x"))]
    return max(*out, distance(a.exists("y").exists("x"), a.exists(("x", "y"))))


@_law("scope (N ≥ 1)", "∃x(a ∧ b) = ∃x a ∧ b and ∀x(a ∨ b) = ∀x a ∨ b, where b has no x")
def _(d: Draws, g: Logic) -> float:
    if not any(d.keep_x) or not d.keep_y:
        return 0.0
    a = d.of("a", g)
    b = ProbabilisticTensor(d.raw("b")[0], ["y"], d.domain("y"), logic=g)
    out = [distance((a & b).exists("x"), a.exists("x") & b), distance((a | b).exists("x"), a.exists("x") | b)]
    out += [distance((a | b).forall("x"), a.forall("x") | b), distance((a & b).forall("x"), a.forall("x") & b)]
    return max(out)


@_law("permutation of objects", "the objects' order changes nothing")
def _(d: Draws, g: Logic) -> float:
    a, order = d.of("a", g), torch.tensor(d.order, dtype=torch.int64)
    mask = torch.tensor(d.keep_x, dtype=torch.bool)[order]
    p = ProbabilisticTensor(d.raw("a")[order], ["x", "y"], {"x": mask, "y": d.domain("y")["y"]}, logic=g)
    out = [distance(p.exists("x"), a.exists("x")), distance(p.forall("x"), a.forall("x"))]
    out += [distance(p.at_least(k, "x"), a.at_least(k, "x")) for k in (1, 2)]
    out += [distance(p.count("x"), a.count("x"))]
    soft = distance(p.exists("x", d.tau), a.exists("x", d.tau))
    soft = max(soft, distance(p.iota("x").values, a.iota("x").values[order]))
    return max(*out, 0.0 if soft <= TOLERANCE[d.dtype] else soft)


@_law("padding", "padded objects change nothing, whatever their values")
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    real = torch.tensor(d.keep_x, dtype=torch.bool)
    small = ProbabilisticTensor(d.raw("a")[real], ["x", "y"], d.domain("y"), logic=g)
    out = [distance(small.exists("x"), a.exists("x")), distance(small.forall("x"), a.forall("x"))]
    out += [distance(small.at_least(k, "x"), a.at_least(k, "x")) for k in (0, 1, 2)]
    out += [distance(small.exactly(k, "x"), a.exactly(k, "x")) for k in (0, 1)]
    out += [distance(small.count("x"), a.count("x"))]
    soft = [distance(small.exists("x", d.tau), a.exists("x", d.tau))]
    soft += [distance(small.exists("x", quantifier="noisy_or"), a.exists("x", quantifier="noisy_or"))]
    soft += [distance(small.iota("x").values, a.iota("x").values[real]), float(a.iota("x").values[~real].sum())]
    return max(*out, *(0.0 if s <= TOLERANCE[d.dtype] else s for s in soft))


@_law("temperature limits", "τ = 0 is max, argmax, crisp; τ → 0 tends to it; ∃τ ≥ ∃", exact=False)
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    out = [0.0 if torch.equal(a.exists("x", 0.0).values, a.exists("x").values) else 1.0]
    if any(d.keep_x):
        near = a.exists("x", 1.1e-4)
        out += [0.0 if distance(near, a.exists("x")) <= 1e-4 else 1.0]  # the clamp and τ ln N
        one = (a.iota("x", 0.0).values.argmax(0) == a.argmax("x")).all()
        out += [0.0 if bool(one) or not d.keep_y else 1.0]
    capped = a._like(g.to_internal(clamp_logit(a.exists("x").logits)), ("y",))
    return max(*out, excess(capped, a.exists("x", d.tau)) if any(d.keep_x) else 0.0)


@_law("finite gradients", "gradients are finite everywhere, also at 0 and 1")
def _(d: Draws, g: Logic) -> float:
    leaf = d.raw("a").requires_grad_()
    a = ProbabilisticTensor(leaf, ["x", "y"], d.domain("xy"), logic=g)
    b = d.of("b", g)
    outs = [a & b, a | b, a ^ b, ~(a >> b), a.exists("x"), a.forall(("x", "y")), a.exists("x", d.tau), a.iota("x")]
    outs += [a.exists("x", quantifier="noisy_or"), a.exactly(1, "x"), (a & a).at_most(1, "y")]
    outs += [a.expect(b.iota("y", d.tau), "y")]
    total = sum((o.values.sum() for o in outs), leaf.sum() * 0.0)
    (grad,) = torch.autograd.grad(total, leaf)
    return 0.0 if bool(grad.isfinite().all()) else float("inf")


@_law("totality", "every value of every operation is in [0, 1]")
def _(d: Draws, g: Logic) -> float:
    a, b, c = _three(d, g)
    outs = [a & b, a | b, a ^ b, a >> b, ~(a & c), a.exists("x"), a.forall("y"), a.exists("x", d.tau), a.iota("y")]
    outs += [a.exists("x", quantifier="noisy_or"), a.exactly(1, "x"), a.at_least(2, "x"), a.at_most(1, "x")]
    outs += [a.expect(b.iota("y", d.tau), "y")]
    return max((0.0 if bool(((o.values >= 0) & (o.values <= 1)).all()) else 1.0) for o in outs)


@_law("descriptions are distributions", "Σ iota = 1; the expectation of a constant is the constant", exact=False)
def _(d: Draws, g: Logic) -> float:
    if not any(d.keep_y):
        return float(d.of("a", g).iota("y").values.abs().sum())
    w = d.of("a", g).iota("y", d.tau)
    b = d.column("b", g) if d.keep_y else d.of("b", g)
    total = w.values.sum(1)
    return max(distance(total, torch.ones_like(total)), distance(b.expect(w, "y"), b))


@_law("counts", "P(count) sums to 1; #a ≤ k is ¬(#a ≥ k+1); a crisp table counts as a whole number", exact=False)
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    chances = a.count_distribution("y").sum(-1)
    crisp = ProbabilisticTensor(a.decide().to(d.dtype), a.vars, d.domain("xy"), logic=g)
    out = [distance(chances, torch.ones_like(chances)), distance(a.at_most(1, "y"), ~a.at_least(2, "y"))]
    out += [distance(crisp.exactly(k, "y"), (a.count("y") == k).to(d.dtype)) for k in (0, 1, 2)]
    return max(out)


@_law("comparison of counts", "a > b is b < a, a ≥ b is ¬(a < b); a crisp table compares as whole numbers", exact=False)
def _(d: Draws, g: Logic) -> float:
    from neptune.algebra.tensor.comparison import compare_counts

    a, b, _ = _three(d, g)
    out = [distance(compare_counts(a, b, ">", "y", "y"), compare_counts(b, a, "<", "y", "y"))]
    out += [distance(compare_counts(a, b, ">=", "y", "y"), ~compare_counts(a, b, "<", "y", "y"))]
    p, q = (ProbabilisticTensor(t.decide().to(d.dtype), t.vars, d.domain("xy"), logic=g) for t in (a, b))
    m, n = p.count("y"), q.count("y")
    for op, whole in {">": m > n, "==": m == n, "<=": m <= n, "!=": m != n}.items():
        out.append(distance(compare_counts(p, q, op, "y", "y").values, whole.to(d.dtype)))
    return max(out)


@_law("elimination", "∃x∃y(φ(x) ∧ ψ(x, y)) = ∃x(φ(x) ∧ ∃yψ(x, y))")
def _(d: Draws, g: Logic) -> float:
    if not any(d.keep_y):
        return 0.0
    f, r = d.column("b", g), d.of("a", g)
    return distance((f & r).exists(("x", "y")), (f & r.exists("y")).exists("x"))


@_law("alignment by name", "the order of the axes changes nothing")
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    turned = b.align(("y", "x"))
    return max(distance(a & turned, a & b), distance(turned.exists("y"), b.exists("y")))


@_law("idempotence", "a ∧ a = a; a ∨ a = a", witness=HALVES)
def _(d: Draws, g: Logic) -> float:
    a = d.of("a", g)
    same = a._like(a.internal, a.vars)
    return max(distance(a & a, same), distance(a | a, same))


@_law("distributivity", "a ∧ (b ∨ c) = (a ∧ b) ∨ (a ∧ c), and dually", witness=HALVES)
def _(d: Draws, g: Logic) -> float:
    a, b, c = _three(d, g)
    return max(distance(a & (b | c), (a & b) | (a & c)), distance(a | (b & c), (a | b) & (a | c)))


@_law("absorption", "a ∧ (a ∨ b) = a; a ∨ (a ∧ b) = a", witness=LOPSIDED)
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    same = a._like(a.internal, a.vars)
    return max(distance(a & (a | b), same), distance(a | (a & b), same))


@_law("∃ over ∨", "∃x(a ∨ b) = ∃x a ∨ ∃x b", witness=CROSSED)
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    return distance((a | b).exists("x"), a.exists("x") | b.exists("x"))


@_law("∀ over ∧", "∀x(a ∧ b) = ∀x a ∧ ∀x b", witness=CROSSED_LOW)
def _(d: Draws, g: Logic) -> float:
    a, b, _ = _three(d, g)
    return distance((a & b).forall("x"), a.forall("x") & b.forall("x"))


@_law("merging equal conjuncts", "∃x∃z(φ(x) ∧ φ(z)) = ∃xφ(x)", witness=HALVES)
def _(d: Draws, g: Logic) -> float:
    if not d.keep_y:
        return 0.0
    f = d.column("a", g)
    other = f.rename({"x": "z"})
    return distance((f & other).exists(("x", "z")), f.exists("x"))


def markdown() -> str:
    """Return the table of laws as Markdown."""
    mark = {True: "✓", False: "✗"}
    lines = ["| law | statement | " + " | ".join(FAMILIES) + " |", "|---|---|" + "---|" * len(FAMILIES)]
    for law in LAWS:
        cells = " | ".join(mark[law.holds[f]] for f in FAMILIES)
        lines.append(f"| {law.name} | {law.statement} | {cells} |")
    return "\n".join(lines)


BEGIN, END = (
    "<!-- laws: begin (PYTHONPATH=tests python -m reference.laws --write docs/algebra.md) -->",
    "<!-- laws: end -->",
)


def updated(text: str) -> str:
    """Return a page with its table of laws, between the two marks, brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{after}"


def main() -> None:
    """Print the table of laws, or write it into a page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", type=Path, help="the page to bring up to date (docs/algebra.md)")
    path: Path | None = parser.parse_args().write
    if path is None:
        print(markdown())
    else:
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
