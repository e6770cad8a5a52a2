"""A certificate of answers in a run: each question's set of answers, and whether an answer is given.

The chances of answers are those of :func:`neptune.engine.session.soft_answers.soft_answers`: everything is asked by
then, and nothing is asked again.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl.errors import ProgramError
from neptune.answer import Answer, Kind
from neptune.config import Config
from neptune.engine.context import RunContext
from neptune.engine.session.soft_answers import SoftAnswer, soft_answers
from neptune.errors import ModelFailedError, NeptuneError
from neptune.guarantees.certificate import Certificate
from neptune.guarantees.conformal import unlikely_of
from neptune.guarantees.rule import AnswerRule, draw_of
from neptune.scene import Scene
from neptune.tasks import Sample, Task

MANY, NONE_FITS, UNSURE = "more answers than may be", "no answer is usual enough", "not sure enough"
"""Why an answer is not given under a certificate of answers."""

WITHHELD = frozenset({MANY, NONE_FITS, UNSURE})


@dataclass(frozen=True)
class Option:
    """One answer that a question could have.

    Parameters
    ----------
    kind, value
        As of :class:`neptune.answer.Answer`.
    """

    kind: Kind
    value: Hashable

    @property
    def answer(self) -> Answer:
        """The option as an answer."""
        objects = (self.value,) if self.kind == "object" and isinstance(self.value, int) else ()
        return Answer(self.value, self.kind, objects=objects)

    def __str__(self) -> str:
        return f"{self.kind}: {self.value!r}"


def chances_of(context: RunContext, program: str, scene: Scene) -> dict[Option, float]:
    """Return the chance of each answer that a program could give, in [0, 1]; none where that can not be told: evidence
    is missing, a program over regions, an answer made of several values.

    Raises
    ------
    ModelFailedError
        If the oracle fails, whatever it is asked.
    """
    try:
        (found,) = soft_answers(context, [(program, scene)])
    except ModelFailedError:
        raise
    except (ProgramError, NeptuneError):
        return {}
    return {} if found is None else options_of(found)


def options_of(found: SoftAnswer) -> dict[Option, float]:
    """Return a distribution over answers as chances; of objects that are each meant with a probability, shared out."""
    chances = found.probabilities.detach().tolist()
    total = sum(chances) if found.kind == "objects" else 1.0
    out: dict[Option, float] = {}
    for value, chance in zip(found.values, chances, strict=True):
        if isinstance(value, Hashable) and value is not None:
            option = Option(_kind(found.kind, value), value)
            share = min(max(chance / total, 0.0), 1.0) if total > 0 else 0.0
            out[option] = min(out.get(option, 0.0) + share, 1.0)
    return out


def _kind(kind: str, value: Any) -> Kind:
    if kind in ("object", "objects"):
        return "object"
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "number"


def sureness(answer: Answer) -> float | None:
    """Return how sure an answer is, in [0, 1]: its probability, or what that is at least; ``None``: not known."""
    if answer.probability is None and answer.bounds is not None:
        return answer.bounds[0]
    return answer.probability


def unlikely_truth(
    task: Task, sample: Sample, chances: Mapping[Option, float], scene: Scene, draw: float = 1.0
) -> float:
    """Return how unlikely the right answer was; infinite where it is not among the answers."""
    unlikely = unlikely_of(chances, draw)
    return min((u for option, u in unlikely.items() if task.judge(sample, option.answer, scene)), default=math.inf)


@dataclass(frozen=True)
class Guard:
    """What a run's certificate of answers does with each answer.

    Parameters
    ----------
    rule
        The certificate's.
    most
        The most answers of a set with which one is given.
    seed
        Of the draws.
    """

    rule: AnswerRule
    most: int
    seed: int

    def __call__(
        self, context: RunContext, task: Task, sample: Sample, program: str, scene: Scene, answer: Answer
    ) -> tuple[Answer, dict[str, Any]]:
        """Return the answer, withheld where the rule says so, and what is recorded of it.

        ``answer_set`` has the answers as the dataset shows them, the likeliest first, ``answer_chances`` their chances,
        and ``set_covers`` whether the right one is among them, where that is known; ``withheld`` is the answer that is
        not given.
        """
        if answer.abstained:
            return answer, {}
        why, found = "", dict[str, Any]()
        if self.rule.kind == "selective":
            why = "" if self.rule.gives(sureness(answer)) else UNSURE
        else:
            chances = chances_of(context, program, scene)
            family = f"{task.name}: {sample.family}"
            kept = self.rule.set_of(chances, family, draw_of(self.seed, task.name, str(sample.id)))
            found["answer_set"] = [task.show_answer(sample, option.answer, scene) for option in kept]
            found["answer_chances"] = [round(chances[option], 6) for option in kept]
            judged = [task.judge(sample, option.answer, scene) for option in kept]
            found["set_covers"] = None if sample.expected is None else any(judged)
            why = NONE_FITS if not kept else MANY if len(kept) > self.most else ""
        if not why:
            return answer, found
        found["withheld"] = task.show_answer(sample, answer, scene)
        return replace(answer, value=None, kind="nothing", objects=(), abstained=True, why=why), found


def guard_of(config: Config) -> Guard | None:
    """Return what a config's certificate of answers does; ``None`` where it has none.

    Raises
    ------
    ConfigError
        If the certificate can not be read.
    """
    if config.certificate is None:
        return None
    rule = _rule(config.certificate, Path(config.certificate).stat().st_mtime_ns)
    return None if rule is None else Guard(rule, config.most_answers, config.seed)


@lru_cache(maxsize=4)
def _rule(path: str, _: int) -> AnswerRule | None:
    return Certificate.load(path).answers
