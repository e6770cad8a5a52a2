"""The stages of planning in their order, and what each of them did."""

from __future__ import annotations

from dataclasses import dataclass

from dsl.plan import Node, show, walk
from dsl.plan.guards import insert_guards
from dsl.rewrites.connectives import flatten, fold_constants, merge_equal, negation_normal_form
from dsl.rewrites.elimination import eliminate
from dsl.rewrites.normal import rename_bound, sort_operands
from dsl.rewrites.quantifiers import drop_vacuous, push_inward
from dsl.rewrites.reductions import order_of
from dsl.rewrites.rule import Laws, Rewrite

STAGES: tuple[Rewrite, ...] = (
    negation_normal_form,
    fold_constants,
    drop_vacuous,
    flatten,
    rename_bound,
    merge_equal,
    push_inward,
    rename_bound,
    merge_equal,
    sort_operands,
    eliminate,
    rename_bound,
)
"""The stages in their order. Guards come before (:func:`dsl.plan.guards.insert_guards`); common subexpressions are one
object at every stage, because nodes are hash-consed."""


def rewrite(node: Node, laws: Laws) -> Node:
    """Return the guarded plan after all stages that hold under the laws."""
    for stage in STAGES:
        node = stage(node, laws)
    return node


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of planning: the formula after it, or why it did not apply.

    Parameters
    ----------
    name, law
        Of the stage; an equation, or what it does in words.
    node
        The formula after it.
    changed
        Whether the stage did anything.
    skipped
        Why it does not apply, or ``""``.
    """

    name: str
    law: str
    node: Node
    changed: bool = True
    skipped: str = ""

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.name} [{self.law}]: does not apply: {self.skipped}"
        return f"{self.name} [{self.law}]: {show(self.node) if self.changed else 'no change'}"


def steps(node: Node, laws: Laws, *, guarded: bool = False) -> list[Step]:
    """Return every stage of planning, in order, and what it did.

    Parameters
    ----------
    node, guarded
        The formula as the program made it; `guarded`: with its guards.
    laws
        The laws that hold.
    """
    out = []
    if not guarded:
        before, node = node, insert_guards(node)
        out.append(Step("guards", "no object is related to itself", node, node is not before))
    for stage in STAGES:
        reason = laws.missing(stage.needs)
        after = node if reason else stage.apply(node, laws)
        out.append(Step(stage.name, stage.law, after, after is not node, reason))
        node = after
    return out


def explain(node: Node, logic: str | Laws = "godel", *, guarded: bool = False) -> str:
    """Return every stage of planning as text: what each did, and why one did not apply.

    Parameters
    ----------
    node
        The formula as the program made it (`guarded`: with its guards).
    logic
        A logic's name, or the laws that hold.
    """
    laws = Laws.named(logic) if isinstance(logic, str) else logic
    lines = [f"as written ({laws.logic}): {show(node)}"]
    done = steps(node, laws, guarded=guarded)
    lines += map(str, done)
    node = done[-1].node
    nodes = list(walk(node))
    uses = sum(len(n.children) for n in nodes)
    lines.append(f"common subexpressions: {max(uses - len(nodes) + 1, 0)} shared, {len(nodes)} nodes in all")
    lines += map(str, order_of(node, laws.crisp))
    return "\n".join(lines)
