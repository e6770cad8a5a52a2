"""Programs that disagree, shown: the smallest made scene on which they do, or that there is none up to so many objects.

Programs of one question may differ in their text, and in nothing else. They are run on small crisp scenes, the smallest
first; no picture and no oracle is needed. Where all scenes of a size have been tried the classes found are exact for
that size; where they are too many some are drawn, and "none found" is all that can be said.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dsl.errors import ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.vocabulary import Vocabulary
from neptune.algebra import logic
from neptune.engine.analysis.made_scenes import Varied, in_words, scene_of_test
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
    search = _searching(programs, words, limits, seed)
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


def _searching(programs: Sequence[str], words: Vocabulary, limits: Limits, seed: int) -> _Search:
    oracle = registry.oracle("scene", vocabulary=words)
    context = RunContext(oracle, Wording.load(vocabulary=words), words, logic.get("godel"), limits=limits)
    return _Search(context.under("abstain"), programs, Varied(programs, words), words, np.random.default_rng(seed))


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
        said = [self.decision(program, scene) for program in self._programs]
        if len(set(said)) == 1:
            return
        if self.found is None:
            self.found, self.answers = scene, tuple(text for _, text in said)
        pairs = [(label, decision) for label, (decision, _) in zip(self.label, said, strict=True)]
        order = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        self.label = [order[pair] for pair in pairs]

    def value(self, program: str, scene: Scene) -> tuple[Any, str]:
        """Return what a program's value is on a scene, and the same in words; no value where it is in error."""
        try:
            answer = run_program(self._context, program, scene)
        except (ProgramError, NeptuneError) as error:
            return f"error: {type(error).__name__}", f"error: {error.one_line()}"
        return answer.value, "nothing" if answer.abstained else repr(answer.value)

    def decision(self, program: str, scene: Scene) -> tuple[Hashable, str]:
        """Return what a program decides on a scene, as a key and in words."""
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


SHOWN = 48
"""So many scenes a program's behaviour is taken from."""


def behaviour(program: str, vocabulary: Vocabulary, limits: Limits = DEFAULT_LIMITS) -> Hashable:
    """Return what a program comes to on a fixed set of made scenes: a key that programs of one meaning share.

    Programs with one key may still differ on another scene; those with two keys do differ.

    Raises
    ------
    dsl.ProgramError
        If the text is no program.
    """
    import dsl

    dsl.check(program, vocabulary=vocabulary, limits=limits)
    search = _searching([program], vocabulary, limits, 0)
    every = vocabulary.name == "clevr"
    scenes = _kept_scenes() if every else [Scene.synthetic(k % 6, k, vocabulary) for k in range(SHOWN)]
    return tuple(search.decision(program, scene)[0] for scene in scenes)


@lru_cache(maxsize=1)
def _kept_scenes() -> list[Scene]:
    return [Scene.synthetic(k % 6, k) for k in range(SHOWN)]


@dataclass(frozen=True, slots=True)
class TestResult:
    """What a program's tests came to.

    Parameters
    ----------
    passed
        How many did.
    failures
        Of each that did not: its number, the scene in words, what was expected, what the program says.
    """

    passed: int
    failures: tuple[str, ...]


def run_tests(
    program: str,
    tests: Sequence[Mapping[str, Any]],
    vocabulary: str | Vocabulary = "clevr",
    limits: Limits = DEFAULT_LIMITS,
) -> TestResult:
    """Run a program's tests: what it has to say of small made scenes of CLEVR's world; no oracle is asked.

    Parameters
    ----------
    program
        Its text.
    tests
        Each with ``objects``, from left to right, each a mapping of attributes to values (what is left out is the first
        value) and of ``depth`` to its rank from behind to the front (by default as listed); and ``answer``: a truth, a
        number, a word, an object's index, or ``None`` where there is no answer.
    vocabulary, limits
        As of :func:`difference`.

    Raises
    ------
    ConfigError
        If a test is malformed.
    dsl.ProgramError
        If the text is no program.
    """
    import dsl

    words = vocabulary_of(vocabulary)
    dsl.check(program, vocabulary=words, limits=limits)
    search, failures = _searching([program], words, limits, 0), []
    for number, test in enumerate(tests, start=1):
        scene = scene_of_test(test, number)
        value, said = search.value(program, scene)
        if value != test["answer"] or isinstance(value, bool) is not isinstance(test["answer"], bool):
            failures.append(f"test {number}: of {in_words(scene)}, {test['answer']!r} is expected, and it says {said}")
    return TestResult(len(tests) - len(failures), tuple(failures))
