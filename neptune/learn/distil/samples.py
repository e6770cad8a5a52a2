"""From the records of a run to what a model is taught: the best program of each question, its rationale, its answers.

Everything here is read off records: the same records give the same samples.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neptune.learn.distil.check import RefusedError, check
from neptune.learn.distil.facts import Trace
from neptune.learn.distil.programs import question_of
from neptune.learn.distil.template import rationale
from neptune.learn.distil.trace import read
from neptune.learn.distil.wording import UntoldError, Words
from neptune.runs.record.outcome import ANSWERED, outcome_of

Record = Mapping[str, Any]

UNLABELLED = "not sure enough"


@dataclass(frozen=True, slots=True)
class Taught:
    """What became of one question.

    Parameters
    ----------
    dataset, id, family, question, picture
        Of the question.
    labelled
        Whether its right answer is known.
    answer
        In words: the right one, or where none is known, the engine's; ``None``: nothing is taught.
    best
        The record of the program that was chosen; ``None`` where none is right, or sure enough.
    text
        The rationale; ``""`` where there is none.
    trace
        What it is checked against.
    why
        Why there is no program, or no rationale, in a few words; ``""`` where there is one.
    tried, right
        Programs that were run, and that gave the right answer.
    """

    dataset: str
    id: str
    family: str
    question: str
    picture: str | None
    labelled: bool
    answer: str | None
    best: Record | None = None
    text: str = ""
    trace: Trace | None = None
    why: str = ""
    tried: int = 0
    right: int = 0


@dataclass
class Counts:
    """How many questions became what."""

    questions: int = 0
    labelled: int = 0
    tried: int = 0
    right: int = 0
    rationales: int = 0
    answer_alone: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unlabelled_kept: int = 0
    unlabelled_left: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them, the commonest reason first."""
        return {
            "questions": self.questions,
            "labelled": {
                "questions": self.labelled,
                "programs_run": self.tried,
                "programs_right": self.right,
                "rationales": self.rationales,
                "answer_alone": dict(self.answer_alone.most_common()),
            },
            "refused": dict(self.refused.most_common()),
            "unlabelled": {
                "questions": self.questions - self.labelled,
                "kept": self.unlabelled_kept,
                "left_out": dict(self.unlabelled_left.most_common()),
            },
        }


