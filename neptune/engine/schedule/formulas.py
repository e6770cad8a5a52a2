"""What follows from a formula alone: the axes of arrays about it, and how it is quantified."""

from __future__ import annotations

from functools import lru_cache

from dsl import plan
from dsl.rewrites.all_different import Block
from neptune.engine.compile.quantifiers import search_of
from neptune.engine.evaluate.ends.axes import Axes, sorted_axes


def axes(node: plan.Node) -> Axes:
    """Return the order of the axes of every array about a node: its free variables, sorted."""
    return sorted_axes(node.free)


def over_axes(node: plan.Count | plan.Description) -> Axes:
    """Return the axes of the body of a count or description, its own variable last."""
    return (*axes(node), node.var)


def block_of(node: plan.Exists | plan.Forall) -> Block | None:
    """Return the block of distinct variables that a formula starts with, if it does."""
    search = search_of(node)
    return None if search is None else search.block


def groups_of(block: Block) -> list[tuple[plan.Node, Axes]]:
    """Return the factors of a block, joined group by group, each with the order of the group's variables."""
    join = plan.disjunction if block.universal else plan.conjunction
    return [(join(group), scope) for group, scope in zip(block.groups, block.scopes, strict=True) if group]


@lru_cache(maxsize=4096)
def quantified(node: plan.Node) -> bool:
    """Tell whether there is a quantifier, count or description under the node."""
    return any(
        isinstance(n, plan.Exists | plan.Forall | plan.Description | plan.Count | plan.CountTrue)
        for n in plan.walk(node)
    )
