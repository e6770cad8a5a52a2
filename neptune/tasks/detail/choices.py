"""Questions with options, of which one is right: how they are asked, and what counts as naming one."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def shuffled(options: Sequence[str], key: str) -> list[str]:
    """Return the options in an order that hangs on `key` alone: datasets write the right one first."""
    return random.Random(key).sample(list(options), len(options))


def with_options(question: str, options: Sequence[str]) -> str:
    """Return a question with its options, each with its letter, as a model is asked."""
    listed = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options))
    return f"{question}\n{listed}\nAnswer with the letter of one option."


def chosen(said: str, options: Sequence[str]) -> int | None:
    """Return which option a text names, by its letter or its words; ``None``: none, or not one alone.

    >>> chosen("(B)", ["red", "blue"]), chosen("Blue.", ["red", "blue"]), chosen("red or blue", ["red", "blue"])
    (1, 1, None)
    """
    text = said.strip()
    letter = re.match(r"(?:the answer is |answer:\s*|option )?\(?([A-Za-z])\)?(?=$|[\s.,:)])", text, re.IGNORECASE)
    plain = [_plain(option) for option in options]
    same = [k for k, option in enumerate(plain) if option == _plain(text)]
    if len(same) == 1:
        return same[0]
    if letter is not None and letter[1].upper() in LETTERS[: len(options)]:
        # "a red cube" begins with a word, not with a letter.
        alone = letter[0].strip().startswith("(") or letter.end() == len(text.rstrip(".) ")) or letter[1].isupper()
        if alone or text[letter.end() :].lstrip()[:1] in (".", ")", ":"):
            return LETTERS.index(letter[1].upper())
    within = [k for k, option in enumerate(plain) if option and re.search(rf"\b{re.escape(option)}\b", _plain(text))]
    return within[0] if len(within) == 1 else None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s%-]", " ", text.lower()).split())
