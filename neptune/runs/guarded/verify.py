"""The answer put to the test: is the marked object what the question means, is the statement true of the picture?

One more call an answer, or a few: of an answer that points the likeliest objects are tried, until one is what is meant.
The oracle that answered is asked; where it can not be trusted with whole questions this does harm
(docs/guarantees.md has figures), and so it is off by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.perception.oracle.visual import visual_words
from neptune.scene import Scene
from neptune.scene.types import Question

TRIED = 3
"""So many objects are tried, the likeliest first."""

UNVERIFIED = "not verified"
"""Why an answer is not given: asked whether it is right, the oracle says no."""


def verified(
    context: RunContext, question: str, scene: Scene, answer: Answer, shown: Any, heed: bool
) -> tuple[Answer, dict[str, Any]]:
    """Ask whether an answer is right; return the answer, and what is recorded.

    Parameters
    ----------
    context
        Whose oracle is asked, and where what it says is kept.
    question
        In words.
    scene, answer
        What was answered, of what.
    shown
        The answer as the dataset shows it.
    heed
        Whether another object, or no answer, is given where the oracle says no.

    Returns
    -------
    tuple
        The answer, and ``verified``: ``probability`` of the one that is given, ``calls``, and ``instead_of``, the
        object that was not what is meant, where there was one. Nothing is recorded of what can not be asked:
        no answer, or no evidence.

    Raises
    ------
    OracleError
        If the oracle can not answer.
    """
    if answer.abstained or not question:
        return answer, {}
    before = answer.usage.oracle_calls
    points = answer.kind == "object" and isinstance(answer.value, int)
    tried: Sequence[int | None] = _candidates(answer) if points else [None]
    chances: list[float] = []
    for index in tried if heed else tried[:1]:
        asked = question_of(question, shown, pointing=points)
        chance = _asked(context, scene, asked, index, answer)
        if chance is None:
            return answer, {}
        chances.append(chance)
        if chance > 0.5:
            break
    found: dict[str, Any] = {"probability": round(chances[-1], 6), "calls": answer.usage.oracle_calls - before}
    if not heed or (chances[-1] > 0.5 and len(chances) == 1):
        return answer, {"verified": found}
    if chances[-1] <= 0.5:
        return replace(answer, abstained=True, why=UNVERIFIED), {"verified": found | {"probability": chances[0]}}
    other = tried[len(chances) - 1]
    assert other is not None
    return replace(answer, value=other, objects=(other,)), {"verified": found | {"instead_of": answer.value}}


def question_of(question: str, shown: Any, *, pointing: bool) -> Question:
    """Return what is asked about an answer: of the marked object, or of the whole picture."""
    words = visual_words("verify", "object", "answer")["object" if pointing else "answer"]
    return Question(words.format(question=question.strip(), answer=shown), 1 if pointing else 0)


def _candidates(answer: Answer) -> list[int]:
    scores = np.asarray(answer.scores if answer.scores is not None else [], dtype=np.float64)
    others = [int(k) for k in np.argsort(-scores, kind="stable") if k != answer.value]
    return [answer.value, *others][:TRIED]


def _asked(context: RunContext, scene: Scene, question: Question, index: int | None, answer: Answer) -> float | None:
    evidence = context.evidence(scene)
    objects = np.array([[] if index is None else [index]], dtype=np.int64).reshape(1, question.arity)
    evidence.ask(context.oracle, [(question, False, objects)], answer.usage)
    table = evidence.table(question)
    logit = float(table.logits.reshape(-1)[0 if index is None else index])
    return None if np.isnan(logit) else float(1.0 / (1.0 + np.exp(-np.clip(logit, -60.0, 60.0))))
