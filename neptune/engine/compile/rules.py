"""The rules of all nodes: how each is computed, and what bounds it where evidence is missing."""

from __future__ import annotations

from collections.abc import Mapping

from dsl.plan import (
    And,
    Compare,
    Const,
    Count,
    CountTrue,
    Exists,
    ExpectationOver,
    Forall,
    Node,
    Not,
    Or,
    Same,
    Xor,
)
from neptune.engine.compile import connectives, counts, descriptions, quantifiers
from neptune.engine.compile.compiler import Rule

RULES: Mapping[type[Node], Rule] = {
    Const: connectives.constant,
    Same: connectives.identity,
    Not: connectives.negation,
    And: connectives.junction,
    Or: connectives.junction,
    Xor: connectives.exclusive,
    Exists: quantifiers.quantified,
    Forall: quantifiers.quantified,
    ExpectationOver: descriptions.expectation,
    Compare: counts.comparison,
    Count: counts.count,
    CountTrue: counts.count_true,
}
"""A new class of nodes is an entry here, or says by ``expand()`` of which others it is made."""
