"""Text from outside before anyone sees it: known keys replaced, control characters made visible.

Servers, datasets and files are not trusted: what they say may hold a key that it was sent, or characters that move a
terminal's cursor. :func:`scrubbed` is for what is kept, :func:`printable` for what is shown.

>>> printable("red\\x1b[2Jblue"), printable("one\\ntwo")
('red\\\\x1b[2Jblue', 'one\\ntwo')
"""

from __future__ import annotations

import json
import os
import re
import threading
from functools import lru_cache
from typing import Any

KEY = "[key]"
"""What stands in place of a key."""

SHORTEST = 8
"""A shorter text is no key: it would be found in ordinary words."""

_NAMES = re.compile(r"(?:API_?KEY|ACCESS_?KEY|SECRET(?:_KEY)?|_TOKEN|PASSWORD|AUTHORIZATION)\Z", re.IGNORECASE)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and newline, DEL, C1; then direction, tags, halves
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_known: set[str] = set()
_lock = threading.Lock()


def remember_key(key: str) -> None:
    """Let a key be replaced wherever it turns up from now on."""
    key = key.strip()
    if len(key) >= SHORTEST:
        with _lock:
            _known.add(key)


def known_keys() -> list[str]:
    """Return the keys in use and those of the environment (``…API_KEY``, ``…_TOKEN``, …), the longest first."""
    found = set(_of_environment(tuple(os.environ.items())))
    with _lock:
        found |= _known
    return sorted((key for key in found if len(key) >= SHORTEST), key=len, reverse=True)


@lru_cache(maxsize=2)
def _of_environment(environment: tuple[tuple[str, str], ...]) -> frozenset[str]:
    return frozenset(value.strip() for name, value in environment if _NAMES.search(name))


@lru_cache(maxsize=256)
def _forms(key: str) -> tuple[str, ...]:
    """Return a key as it stands in a text, an address, JSON, Python's quotes and HTML: where it has such characters."""
    from html import escape
    from urllib.parse import quote, quote_plus

    quoted = [quote(key, safe=""), quote_plus(key), quote(key)]
    lower = [re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in quoted]
    texts = [json.dumps(key)[1:-1], json.dumps(key, ensure_ascii=False)[1:-1], repr(key)[1:-1], escape(key)]
    return tuple(dict.fromkeys([key, *quoted, *lower, *texts, key.replace("/", "\\/")]))


def _written() -> list[str]:
    """Return all forms of the known keys, the longest first."""
    return sorted((form for key in known_keys() for form in _forms(key)), key=len, reverse=True)


def scrubbed(text: str) -> str:
    """Return a text in which known keys are replaced, in an address or a quoted text too."""
    for key in _written():
        if key in text:
            text = text.replace(key, KEY)
    return text


def scrubbed_value(value: Any) -> Any:
    """Return a value of JSON in which known keys are replaced, in names of fields too."""
    keys = _written()
    if not keys:
        return value
    pattern = re.compile("|".join(re.escape(key) for key in keys))

    def walk(part: Any) -> Any:
        if isinstance(part, str):
            return pattern.sub(KEY, part)
        if isinstance(part, list):
            return [walk(item) for item in part]
        if isinstance(part, dict):
            return {walk(name): walk(item) for name, item in part.items()}
        return part

    return walk(value)


def printable(text: str) -> str:
    """Return a text fit for a terminal: no keys, and control characters as what they are called (``\\x1b``).

    Tabs and newlines stay. Characters that turn the direction of text, and halves of characters, are shown too.
    """
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], scrubbed(text))
