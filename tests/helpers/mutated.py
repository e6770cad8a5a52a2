"""JSON changed at random in its structure: what a broken or hostile sender makes of a file or a reply."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, -0.0001, -9999, 1e308, -1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "yes", "No.", "\x1b[31m", "\ud800", "x" * 5000, "<think>", "```", "../../etc/passwd",
    [], [[]], {}, {"a": {}}, [None], ["yes", None, 3], {"token": "Yes"}, {"token": 5, "logprob": "-1"},
)  # fmt: skip


def mutated(tree: Any, rng: random.Random, odd: Sequence[Any] = ODD) -> Any:
    """Return a copy of a JSON value, changed one to three times as :func:`mutate` does."""
    holder = [copy.deepcopy(tree)]  # the whole may be replaced too
    for _ in range(rng.choice((1, 1, 2, 3))):
        mutate(holder, rng, odd)
    return holder[0] if holder else None


def mutate(tree: Any, rng: random.Random, odd: Sequence[Any]) -> None:
    """Change one value somewhere in a tree: replaced, deleted, doubled, wrapped, or another of its own values."""
    whole = tree
    while isinstance(tree, dict | list) and tree:
        key = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        if isinstance(tree[key], dict | list) and tree[key] and rng.random() < 0.8:
            tree = tree[key]
            continue
        what = rng.random()
        if what < 0.6:
            tree[key] = copy.deepcopy(rng.choice(odd))
        elif what < 0.75:
            del tree[key]
        elif what < 0.85 and isinstance(tree, list):
            tree.append(copy.deepcopy(tree[key]))
        elif what < 0.92:
            tree[key] = [tree[key]]
        else:
            tree[key] = copy.deepcopy(_any_of(whole, rng))
        return


def _any_of(tree: Any, rng: random.Random) -> Any:
    while isinstance(tree, dict | list) and tree and rng.random() < 0.85:
        tree = rng.choice(list(tree.values()) if isinstance(tree, dict) else tree)
    return tree
