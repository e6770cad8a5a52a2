"""Elimination: ∃x1 … xk over a conjunction without a joint tensor (bucket elimination; Dechter 1999).

A t-norm distributes over max, so a variable may be maximised out of the factors that mention it as soon as they are
joined: ``∃x∃y(a(x) ∧ r(x, y) ∧ b(y)) = ∃x(a(x) ∧ ∃y(r(x, y) ∧ b(y)))``. The cost falls from N^k to N^(w+1) with w
the treewidth of the factors. Each factor is used exactly once, so it is exact in every logic, idempotent or not.
∀ over ∨ is the same with min and the t-conorm. `opt_einsum` finds the order of least cost.

The outcome is an ordinary formula, which any evaluator can run: quantifiers over ∧ or ∨ of at most two groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsl import plan
from dsl.rewrites.normal import Keys
from dsl.rewrites.rule import Laws, of_plans

NOMINAL = 64
"""The number of objects for which orders are compared: large, so that the exponent decides."""
DYNAMIC, CYCLES = 18, 6
"""Up to so many factors, and so many more factors than variables, the best order is searched (dynamic programming,
whose cost grows with the cycles: half a minute for six variables all related); beyond, a greedy one is taken."""


@of_plans("eliminate variables", "∃x∃y(φ(x) ∧ ψ(x, y)) = ∃x(φ(x) ∧ ∃y ψ(x, y))", crisp=True)
def eliminate(root: plan.Node, laws: Laws) -> plan.Node:
    """Rewrite every block of like quantifiers into an order of least width. Holds in every logic (crisp quantifiers).

    A block whose variables must all be different (more inequations than the factors carry anyway) is left as one
    block; :mod:`dsl.rewrites.all_different` says how it is searched.
    """
    return plan.descend(root, None, _eliminated)


def _eliminated(node: plan.Node, _: None, visit: plan.Visit[None]) -> plan.Node:
    if not isinstance(node, plan.Exists | plan.Forall):
        return plan.rebuild(node, [visit(child, None) for child in node.children])
    variables, factors = collect(node)
    return arrange(type(node), variables, [visit(factor, None) for factor in factors])


def collect(node: plan.Exists | plan.Forall) -> tuple[list[str], list[plan.Node]]:
    """Return the variables of a block of like quantifiers and the factors under it, nested blocks drawn in.

    ``∃x(φ ∧ ∃yψ) = ∃x∃y(φ ∧ ψ)``: a nested block's variable is renamed where it would collide. Variables come
    outermost first. A closed nested block stays a factor: it is a number.
    """
    kind = type(node)
    variables: list[str] = []
    factors: list[plan.Node] = []
    taken = {v for n in plan.walk(node) for v in n.free}

    def gather(current: plan.Node, inside: bool) -> None:
        if isinstance(current, kind) and (inside or current.free):
            var, body = current.var, current.body
            if var in variables or var in node.free:
                k = 0
                while f"${k}" in taken or f"${k}" in variables:
                    k += 1
                body = plan.substitute(body, {var: f"${k}"})
                var = f"${k}"
            variables.append(var)
            gather(body, True)
        elif isinstance(current, kind.connective):
            for operand in current.operands:
                gather(operand, False)
        else:
            factors.append(current)

    gather(node, True)
    return variables, factors


def arrange(kind: plan.Quantifier, variables: Sequence[str], factors: Sequence[plan.Node]) -> plan.Node:
    """Return the block as a formula of least width; see :func:`eliminate`."""
    factors = sorted(factors, key=Keys())
    bound = set(variables)
    parts: list[plan.Node] = []
    for members in components(factors, bound):
        inner = [v for v in variables if any(v in f.free for f in members)]
        if inner and not stays_whole(kind, inner, members):
            parts.append(_ordered(kind, inner, members))
        else:
            parts.append(plan.quantify(kind, reversed(inner), _join(kind.connective, members)))
    return _join(kind.connective, parts)


def components(factors: Sequence[plan.Node], bound: Iterable[str]) -> list[list[plan.Node]]:
    """Group factors that share a bound variable, directly or through others; those without one come alone."""
    left = set(bound)
    groups: list[tuple[set[str], list[plan.Node]]] = []
    for factor in factors:
        scope = set(factor.free) & left
        touching = [g for g in groups if g[0] & scope]
        merged = (scope.union(*(g[0] for g in touching)), [f for g in touching for f in g[1]] + [factor])
        groups = [g for g in groups if not any(g is t for t in touching)] + [merged]
    return [members for _, members in groups]


def stays_whole(kind: plan.Quantifier, variables: Sequence[str], factors: Sequence[plan.Node]) -> bool:
    """Return whether the inequations of a block would widen its elimination: it is then searched instead.

    See :mod:`dsl.rewrites.all_different`. Two variables are no wider than a table of pairs.
    """
    apart, others = split_apart(kind, factors, set(variables))
    if not apart or len(set(variables).union(*(f.free for f in factors))) < 3:
        return False
    return greedy_width(factors, variables) > max(greedy_width(others, variables), 2)


def greedy_width(factors: Sequence[plan.Node], variables: Iterable[str]) -> int:
    """Return the variables of the largest table if they are eliminated greedily, fewest neighbours first: an upper
    bound of the least width, and it where there are few cycles (Bodlaender and Koster 2010)."""
    scopes = [f.free for f in factors]
    most, left = max((len(s) for s in scopes), default=0), set(variables)

    def neighbours(var: str) -> frozenset[str]:
        return frozenset().union(*(s for s in scopes if var in s))

    while left:
        var = min(left, key=lambda v: (len(neighbours(v)), v))
        joined = neighbours(var)
        most = max(most, len(joined))
        scopes = [s for s in scopes if var not in s] + [joined - {var}]
        left.remove(var)
    return most


def split_apart(
    kind: plan.Quantifier, factors: Sequence[plan.Node], bound: set[str]
) -> tuple[list[plan.Node], list[plan.Node]]:
    """Split factors into inequations of two bound variables (for ∀: equations) that no other factor carries, and
    the rest."""
    rest = [f for f in factors if not _is_pair(kind, f)]
    apart = [
        f for f in factors if _is_pair(kind, f) and f.free <= bound and not any(f.free <= other.free for other in rest)
    ]
    return apart, [f for f in factors if f not in apart]


def _is_pair(kind: plan.Quantifier, node: plan.Node) -> bool:
    same = node if kind is not plan.Exists else node.body if isinstance(node, plan.Not) else None
    return isinstance(same, plan.Same) and len(same.free) == 2


def _ordered(kind: plan.Quantifier, variables: list[str], factors: list[plan.Node]) -> plan.Node:
    connective = kind.connective
    groups = by_scope(factors)
    kept = {v for f in factors for v in f.free} - set(variables)
    scopes = [frozenset(v for f in g for v in f.free) for g in groups]
    steps: list[tuple[int, ...]] = order(scopes, kept) if len(groups) > 1 else [(0,)]
    for step in steps:
        chosen = [f for i in step for f in groups[i]]
        groups = [g for i, g in enumerate(groups) if i not in step]
        elsewhere = {v for g in groups for f in g for v in f.free}
        done = [v for v in variables if any(v in f.free for f in chosen) and v not in elsewhere]
        # What does not mention an eliminated variable waits: it then meets a smaller table.
        inside = [f for f in chosen if any(v in f.free for v in done)]
        outside = [f for f in chosen if f not in inside]
        groups.append(
            [*outside, plan.quantify(kind, sorted(done, reverse=True), _join(connective, inside))]
            if inside
            else outside
        )
    return _join(connective, [f for g in groups for f in g])


def by_scope(factors: Sequence[plan.Node]) -> list[list[plan.Node]]:
    """Group factors so that no group's scope lies within another's: each goes to the smallest scope around it."""
    scopes: list[frozenset[str]] = []
    for factor in factors:
        if factor.free not in scopes:
            scopes.append(factor.free)
    top = [s for s in scopes if not any(s < other for other in scopes)]
    groups: dict[frozenset[str], list[plan.Node]] = {s: [] for s in top}
    for factor in factors:
        home = min((s for s in top if factor.free <= s), key=len)
        groups[home].append(factor)
    return list(groups.values())


def order(scopes: Sequence[frozenset[str]], kept: set[str]) -> list[tuple[int, ...]]:
    """Return an order of pairwise joins of least cost, as positions in a list from which a join removes its operands
    and to whose end it appends the outcome.

    Parameters
    ----------
    scopes
        The variables of each factor.
    kept
        Variables that are not reduced.
    """
    import opt_einsum

    names = sorted(set().union(*scopes))
    symbols = {v: opt_einsum.get_symbol(i) for i, v in enumerate(names)}
    inputs = ["".join(symbols[v] for v in sorted(s)) for s in scopes]
    output = "".join(symbols[v] for v in sorted(kept) if v in symbols)
    small = len(scopes) <= DYNAMIC and len(scopes) - len(names) <= CYCLES
    how = "dp" if small else "greedy"
    shapes = [(NOMINAL,) * len(s) for s in inputs]
    path, _ = opt_einsum.contract_path(f"{','.join(inputs)}->{output}", *shapes, shapes=True, optimize=how)
    return [tuple(int(i) for i in step) for step in path]


def _join(connective: plan.Connective, operands: Sequence[plan.Node]) -> plan.Node:
    return operands[0] if len(operands) == 1 else plan.make(connective, tuple(operands))
