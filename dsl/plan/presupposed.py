"""What the descriptions of a plan take for granted: that something fits them.

Of a description that speaks of no variable around it that is ``∃y D(y)``. One that does is another description for each
outer object, and only those objects count at which its value matters: where the conditions beside it (the other
operands of a conjunction that it stands in, the opposite of those of a disjunction) are true. It takes for granted that
*some* such object has something that fits, if there is any such object: ``∃x (R(x) ∧ ∃y D(x, y)) ∨ ¬∃x R(x)``.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable

from dsl.plan.build import conjunction, const, disjunction, negation, quantify
from dsl.plan.nodes import And, Const, Description, Exists, ExpectationOver, Or
from dsl.plan.schema import Node, make
from dsl.plan.tree import walk


def descriptions(node: Node) -> list[Description]:
    """Return the descriptions whose objects a plan speaks of, each once, parents first."""
    return list(dict.fromkeys(n.description for n in walk(node) if isinstance(n, ExpectationOver)))


def relative_presuppositions(node: Node) -> dict[Description, Node]:
    """Return for each description that speaks of a variable around it what it takes for granted, a closed formula.

    Parameters
    ----------
    node
        A plan, guarded: its descriptions are closed or speak of variables that it binds or leaves free.
    """
    wanted = [d for d in descriptions(node) if d.free]
    if not wanted:
        return {}
    matters = _where_it_matters(node, frozenset(wanted))
    out = {}
    for description in wanted:
        relevant = _any(matters[description])
        fits = make(Exists, description.var, description.body)
        some = quantify(Exists, sorted(description.free), conjunction(_told([relevant, fits])))
        out[description] = some
        if not isinstance(relevant, Const):
            out[description] = disjunction([some, negation(quantify(Exists, sorted(relevant.free), relevant))])
    return out


def _where_it_matters(root: Node, wanted: frozenset[Description]) -> dict[Description, list[Node]]:
    """Return for each description the conditions, over its free variables, under any of which its value matters.

    From the top down, a node after all that it is part of: each is visited once, with all that makes it matter.
    """
    holding: dict[Node, bool] = {}
    for node in sorted(walk(root), key=lambda n: n.depth):
        holding[node] = node in wanted or any(holding[child] for child in node.children)
    under: dict[Node, list[Node]] = {root: [const(1.0)]}
    queue, serial = [(-root.depth, 0, root)], itertools.count(1)
    while queue:
        _, _, node = heapq.heappop(queue)
        condition = conjunction(_told([_any(under[node]), *_beside(node, holding)]))
        for child, part in node.schema.parts_of(node):
            if not holding[child]:
                continue
            if child not in under:
                under[child] = []
                heapq.heappush(queue, (-child.depth, next(serial), child))
            # Of what is bound in between some object will do; a name that is bound anew is another's.
            known = child.free.difference(node.schema.variable(node) if part.scoped else ())
            under[child].append(quantify(Exists, sorted(condition.free - known), condition))
    return {d: under[d] for d in wanted}


def _beside(node: Node, holding: dict[Node, bool]) -> list[Node]:
    """Return what has to be true for the operands that hold descriptions to matter."""
    if not isinstance(node, And | Or):
        return []
    plain = [operand for operand in node.operands if not holding[operand]]
    return plain if isinstance(node, And) else [negation(operand) for operand in plain]


def _any(conditions: list[Node]) -> Node:
    always = const(1.0)
    return always if always in conditions else disjunction(dict.fromkeys(conditions))


def _told(operands: Iterable[Node]) -> list[Node]:
    """Leave out what is true anyway."""
    return [operand for operand in operands if not (isinstance(operand, Const) and operand.value == 1.0)]
