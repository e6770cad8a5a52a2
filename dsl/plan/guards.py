"""An object is not left of itself: guards make every atom total before anything else is done to a plan.

An oracle is never asked about an object paired with itself, so a literal (its sign included) needs a value there.
The rule (`docs/architecture.md`, "Pairs"): it is *false* under an innermost binding ∃ and *true* under an innermost
binding ∀; ``exists``, ``count``, ``iota``, ``point`` and a returned formula bind like ∃. So an atom R(u, v) becomes
``u ≠ v ∧ R`` or ``u = v ∨ R``, as ``explain`` shows, and ordinary laws take over from there.

A description used as an argument, ``left(x, iota(…))``, does not bind in this sense: the quantifier of x decides.
Where no quantifier decides (two descriptions, or given objects) the atom is 1 for ``same_*`` and 0 otherwise.

A relation that is derived from values is written out behind its guard: ``larger(u, v)`` is "u is large and v is small".
"""

from __future__ import annotations

from typing import NamedTuple

from dsl import plan


class _Binding(NamedTuple):
    """How a variable is bound: outermost first by `order`; `positive`: an even number of ¬ since the binder."""

    order: int
    kind: str
    positive: bool


_Context = dict[str, _Binding]


def insert_guards(node: plan.Node) -> plan.Node:
    """Return the plan with a guard at every atom of two or more objects, and nodes that the engine has no rules for
    written with others.

    Idempotent in value. Each shared node is visited once for each way in which its free variables are bound, so
    the work is bounded by the size of the plan times the number of such ways.
    """
    context = {var: _Binding(-1, "∃", True) for var in node.free}
    return plan.descend(node, context, _guard)


def _guard(node: plan.Node, context: _Context, visit: plan.Visit[_Context]) -> plan.Node:
    if isinstance(node, plan.Atom):
        return _guard_atom(node, context)
    schema = node.schema
    if not node.basic or (schema.mixed and _has_pairs(node)):
        # A guard depends on the sign, so a part that occurs with both is written out.
        return visit(node.expand(), context)
    guarded = []
    for child, part in schema.parts_of(node):
        inner = context
        if part.sign == "-":
            inner = {v: _Binding(b.order, b.kind, not b.positive) for v, b in context.items()}
        elif part.sign == "0":
            inner = {v: _Binding(b.order, b.kind, True) for v, b in context.items()}
        if part.scoped and schema.kind is not None:
            order = 1 + max([b.order for b in context.values()], default=-1)
            inner = {**inner, **{v: _Binding(order, schema.kind, True) for v in schema.variable(node)}}
        guarded.append(visit(child, inner))
    return plan.rejoin(node, guarded)


def _guard_atom(atom: plan.Atom, context: _Context) -> plan.Node:
    terms = atom.terms
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i + 1 :]]
    if not pairs:
        return atom
    bindings = [context[t] for t in terms if isinstance(t, str)]
    deciding = [b for b in bindings if b.kind != "ι"]
    if deciding:
        innermost = max(deciding, key=lambda b: b.order)
        true_on_diagonal = (innermost.kind == "∀") == innermost.positive
    else:
        true_on_diagonal = atom.predicate.reflexive
    equalities = [e for e in (plan.same(a, b) for a, b in pairs) if e is not plan.const(0.0)]
    if plan.const(1.0) in equalities:
        return plan.const(1.0 if true_on_diagonal else 0.0)
    meant = _written_out(atom)
    if true_on_diagonal:
        return plan.disjunction([*equalities, meant])
    return plan.conjunction([*(plan.negation(e) for e in equalities), meant])


def _written_out(atom: plan.Atom) -> plan.Node:
    """Return a relation that is derived from values as what it means, any other atom as it is."""
    if not atom.predicate.ways:
        return atom
    return plan.disjunction(
        plan.conjunction(plan.make(plan.Atom, plan.Predicate(v, 1), (t,)) for v, t in zip(way, atom.terms, strict=True))
        for way in atom.predicate.ways
    )


def _has_pairs(node: plan.Node) -> bool:
    return any(isinstance(n, plan.Atom) and len(n.terms) > 1 for n in plan.walk(node))