def grouped(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records of each question: those of its programs follow each other."""
    group: list[Record] = []
    last: tuple[str, str] | None = None
    for record in records:
        who = (str(record["dataset"]), question_of(str(record["id"])))
        if group and who != last:
            yield group
            group = []
        group.append(record)
        last = who
    if group:
        yield group


def taught(group: Sequence[Record], words: Words, confidence: float, counts: Counts) -> Taught:
    """Return what one question teaches.

    Parameters
    ----------
    group
        The records of its programs.
    words
        Of the vocabulary.
    confidence
        The least probability of an answer of which nobody knows whether it is right.
    counts
        Gets what became of it.
    """
    first = group[0]
    labelled = first.get("expected") is not None
    common = {
        "dataset": str(first["dataset"]),
        "id": question_of(str(first["id"])),
        "family": str(first.get("family") or ""),
        "question": str(first.get("question") or ""),
        "picture": first.get("picture"),
        "labelled": labelled,
    }
    good = [r for r in group if (is_right(r) if labelled else _is_sure(r, confidence))]
    counts.questions += 1
    if labelled:
        counts.labelled += 1
        counts.tried += len(group)
        counts.right += len(good)
    said = in_words(first.get("expected")) if labelled else None
    tried = {"tried": len(group), "right": len(good) if labelled else 0}
    if not good:
        why = _why_none(group) if labelled else _why_unsure(first)
        (counts.answer_alone if labelled else counts.unlabelled_left)[why] += 1
        return Taught(**common, answer=said, why=why, **tried)  # type: ignore[arg-type]
    best = min(good, key=_order)
    answer = said if labelled else in_words(best.get("answer"))
    text, trace, why = "", None, ""
    try:
        trace = read(best, words)
        text = rationale(trace)
        check(text, trace)
    except UntoldError as error:
        why = f"no plain sentences: {error}"
    except RefusedError as error:
        counts.refused[error.reason] += 1
        text, why = "", f"refused: {error.reason}"
    if labelled:
        counts.rationales += not why
        if why:
            counts.answer_alone[why] += 1
    else:
        counts.unlabelled_kept += 1
    return Taught(**common, answer=answer, best=best, text=text, trace=trace, why=why, **tried)  # type: ignore[arg-type]


def is_right(record: Record) -> bool:
    """Whether the answer is right: as the dataset says, or a judge where the words differ."""
    verdict = (record.get("judge") or {}).get("right")
    return outcome_of(record) == ANSWERED and (record.get("correct") is True or verdict is True)


def _is_sure(record: Record, confidence: float) -> bool:
    p = record.get("probability")
    return outcome_of(record) == ANSWERED and isinstance(p, int | float) and p >= confidence


def _why_none(group: Sequence[Record]) -> str:
    kinds = [str(r["error_kind"]) if r.get("error") else outcome_of(r) for r in group]
    if all(r.get("program") is None for r in group):
        return "no program"
    return "no program is right" if ANSWERED in kinds else f"no program is right: {Counter(kinds).most_common(1)[0][0]}"


def _why_unsure(record: Record) -> str:
    if record.get("program") is None:
        return "no program"
    return UNLABELLED if outcome_of(record) == ANSWERED else outcome_of(record)


def _order(record: Record) -> tuple[float, float, int]:
    """The best first: the surest, then what cost least, then the shortest."""
    usage = record.get("usage") or {}
    p = record.get("probability")
    cost = float(usage.get("oracle_calls", 0)) + float(usage.get("cache_hits", 0))
    return -(p if isinstance(p, int | float) else 0.0), cost, len(str(record.get("program") or ""))


def in_words(value: Any) -> str | None:
    """Return an answer as a model should write it: a word, a number, or the box pointed to."""
    if isinstance(value, Mapping):
        if value.get("box") is not None:
            return "(" + ", ".join(str(round(float(v))) for v in value["box"]) + ")"
        return in_words(value.get("answer"))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(filter(None, map(in_words, value))) or None
    return None if value is None else str(value)


def evidence_hash(record: Record) -> str:
    """Return what tells the evidence of an answer from any other: boxes, scores and truths, as recorded."""
    kept = {k: record.get(k) for k in ("program", "answer", "boxes", "size", "plan", "trace", "scene")}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def soft_answer(record: Record) -> dict[str, list[Any]] | None:
    """Return the engine's distribution over answers: ``answers`` and their ``probabilities``, which add up to 1.

    Read off the record, whose scores have three digits: of yes and no, of the values of an attribute, of a number (the
    distribution of how many of independent things hold). ``None`` where the record does not say.
    """
    plan, kind, p = record.get("plan") or [], record.get("kind"), record.get("probability")
    root = plan[0] if plan else {}
    if kind == "truth" and isinstance(p, int | float) and record.get("answer") in ("yes", "no"):
        other = "no" if record["answer"] == "yes" else "yes"
        return _distribution([str(record["answer"]), other], [float(p), 1 - float(p)])
    if root.get("text") == "which fits best":
        # The values stand below it, each with its probability; of a long plan not all are recorded.
        below = [row for row in plan if row.get("depth") == 1]
        names = [str(row["text"]).partition(": ")[0] for row in below]
        known = [row.get("p") for row in below]
        if str(root.get("value")) in names and all(isinstance(x, int | float) for x in known) and sum(known) > 0:
            return _distribution(names, known)
    if str(root.get("text", "")).startswith("#") and isinstance(root.get("scores"), list):
        scores = root["scores"]
        if all(isinstance(x, int | float) for x in scores):
            chances = np.ones(1)
            for x in scores:
                chances = np.convolve(chances, [1 - x, x])
            return _distribution([str(n) for n in range(len(chances))], chances.tolist())
    return None


def _distribution(answers: list[str], chances: Sequence[float]) -> dict[str, list[Any]]:
    whole = sum(chances)
    kept = [(a, c / whole) for a, c in zip(answers, chances, strict=True) if c / whole > 1e-4]
    total = sum(c for _, c in kept)
    return {"answers": [a for a, _ in kept], "probabilities": [round(c / total, 6) for _, c in kept]}
