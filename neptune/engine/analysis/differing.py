"""Programs that disagree, shown: the smallest made scene on which they do, or that there is none up to so many objects.

Programs of one question may differ in their text, and in nothing else. They are run on small crisp scenes, the smallest
first; no picture and no oracle is needed. Where all scenes of a size have been tried the classes found are exact for
that size; where they are too many some are drawn, and "none found" is all that can be said.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dsl.errors import ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.vocabulary import Vocabulary
from neptune.algebra import logic
from neptune.engine.analysis.made_scenes import Varied, in_words
from neptune.engine.context import RunContext
from neptune.engine.evidence.questions import Wording
from neptune.engine.session.answers import run_program
from neptune.errors import ConfigError, NeptuneError
from neptune.perception import registry
from neptune.resources import vocabulary_of
from neptune.scene import Scene

MOST_OBJECTS, BUDGET = 4, 2000
"""Scenes have at most so many objects, and at most so many scenes are tried."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Whether programs differ, and where.

    Parameters
    ----------
    classes
        The programs, by index, that no scene told apart; one class: they are alike as far as was tried.
    scene
        The smallest scene found on which two of them differ, or ``None``.
    answers
        What each says of it, in words.
    exact_up_to
        All scenes of at most so many objects were tried; −1: none.
    tried
        How many scenes were.
    milliseconds
        How long it took.
    most
        The objects of the largest scenes that were looked at.
    """

    classes: tuple[tuple[int, ...], ...]
    scene: Scene | None
    answers: tuple[str, ...]
    exact_up_to: int
    tried: int
    milliseconds: float
    most: int

    @property
    def differ(self) -> bool:
        """Whether any two of the programs differ."""
        return self.scene is not None

    def __str__(self) -> str:
        if self.scene is not None:
            said = "; ".join(f"program {k + 1}: {answer}" for k, answer in enumerate(self.answers))
            return f"they differ where there is {in_words(self.scene)}. {said}"
        if self.exact_up_to >= self.most:
            return f"no scene of at most {self.most} objects tells them apart"
        known = f", all of at most {self.exact_up_to} objects among them" if self.exact_up_to >= 0 else ""
        return f"none found: {self.tried:,} scenes of at most {self.most} objects{known} do not tell them apart"


def difference(
    programs: Sequence[str],
    vocabulary: str | Vocabulary = "clevr",
    *,
    most_objects: int = MOST_OBJECTS,
    budget: int = BUDGET,
    seed: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> Difference:
    """Look for the smallest scene on which programs differ, and sort them into classes.

    Parameters
    ----------
    programs
        Two or more texts. One that is in error on a scene says so there: two that err alike are alike.
    vocabulary
        The world, by name or itself.
    most_objects
        Of a scene, ≥ 0.
    budget
        The most scenes that are tried, ≥ 1.
    seed
        Of the scenes that are drawn, where there are too many.
    limits
        What a program may use.

    Raises
    ------
    ConfigError
        If there are fewer than two programs, or a number is out of range.
    dsl.ProgramError
        If a text is no program.
    """
    import dsl

    if len(programs) < 2:
        raise ConfigError(f"{len(programs)} programs are given", expected="two or more")
    if most_objects < 0 or budget < 1:
        raise ConfigError(f"most_objects is {most_objects} and budget {budget}", expected="at least 0 and 1")
    words = vocabulary_of(vocabulary)
    for program in programs:
        dsl.check(program, vocabulary=words, limits=limits)
    begun = time.perf_counter()
    oracle = registry.oracle("scene", vocabulary=words)
    context = RunContext(oracle, Wording.load(vocabulary=words), words, logic.get("godel"), limits=limits)
    context = context.under("abstain")
    search = _Search(context, programs, Varied(programs, words), words, np.random.default_rng(seed))
    search.run(most_objects, budget)
    classes: dict[Hashable, list[int]] = {}
    for k in range(len(programs)):
        classes.setdefault(search.label[k], []).append(k)
    return Difference(
        tuple(tuple(c) for c in classes.values()),
        search.found,
        search.answers,
        search.exact,
        search.tried,
        1000 * (time.perf_counter() - begun),
        most_objects,
    )


class _Search:
    """Runs programs on scene after scene until all are told apart, or the budget is spent."""

    def __init__(
        self, context: RunContext, programs: Sequence[str], varied: Varied, words: Vocabulary, rng: np.random.Generator
    ) -> None:
        self._context, self._programs, self._varied, self._words, self._rng = context, programs, varied, words, rng
        self.label: list[int] = [0] * len(programs)
        self.found: Scene | None = None
        self.answers: tuple[str, ...] = ()
        self.exact, self.tried = -1, 0
        self._unknown = False  # a word that no annotation says

    def run(self, most: int, budget: int) -> None:
        """Try the scenes of each size, the smallest first."""
        for n in range(most + 1):
            left = budget - self.tried
            whole = self._varied.countable and self._varied.count(n) <= left
            share = max(left // (most + 1 - n), 0)
            for scene in self._varied.every(n) if whole else self._some(n, share):
                self._try(scene)
                if len(set(self.label)) == len(self.label):
                    return
            if whole and self.exact == n - 1 and not self._unknown:
                self.exact = n

    def _some(self, n: int, count: int) -> Iterator[Scene]:
        for _ in range(count):
            if self._varied.countable:
                yield self._varied.drawn(n, self._rng)
            else:
                yield Scene.synthetic(n, int(self._rng.integers(2**31)), self._words)

    def _try(self, scene: Scene) -> None:
        self.tried += 1
        said = [self._decision(program, scene) for program in self._programs]
        if len(set(said)) == 1:
            return
        if self.found is None:
            self.found, self.answers = scene, tuple(text for _, text in said)
        pairs = [(label, decision) for label, (decision, _) in zip(self.label, said, strict=True)]
        order = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        self.label = [order[pair] for pair in pairs]

    def _decision(self, program: str, scene: Scene) -> tuple[Hashable, str]:
        try:
            answer = run_program(self._context, program, scene)
        except (ProgramError, NeptuneError) as error:
            self._unknown |= isinstance(error, NeptuneError)
            return type(error).__name__, f"error: {error.one_line()}"
        if answer.abstained:
            return ("abstained",), "no answer: nothing fits what it speaks of"
        text = {True: "yes", False: "no"}.get(answer.value, str(answer.value)) if answer.kind == "truth" else None
        shown = text or (f"object {answer.value}" if answer.kind == "object" else str(answer.value))
        return (answer.kind, repr(answer.value)), shown
