"""What became of a sample: answered, abstained and why, or an error. A sample without a record is *unanswered*.

Only what is answered can be right or wrong. A guess made because the budget ran out is no answer: it is kept, and
whether it would be right is said apart (`guess_right`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANSWERED, ABSTAINED, ERROR, UNANSWERED = "answered", "abstained", "error", "unanswered"

BUDGET, MISSING, PRESUPPOSITION = "budget", "missing evidence", "presupposition"
"""Why a run abstains, besides what the engine's answers say themselves (``Answer.why``)."""

Record = Mapping[str, Any]


def outcome_of(record: Record) -> str:
    """Return ``answered``, ``abstained`` or ``error``, of records of earlier versions too."""
    if record.get("error"):
        return ERROR
    return ABSTAINED if record.get("abstained") or guessed(record) else ANSWERED


def why_of(record: Record) -> str | None:
    """Return why a record abstains; ``None`` where it does not."""
    if outcome_of(record) != ABSTAINED:
        return None
    if record.get("why"):
        return str(record["why"])
    return MISSING if record.get("abstained") else BUDGET


def guessed(record: Record) -> bool:
    """Tell whether calls ran out before the answer was settled: what is said is a guess, or nothing."""
    return record.get("settled") is False and (not record.get("abstained") or record.get("why") == BUDGET)


def judged(right: bool | None, answer: Any) -> dict[str, Any]:
    """Return the fields of a record that say what became of a sample that has an :class:`neptune.answer.Answer`.

    Parameters
    ----------
    right
        Whether the answer is right, ``None`` where nobody knows.
    answer
        What the engine said.

    Returns
    -------
    dict
        ``outcome``, ``why``, ``correct`` (never true of what is not answered), and for a guess ``guess_right``.
    """
    seen = {"abstained": answer.abstained, "settled": answer.settled, "why": answer.why}
    outcome = outcome_of(seen)
    found = {"outcome": outcome, "why": why_of(seen), "correct": None if right is None else right}
    if outcome == ABSTAINED and right is not None:
        found["correct"] = False
        if guessed(seen) and not answer.abstained:
            found["guess_right"] = right
    return found
