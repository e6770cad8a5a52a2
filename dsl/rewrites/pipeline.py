"""The stages of planning in their order, and what each of them did."""

from __future__ import annotations

from dataclasses import dataclass

from dsl.plan import Node, show
from dsl.plan.guards import insert_guards
from dsl.rewrites.connectives import flatten, fold_constants, merge_equal, negation_normal_form
from dsl.rewrites.elimination import eliminate
from dsl.rewrites.normal import rename_bound, sort_operands
from dsl.rewrites.quantifiers import drop_vacuous, push_inward
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
        reason = stage.missing(laws)
        after = node if reason else stage.apply(node, laws)
        out.append(Step(stage.name, stage.law, after, after is not node, reason))
        node = after
    return out
