"""Rewrites: one law, one named function, in one ordered list.

    plan = rewrite(insert_guards(node), Laws.named("godel"))
    print(explain(node, "product"))

Every rewrite keeps the value (bit for bit in godel), terminates, and says where it holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsl.plan import Node, children, show, walk
from dsl.plan.guards import insert_guards
from dsl.rewrites.connectives import flatten, fold_constants, merge_equal, negation_normal_form
from dsl.rewrites.elimination import eliminate
from dsl.rewrites.normal import rename_bound, sort_operands
from dsl.rewrites.quantifiers import drop_vacuous, push_inward
from dsl.rewrites.reductions import order_of
from dsl.rewrites.rule import CRISP, IDEMPOTENT, Laws, Rewrite

__all__ = ["CRISP", "IDEMPOTENT", "STAGES", "Laws", "Rewrite", "Step", "explain", "rewrite", "steps"]

STAGES: tuple[Rewrite, ...] = (
    Rewrite("negation normal form", "¬(a ∧ b) = ¬a ∨ ¬b, ¬∃ = ∀¬, ¬(a > b) = a ≤ b", negation_normal_form),
    Rewrite("fold constants", "true ∧ a = a, false ∧ a = false", fold_constants),
    Rewrite("drop vacuous quantifiers", "∃x φ = φ for x not in φ (N ≥ 1)", drop_vacuous),
    Rewrite("flatten", "(a ∧ b) ∧ c = a ∧ b ∧ c", flatten),
    Rewrite("rename bound variables", "∃x φ(x) = ∃y φ(y)", rename_bound),
    Rewrite("merge equal conjuncts", "a ∧ a = a (u ≠ v in every logic)", merge_equal),
    Rewrite("push quantifiers inward", "∃x(φ ∧ ψ) = ∃xφ ∧ ψ for x not in ψ", push_inward, (CRISP,)),
    Rewrite("rename bound variables", "∃x φ(x) = ∃y φ(y)", rename_bound),
    Rewrite("merge equal conjuncts", "a ∧ a = a (u ≠ v in every logic)", merge_equal),
    Rewrite("order operands", "a ∧ b = b ∧ a", sort_operands),
    Rewrite("eliminate variables", "∃x∃y(φ(x) ∧ ψ(x, y)) = ∃x(φ(x) ∧ ∃y ψ(x, y))", eliminate, (CRISP,)),
    Rewrite("rename bound variables", "∃x φ(x) = ∃y φ(y)", rename_bound),
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
    uses = sum(len(children(n)) for n in nodes)
    lines.append(f"common subexpressions: {max(uses - len(nodes) + 1, 0)} shared, {len(nodes)} nodes in all")
    lines += map(str, order_of(node, laws.crisp))
    return "\n".join(lines)
