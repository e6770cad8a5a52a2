"""What is said of a question that is not understood: which word, where, what could stand there, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from neptune.writer.english.chart import Chart
from neptune.writer.english.lexicon import PAUSE, Word
from neptune.writer.failures import NotUnderstoodError

MOST_LETTERS = 2_000

_OTHERWISE = "give the program yourself, or let a language model write it (code_gen_provider)"

_CLASSES = {
    "ADJ": "a value such as 'red'",
    "NOUN": "a noun",
    "ANY_NOUN": "'thing'",
    "REL": "a relation such as 'left of'",
    "ATTR": "an attribute such as 'color'",
    "SUP": "a superlative",
    "NUM": "a number",
}


def too_long(question: str, has: str) -> NotUnderstoodError:
    """Return the error of a question that is too long to be one."""
    return NotUnderstoodError(
        f"The question is too long: it has {has}",
        where=repr(question[:40] + "…"),
        expected=f"one question of at most {MOST_LETTERS:,} letters and 150 words",
        hint="Ask one question at a time",
    )


def empty(question: str) -> NotUnderstoodError:
    """Return the error of a question without words."""
    return NotUnderstoodError(
        "The question has no words",
        where=repr(question[:40]),
        expected="a question such as 'How many red cubes are there?'",
    )


def unknown_words(words: Sequence[Word], edges: Sequence[Mapping[str, Sequence[tuple[int, Any]]]]) -> list[Word]:
    """Return the words that neither the grammar nor the lexicon has."""
    covered: set[int] = set()
    for place, here in enumerate(edges[:-1]):
        for rows in here.values():
            for end, _ in rows:
                covered.update(range(place, end))
    return [word for place, word in enumerate(words) if place not in covered]


def unknown(question: str, words: Sequence[Word], known: Iterable[str]) -> NotUnderstoodError:
    """Return the error of words that are not known, with known ones that look like them."""
    known = set(known)
    # each word once, and stray signs last
    words = sorted({w.text: w for w in reversed(words)}.values(), key=lambda w: (not w.text.isalnum(), w.column))
    # a word that is known in longer phrases alone ("wall" in "touching the wall") is not meant by itself
    close = {w.text: difflib.get_close_matches(w.text, sorted(known - {w.text}), 1, 0.78) for w in words}
    said = [f"'{w}' → '{c[0]}'" if len(close) > 1 else f"did you mean '{c[0]}'?" for w, c in close.items() if c]
    names = ", ".join(f"'{word.text}' (column {word.column})" for word in words[:5])
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    hint = (said[0] if len(close) == 1 else "did you mean " + ", ".join(said[:5]) + "?") if said else ""
    return NotUnderstoodError(
        f"{'A word' if len(words) == 1 else 'Some words'} of the question {'is' if len(words) == 1 else 'are'} not "
        f"known: {names}{more}",
        where=_quoted(question),
        hint=hint or f"Say it with the words of the vocabulary; or {_OTHERWISE}",
    )


def points_to_nothing(question: str, word: str, said: bool) -> NotUnderstoodError:
    """Return the error of a pronoun with nothing before it; `said`: whether it is there ("the same color" has none)."""
    if not said:
        return NotUnderstoodError(
            "It is not said what is compared with what",
            where=_quoted(question),
            hint="Say both: 'the same color as the cube', 'Do any two cubes have the same color?'",
        )
    return NotUnderstoodError(
        f"It is not said what '{word}' stands for",
        where=_quoted(question),
        hint="Describe the object instead: 'the red cube'",
    )


def not_a_question(question: str, words: Sequence[Word], chart: Chart) -> NotUnderstoodError:
    """Return the error of known words that make no question: how far it was understood, what could have followed."""
    place = chart.furthest
    read = question[: words[place - 1].end - 1].strip() if place else ""
    expected = _listed(chart.expected)
    if place < len(words):
        word = words[place]
        at = f"from column {word.column} on" if word.text == PAUSE else f"from '{word.text}' on (column {word.column})"
        what = f"The question is not understood {at}"
    else:
        what = "The question ends too early"
    return NotUnderstoodError(
        what + (f"; understood so far: '{read[-60:]}'" if read else ""),
        where=_quoted(question),
        expected=expected or "the end of the question",
        hint=f"Put it more simply, such as 'How many red cubes are left of the ball?'; or {_OTHERWISE}",
    )


def _listed(expected: Iterable[str]) -> str:
    words = sorted(e for e in expected if e.startswith("'"))
    classes = [_CLASSES[e] for e in sorted(expected) if e in _CLASSES]
    named = [*classes, *words]
    return " or ".join(named) if len(named) < 4 else ", ".join(named[:8]) + (", …" if len(named) > 8 else "")


def _quoted(question: str) -> str:
    text = " ".join(question.split())
    return repr(text if len(text) <= 100 else text[:99] + "…")
