"""The likeliest first tokens of a reply, in every way in which servers list them.

OpenAI's chat completions, and who deviates from them: the sampled token stands in the position and not in its list;
one token alone is listed; a list is a mapping; values are ``null``, −∞ or the sentinel −9999 ("very unlikely"); lists
stand side by side, as in the older completions. What comes out is one :class:`Listing`, which claims no more than
the server said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

VERY_UNLIKELY = -50.0
"""At or below this a value says no more than "very unlikely" (the sentinels −9999 and −100, −∞): no probability that a
server measures in single precision is as small."""

NONSENSE = 0.01
"""Log-probabilities are 0 at most; rounding may add as much as this."""


class Listing(NamedTuple):
    """What a server says of the distribution of one token.

    Parameters
    ----------
    entries
        (token, log-probability) pairs, values in (VERY_UNLIKELY, NONSENSE].
    hidden
        Tokens that are named without a value: nothing is known of their probability.
    ceiling
        No token besides entries and hidden ones has a larger log-probability; 0 where the list says nothing of that.
    """

    entries: tuple[tuple[str, float], ...]
    hidden: tuple[str, ...] = ()
    ceiling: float = 0.0


def get(part: Any, name: str) -> Any:
    """Return a field of a part of a reply, which may be an object of the SDK or a mapping; ``None`` if it lacks it."""
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def positions(logprobs: Any) -> list[tuple[Any, Any, Any]]:
    """Return (token, value, list of alternatives) of each position of a choice's ``logprobs``; [] where it has none."""
    content = get(logprobs, "content")
    if isinstance(content, list):
        return [(get(at, "token"), get(at, "logprob"), get(at, "top_logprobs")) for at in content]
    tokens, values, tops = (get(logprobs, name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(tokens, list):
        return []
    values, tops = (each if isinstance(each, list) else [] for each in (values, tops))
    return [
        (token, values[k] if k < len(values) else None, tops[k] if k < len(tops) else None)
        for k, token in enumerate(tokens)
    ]


def listing(position: tuple[Any, Any, Any], asked: int | None = None) -> Listing | None:
    """Return what one position says; ``None`` where it gives no probability at all.

    Parameters
    ----------
    position
        One of :func:`positions`.
    asked
        How many alternatives were asked for; a list of at least so many is complete: what is not on it is no likelier
        than what is. ``None``: no list is taken for complete.

    Raises
    ------
    ValueError
        If a value is no log-probability (a number above 0).
    """
    token, value, alternatives = position
    pairs = list(_pairs(alternatives))
    entries: list[tuple[str, float]] = []
    hidden: list[str] = []
    seen: set[tuple[str, float]] = set()
    for name, number in pairs:
        if number is None:
            hidden.append(name)
        elif number > VERY_UNLIKELY and (name, number) not in seen:  # some list the sampled token a second time
            seen.add((name, number))
            entries.append((name, number))
    ceiling = 0.0
    if asked is not None and len(pairs) >= asked and entries:
        # Beyond the number asked for stands the sampled token, of any rank.
        ranked = sorted((number for _, number in entries), reverse=True)
        ceiling = ranked[max(len(ranked) - (len(pairs) - asked), 1) - 1]
    number = _number(value)
    if isinstance(token, str) and token not in {name for name, _ in pairs}:
        if number is None:
            hidden.append(token)
        elif number > VERY_UNLIKELY and math.exp(number) + sum(math.exp(v) for _, v in entries) < 1 + NONSENSE:
            entries.append((token, number))
    return Listing(tuple(entries), tuple(hidden), ceiling) if entries else None


def _pairs(alternatives: Any) -> Iterable[tuple[str, float | None]]:
    if isinstance(alternatives, Mapping) and not {"token", "logprob"} & set(alternatives):
        found: Iterable[tuple[Any, Any]] = alternatives.items()
    elif isinstance(alternatives, list):
        found = [(get(entry, "token"), get(entry, "logprob")) for entry in alternatives]
    else:
        return
    for token, value in found:
        if isinstance(token, str):
            yield token, _number(value)


def _number(value: Any) -> float | None:
    """Return a log-probability, at most 0; ``None`` for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    if value > NONSENSE:
        raise ValueError(f"a log-probability of {value!r}")
    return min(float(max(value, 2 * VERY_UNLIKELY)), 0.0)  # an integer may be too large for a float
