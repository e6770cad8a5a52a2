"""Which programs are one program: equal plans, not equal texts.

A program that decides nothing on the way builds its whole plan without an oracle. Its key is that plan with the
operands of "and", "or" and other symmetric nodes in any order. (Laws that hold in some logics only are not used.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any

import dsl
from dsl import plan
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.vocabulary import Vocabulary
from neptune.engine.session.program_paths import Given, follow


def plan_key(
    program: str, vocabulary: Vocabulary, limits: Limits = DEFAULT_LIMITS, distinct_variables: str = "auto"
) -> Hashable | None:
    """Return a key that programs with equal plans share; ``None`` if the plan depends on what the oracle says.

    Raises
    ------
    dsl.ProgramError
        For everything that the checker, or building the plan, finds wrong. No oracle is asked.
    """
    tree = dsl.check(program, vocabulary=vocabulary, limits=limits).program
    outcome = follow(
        tree, Given(None, limits=limits), vocabulary, limits, distinct_variables, lambda run, value, last: value
    )
    if outcome.error is not None:
        error = outcome.error
        raise error.with_source(program) if error.source is None else error
    if not outcome.done:
        return None
    try:
        key = _key(outcome.value, {})
        hash(key)
    except TypeError:
        return None
    return key


def _key(value: Any, known: dict[plan.Node, Hashable]) -> Hashable:
    if isinstance(value, plan.Node):
        return _node_key(value, known)
    if isinstance(value, list | tuple):
        return (type(value).__name__, *(_key(v, known) for v in value))
    if isinstance(value, bool | int | float | str | None):
        return (type(value).__name__, value)
    if is_dataclass(value):
        return (type(value).__name__, *(_key(getattr(value, f.name), known) for f in fields(value)))
    raise TypeError(type(value).__name__)


def _node_key(node: plan.Node, known: dict[plan.Node, Hashable]) -> Hashable:
    """Return the key of a node: a text hash of its parts, so that shared parts are walked once."""
    found = known.get(node)
    if found is not None:
        return found
    inner = {child: _node_key(child, known) for child in node.children}

    def show(value: Any) -> str:
        if isinstance(value, plan.Node):
            return str(inner[value])
        if isinstance(value, tuple):
            return "(" + ",".join(show(v) for v in value) + ")"
        return repr(value)

    values = list(node.schema.values(node))
    if isinstance(node, plan.And | plan.Or):
        values = [tuple(sorted(node.operands, key=show))]
    elif isinstance(node, plan.Xor):
        values = sorted(values, key=show)
    elif isinstance(node, plan.Compare):
        flip = {">": "<", ">=": "<="}
        if node.op in flip:
            values = [flip[node.op], node.right, node.left]
        elif node.op in ("==", "!="):
            values = [node.op, *sorted((node.left, node.right), key=show)]
    elif isinstance(node, plan.Atom) and node.predicate.symmetric:
        values = [node.predicate, tuple(sorted(node.terms, key=repr))]
    text = f"{type(node).__name__}[{';'.join(show(v) for v in values)}]"
    known[node] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return known[node]
