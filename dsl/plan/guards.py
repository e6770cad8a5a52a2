"""An object is not left of itself: guards make every atom total before anything else is done to a plan.

An oracle is never asked about an object paired with itself, so a literal (its sign included) needs a value there.
The rule (`docs/architecture.md`, "Pairs"): it is *false* under an innermost binding ∃ and *true* under an innermost
binding ∀; ``exists``, ``count``, ``iota``, ``point`` and a returned formula bind like ∃. So an atom R(u, v) becomes
``u ≠ v ∧ R`` or ``u = v ∨ R``, with crisp leaves that ``explain`` shows, and ordinary laws take over from there.

A description used as an argument, ``left(x, iota(…))``, does not bind in this sense: the quantifier of x decides.
Where no quantifier decides (two descriptions, or given objects) the atom is 1 for ``same_*`` and 0 otherwise.

A relation that is derived from values is written out behind its guard: ``larger(u, v)`` is "u is large and v is small".
"""

from __future__ import annotations

from dataclasses import dataclass

from dsl.plan import (
    And,
    Atom,
    Compare,
    Count,
    CountTrue,
    Describe,
    Description,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    Predicate,
    Xor,
    children,
    conjunction,
    const,
    disjunction,
    make,
    negation,
    rebuild,
    same,
    walk,
)

EXISTS, FORALL, DESCRIBED = "∃", "∀", "ι"


@dataclass(frozen=True, slots=True)
class _Binding:
    """How a variable is bound: outermost first by `order`; `positive`: an even number of ¬ since the binder."""

    order: int
    kind: str
    positive: bool


_Context = dict[str, _Binding]


def insert_guards(node: Node) -> Node:
    """Return the plan with a guard at every atom of two or more objects.

    Idempotent in value. Each shared node is visited once for each way in which its free variables are bound, so
    the work is bounded by the size of the plan times the number of such ways.
    """
    context = {var: _Binding(-1, EXISTS, True) for var in node.free}
    return _guard(node, context, 0, {})


def _guard(node: Node, context: _Context, order: int, memo: dict[tuple[object, ...], Node]) -> Node:
    live = {v: b for v, b in context.items() if v in node.free}
    key = (node, order, tuple(sorted((v, b.order, b.kind, b.positive) for v, b in live.items())))
    found = memo.get(key)
    if found is None:
        found = memo[key] = _guard_new(node, live, order, memo)
    return found


def _guard_new(node: Node, context: _Context, order: int, memo: dict[tuple[object, ...], Node]) -> Node:
    def below(child: Node, inner: _Context, deeper: int = 0) -> Node:
        return _guard(child, inner, order + deeper, memo)

    match node:
        case Atom():
            return _guard_atom(node, context)
        case Not():
            return negation(below(node.body, _flip(context)))
        case And():
            return conjunction(below(o, context) for o in node.operands)
        case Or():
            return disjunction(below(o, context) for o in node.operands)
        case Xor() if _has_pairs(node):
            # Each side occurs with both signs, and a guard depends on the sign: write the definition out.
            a, b = node.left, node.right
            return below(disjunction([conjunction([a, negation(b)]), conjunction([negation(a), b])]), context)
        case Exists() | Forall():
            kind = EXISTS if isinstance(node, Exists) else FORALL
            inner = {**context, node.var: _Binding(order, kind, True)}
            return make(type(node), node.var, below(node.body, inner, 1))
        case Count() | Description():
            inner = {**_positive(context), node.var: _Binding(order, EXISTS, True)}
            return make(type(node), node.var, below(node.body, inner, 1))
        case ExpectationOver():
            iota = below(node.iota, context)
            inner = {**context, node.var: _Binding(order, DESCRIBED, True)}
            return make(ExpectationOver, node.var, iota, below(node.body, inner, 1), node.pick)
        case Compare() | CountTrue() | Describe():
            inner = _positive(context)
            return rebuild(node, tuple(below(child, inner) for child in children(node)))
        case _:
            return rebuild(node, tuple(below(child, context) for child in children(node)))


def _guard_atom(leaf: Atom, context: _Context) -> Node:
    terms = leaf.terms
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i + 1 :]]
    if not pairs:
        return leaf
    bindings = [context[t] for t in terms if isinstance(t, str)]
    deciding = [b for b in bindings if b.kind != DESCRIBED]
    if deciding:
        innermost = max(deciding, key=lambda b: b.order)
        true_on_diagonal = (innermost.kind == FORALL) == innermost.positive
    else:
        true_on_diagonal = leaf.predicate.reflexive
    equalities = [e for e in (same(a, b) for a, b in pairs) if e is not const(0.0)]
    if const(1.0) in equalities:
        return const(1.0 if true_on_diagonal else 0.0)
    atom = _written_out(leaf)
    if true_on_diagonal:
        return disjunction([*equalities, atom])
    return conjunction([*(negation(e) for e in equalities), atom])


def _written_out(leaf: Atom) -> Node:
    """Return a relation that is derived from values as what it means, any other atom as it is."""
    if not leaf.predicate.ways:
        return leaf
    return disjunction(
        conjunction(make(Atom, Predicate(v, 1), (t,)) for v, t in zip(way, leaf.terms, strict=True))
        for way in leaf.predicate.ways
    )


def _flip(context: _Context) -> _Context:
    return {v: _Binding(b.order, b.kind, not b.positive) for v, b in context.items()}


def _positive(context: _Context) -> _Context:
    return {v: _Binding(b.order, b.kind, True) for v, b in context.items()}


def _has_pairs(node: Node) -> bool:
    return any(isinstance(n, Atom) and len(n.terms) > 1 for n in walk(node))
