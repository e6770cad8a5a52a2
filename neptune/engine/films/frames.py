"""Frames as objects: the scene of a film, its words, whom it is asked of, and in which order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from dsl.errors import ProgramError
from dsl.plan import Predicate
from dsl.vocabulary import Vocabulary
from neptune.answer import Answer, FrameSeen, Usage
from neptune.engine.evidence.priors import Floats
from neptune.engine.evidence.questions import Wording
from neptune.engine.films.temporal import EARLIER
from neptune.films import Film
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.scene.types import Cost, IntArray, QueryRequest, Question, ScoreRequest, Scores

_SAID = {"yes": True, "no": False, "true": True, "false": False}
_CLOSEST = 1e-9
NOT = "not: "
"""Before a program, where it is asked whether it is false of a frame."""


class Pictures(Protocol):
    """What answers programs about one picture: an engine."""

    def labels(self, *programs: Any) -> tuple[str, ...]:
        """Return what a detector looks for."""
        ...

    def scene(self, picture: Picture, annotation: Any = None, labels: Sequence[str] = ()) -> Scene:
        """Return the scene of a picture."""
        ...

    def run(self, program: str, scene: Scene, budget: int | None = None, presuppositions: str | None = None) -> Answer:
        """Run a program on a scene."""
        ...


def film_scene(film: Film) -> Scene:
    """Return the scene whose objects are the frames of a film, in the order of time: frame k is box k."""
    ends = [*film.times[1:], max(film.duration, film.times[-1] + 1e-3)]
    boxes = np.array([(a, 0.0, b, 1.0) for a, b in zip(film.times, ends, strict=True)], dtype=np.float32)
    return Scene(boxes, (max(1, math.ceil(film.duration)), 1), name=film.name)


def film_vocabulary(seen: Mapping[str, str]) -> Vocabulary:
    """Return the words of a program over frames: what is seen in one, and that one is earlier than another."""
    predicates: dict[str, Any] = {EARLIER: {"arity": 2, "derive": {"geometry": "left"}}}
    predicates |= {name: {"arity": 1} for name in seen}
    return Vocabulary.from_data({"name": "films", "closed": True, "predicates": predicates})


class FilmWording(Wording):
    """Words what is asked of a frame as the program that is run on it.

    Parameters
    ----------
    seen
        Programs by the name of the predicate.
    """

    def __init__(self, seen: Mapping[str, str], usual: Wording) -> None:
        self._seen, self._usual = seen, usual
        self.vocabulary = usual.vocabulary

    def question(self, predicate: Predicate) -> Question:
        """Return the question that a predicate is."""
        if predicate.name in self._seen:
            negated = NOT if predicate.name.startswith("un") else ""
            return Question(f"{negated}{self._seen[predicate.name]}", 1, predicate.name)
        return self._usual.question(predicate)


class FrameOracle:
    """Answers what is asked of frames: it runs the program on the frame's picture, by another engine.

    Parameters
    ----------
    pictures
        The engine.
    film
        Whose frames are asked about.
    budget
        The most calls of that engine's oracle together; ``None``: no bound. When it is spent, nothing is known of
        further frames.

    Attributes
    ----------
    seen : list of FrameSeen
        What was seen, in the order of asking.
    usage : Usage
        What it cost, of all frames together.
    """

    name = "frames"
    cell_cost = "dear"

    def __init__(self, pictures: Pictures, film: Film, budget: int | None = None) -> None:
        self._pictures, self._film, self._budget = pictures, film, budget
        self.seen: list[FrameSeen] = []
        self.usage = Usage()
        self.spent = False
        self._known: dict[tuple[str, int], Answer] = {}

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Run each request's program on its frames."""
        return [self._scored(r.question.text, r.objects) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Nothing is asked of frames in words."""
        return [[None] * len(r.objects) for r in requests]

    def _scored(self, program: str, objects: IntArray) -> Scores:
        logits = np.full(len(objects), np.nan, dtype=np.float32)
        bounds = np.tile(np.array([-np.inf, np.inf], dtype=np.float32), (len(objects), 1))
        failures: dict[str, int] = {}
        negated, program = program.startswith(NOT), program.removeprefix(NOT)
        for k, (index,) in enumerate(objects.tolist()):
            answer = self._run(program, index)
            ends = None if answer is None else truth(answer)
            if ends is None:
                why = "the budget was spent" if answer is None else answer.why or "no answer"
                failures[why] = failures.get(why, 0) + 1
                continue
            low, high = (_logit(p) for p in ends)
            low, high = (-high, -low) if negated else (low, high)
            if ends[1] - ends[0] <= _CLOSEST:
                logits[k] = low if math.isinf(low) else (low + high) / 2
            else:
                bounds[k] = low, high
        return Scores(logits, np.ones_like(logits), Cost(failures=failures), bounds)

    def _run(self, program: str, index: int) -> Answer | None:
        known = self._known.get((program, index))
        if known is not None:
            return known
        left = None if self._budget is None else self._budget - self.usage.oracle_calls
        if left is not None and left < 1:
            self.spent = True
            return None
        frame = self._film.frame(index)
        scene = self._pictures.scene(frame, labels=self._pictures.labels(program))
        answer = self._pictures.run(program, scene, budget=left, presuppositions="answer")
        ends = truth(answer)
        self.seen.append(
            FrameSeen(index, frame.seconds, program, ends, answer.why, answer.usage.oracle_calls, answer.out_of_domain)
        )
        add_usage(self.usage, answer.usage)
        self._known[program, index] = answer
        return answer


def truth(answer: Answer) -> tuple[float, float] | None:
    """Return the least and the greatest probability that a program's answer is yes; ``None`` where there is no answer.

    Raises
    ------
    dsl.ProgramError
        If the answer is no truth.
    """
    if answer.abstained:
        return None
    value = answer.value if answer.kind == "truth" else _SAID.get(str(answer.value).strip().lower())
    if not isinstance(value, bool) or answer.kind not in ("truth", "text"):
        raise ProgramError(
            f"Of a frame the program says {answer.value!r}, which is no truth",
            expected="a formula, such as exists(Object, lambda x: red(x))",
            hint="of a film yes/no questions are asked: some_frame(count(Object, lambda x: red(x)) > 2)",
        )
    low, high = answer.bounds or (answer.probability, answer.probability)
    if low is None or high is None:
        low = high = 1.0
    if answer.presuppositions:
        # Of a frame in which what is spoken of is not there it is not so; its existence is part of the probability.
        return (float(low), float(high)) if value else (0.0, float(high))
    return (float(low), float(high)) if value else (1.0 - float(high), 1.0 - float(low))


def add_usage(total: Usage, more: Usage) -> None:
    """Add what one answer cost to a sum."""
    for name in ("oracle_calls", "oracle_rounds", "cache_hits", "plan_ms", "execute_ms", "oracle_ms", "oracle_stored",
                 "oracle_failed", "oracle_prompt_tokens", "oracle_completion_tokens", "oracle_cost"):  # fmt: skip
        setattr(total, name, getattr(total, name) + getattr(more, name))
    total.peak_cells = max(total.peak_cells, more.peak_cells)
    for reason, count in more.failures.items():
        total.failures[reason] = total.failures.get(reason, 0) + count
    total.remarks += [r for r in more.remarks if r not in total.remarks]


def _logit(probability: float) -> float:
    p = min(max(probability, 0.0), 1.0)
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return math.log(p) - math.log1p(-p)


def coarse_to_fine(scene: Scene, predicate: Predicate, tuples: IntArray) -> Floats | None:
    """Guess frames in the order of a search that halves its steps: the first, the middle, the quarters, …

    Something that lasts a while is met after few frames, wherever it is. A prior, see
    :data:`neptune.engine.evidence.priors.Prior`.
    """
    if predicate.arity != 1:
        return None
    ranks = halving_order(len(scene))
    return np.asarray(0.6 - 0.2 * ranks[tuples[:, 0]] / max(len(scene), 1))


def halving_order(count: int) -> Floats:
    """Return the place of each of `count` frames in the order of halved steps, shape ``(count,)``.

    >>> halving_order(5).tolist()
    [0.0, 4.0, 2.0, 1.0, 3.0]
    """
    order: list[int] = []
    step = 1 << max(count - 1, 1).bit_length()
    taken: set[int] = set()
    while step:
        order += [k for k in range(0, count, step) if k not in taken]
        taken.update(order)
        step //= 2
    ranks = np.zeros(count)
    ranks[order] = np.arange(count)
    return ranks
