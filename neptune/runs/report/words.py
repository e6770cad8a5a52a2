"""Plain words for the notation of descriptions, as the page says them (``words.js``), for what is no page."""

from __future__ import annotations

import re

_NAMES = "xyzwuvst"
_MEANT = re.compile(r"(?:E|at)\[(\w+) ~ ([^\[\]]*)\] ")
_SIGNS = (
    (r"ι(\w+) \(", r"the \1 with ("),
    (r"ι(\w+) ", r"the \1 with "),
    (r"#(\w+) ", r"how many \1 with "),
    (r"∃(\w+) ", r"some \1 with "),
    (r"∀(\w+) ", r"every \1 has "),
    (" ∧ ", " and "),
    (" ∨ ", " or "),
    ("¬", "not "),
    (" ≠ ", " is not "),
)


def in_words(text: str) -> str:
    """Return a description without signs.

    >>> in_words("ι@0 (red(@0) ∧ cube(@0))")
    'the x with (red(x) and cube(x))'
    """
    text = re.sub(r"@(\d)(?!\d)", lambda m: _NAMES[int(m[1])] if int(m[1]) < len(_NAMES) else m[0], text)
    while (inner := _MEANT.sub(r"\1 being \2: ", text)) != text:  # innermost first
        text = inner
    for sign, words in _SIGNS:
        text = re.sub(sign, words, text)
    return text
