"""The rules of all nodes: how each is computed, and what bounds it where evidence is missing."""

from __future__ import annotations

from collections.abc import Mapping

from dsl import plan
from neptune.engine.compile import connectives, counts, descriptions, quantifiers
from neptune.engine.compile.compiler import Rule

RULES: Mapping[type[plan.Node], Rule] = {
    plan.Const: connectives.constant,
    plan.Same: connectives.identity,
    plan.Not: connectives.negation,
    plan.And: connectives.junction,
    plan.Or: connectives.junction,
    plan.Xor: connectives.exclusive,
    plan.Exists: quantifiers.quantified,
    plan.Forall: quantifiers.quantified,
    plan.ExpectationOver: descriptions.expectation,
    plan.Compare: counts.comparison,
    plan.Count: counts.count,
    plan.CountTrue: counts.count_true,
}
"""A new class of nodes is an entry here, or says by ``expand()`` of which others it is made."""
