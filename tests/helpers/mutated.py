"""JSON changed at random in its structure: what a broken or hostile sender makes of a file or a reply."""

from __future__ import annotations

import copy
import random
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, -0.0001, -9999, 1e308, -1e308, float("nan"), float("inf"),
    float("-inf"), "", " ", "yes", "No.", "\x1b[31m", "\ud800", "x" * 5000, "<think>", "```", "../../etc/passwd",
    [], [[]], {}, {"a": {}}, [None], ["yes", None, 3], {"token": "Yes"}, {"token": 5, "logprob": "-1"},
)  # fmt: skip


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if len(path) > 30:
        return found
    if isinstance(tree, dict):
        found += [p for key, value in tree.items() for p in _places(value, (*path, key))]
    elif isinstance(tree, list):
        found += [p for i, value in enumerate(tree) for p in _places(value, (*path, i))]
    return found


def _at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def mutated(tree: Any, draw: random.Random) -> Any:
    """Return a copy of a JSON value with one to three changes: a part replaced, deleted, doubled, moved or wrapped."""
    tree = copy.deepcopy(tree)
    for _ in range(draw.choice((1, 1, 2, 3))):
        *outer, last = draw.choice(_places(tree)) or (None,)
        if last is None:
            if draw.random() < 0.05:
                tree = copy.deepcopy(draw.choice(ODD))
            continue
        holder = _at(tree, tuple(outer))
        match draw.randrange(7):
            case 0 | 1 | 2:
                holder[last] = copy.deepcopy(draw.choice(ODD))
            case 3:
                del holder[last]
            case 4:
                holder[last] = copy.deepcopy(_at(tree, draw.choice(_places(tree))))
            case 5:
                holder[last] = [holder[last]] if draw.random() < 0.8 else _deep(holder[last])
            case _:
                if isinstance(holder, list):
                    holder *= draw.choice((2, 2, 40))
                else:
                    holder[draw.choice(("extra", "", last if isinstance(last, str) else "0"))] = draw.choice(ODD)
    return tree


def _deep(value: Any) -> Any:
    for _ in range(150):
        value = [value]
    return value
