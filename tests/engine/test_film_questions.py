"""Questions about films: the words of time against their meaning, as few frames as settle them."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.errors import ProgramError
from dsl.limits import Limits
from neptune import Engine
from neptune.answer import Answer, Usage
from neptune.engine.films.asking import run_film
from neptune.engine.films.frames import coarse_to_fine, halving_order
from neptune.engine.films.temporal import over_frames
from neptune.engine.films.words import timed

CONTEXT = Engine(oracle="scene", detector="scene").context


class Made:
    """A film and its engine: what a program says of a frame is given as a probability."""

    def __init__(self, said: dict[str, list[float | None]]) -> None:
        self.said = said
        count = len(next(iter(said.values())))
        self.times = tuple(map(float, range(count)))
        self.duration, self.name, self.notes = float(count), "made.mp4", ()
        self.asked: list[tuple[str, int]] = []

    def __len__(self) -> int:
        return len(self.times)

    def frame(self, index: int) -> Any:
        return SimpleNamespace(seconds=self.times[index], index=index)

    def labels(self, *programs: str) -> tuple[str, ...]:
        return ()

    def scene(self, picture: Any, annotation: Any = None, labels: Any = ()) -> Any:
        return picture

    def run(self, program: str, scene: Any, budget: int | None = None, presuppositions: str | None = None) -> Answer:
        self.asked.append((program, scene.index))
        p = self.said[program.strip()][scene.index]
        usage = Usage(oracle_calls=1)
        if p is None:
            return Answer(None, "nothing", abstained=True, why="missing evidence", usage=usage)
        return Answer(p > 0.5, "truth", max(p, 1 - p), usage=usage)

    def ask(self, program: str, **options: Any) -> Answer:
        return run_film(self, CONTEXT, program, self, **options)  # type: ignore[arg-type]


def meaning(word: str, p: list[float], q: list[float]) -> float:
    """Return what a word of time means: max and min over frames."""
    n = range(len(p))
    if word == "some_frame":
        return max(p)
    if word == "every_frame":
        return min(p)
    if word == "before":
        return max((min(p[f], q[g]) for f in n for g in n if f < g), default=0.0)
    return max(min([q[g], *p[:g]]) for g in n)


PROBABILITY = st.sampled_from([0.02, 0.1, 0.3, 0.45, 0.6, 0.8, 0.97])
FRAMES = st.integers(1, 5).flatmap(
    lambda n: st.tuples(*(st.lists(PROBABILITY, min_size=n, max_size=n) for _ in range(2)))
)


@pytest.mark.parametrize("word", ["some_frame", "every_frame", "before", "until"])
@given(said=FRAMES, prior=st.sampled_from([None, coarse_to_fine]), negated=st.booleans())
@settings(max_examples=15, deadline=None)
def test_words_of_time_mean_what_they_say(word: str, said: tuple[list[float], ...], prior: Any, negated: bool) -> None:
    p, q = said
    made = Made({"red(p)": p, "red(q)": q})
    call = f"{word}(red(p))" if "frame" in word else f"{word}(red(p), red(q))"
    value = meaning(word, p, q)
    value, program = (1 - value, f"not {call}") if negated else (value, call)
    answer = made.ask(program, prior=prior)
    assert answer.value == (value > 0.5)
    assert answer.settled
    low, high = answer.bounds or (answer.probability, answer.probability)
    sure = max(value, 1 - value)
    assert low - 1e-6 <= sure <= high + 1e-6
    assert len(made.asked) == len(set(made.asked))
    everything = made.ask(program, every=True)
    assert everything.value == answer.value
    assert everything.probability == pytest.approx(sure, abs=1e-6)


def test_programs_join_words_of_time() -> None:
    made = Made({"red(p)": [0.1, 0.9, 0.9], "red(q)": [0.1, 0.1, 0.1]})
    assert made.ask("some_frame(red(p)) and not some_frame(red(q))").value is True
    assert made.ask("some_frame(red(p)) and every_frame(red(p))").value is False
    assert made.ask("a = some_frame(red(p))\nreturn not a").value is False


def test_names_of_a_program_go_with_what_is_asked_of_frames() -> None:
    read = over_frames(
        "def odd(x):\n    return red(x) and not cube(x)\n"
        "there = exists(Object, lambda x: odd(x))\nreturn some_frame(there)\n",
        Limits(),
    )
    (text,) = read.seen.values()
    assert "def odd(x)" in text
    assert "there = " in text
    assert len(read.over_frames.body) == 1


def test_a_program_without_time_is_asked_of_some_frame() -> None:
    made = Made({"red(p)": [0.1, 0.1, 0.9, 0.1]})
    answer = made.ask("red(p)")
    assert (answer.value, answer.notes[0].startswith("the program says nothing of time")) == (True, True)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("some_frame(every_frame(red(p)))", "stands inside"),
        ("some_frame(red(p), red(q))", "takes 1 formula"),
        ("until(red(p))", "takes 2 formulas"),
        ("some_frame(", "expected"),
        ("exists(Object, lambda f: red(f)) and some_frame(red(p))", "red"),
    ],
)
def test_what_is_wrong_with_a_program_of_a_film_is_said(program: str, said: str) -> None:
    with pytest.raises(ProgramError) as found:
        Made({"red(p)": [0.1], "red(q)": [0.1]}).ask(program)
    assert said in f"{found.value} {found.value.expected} {found.value.hint}"


def test_a_program_that_says_no_truth_of_a_frame_is_an_error() -> None:
    made = Made({"red(p)": [0.1]})
    made.run = lambda *args, **options: Answer(3, "number", 1.0)  # type: ignore[method-assign]
    with pytest.raises(ProgramError, match="is no truth"):
        made.ask("some_frame(red(p))")


def test_frames_without_an_answer_leave_open_what_hangs_on_them() -> None:
    assert Made({"red(p)": [None, 0.1, 0.9]}).ask("some_frame(red(p))").value is True
    left_open = Made({"red(p)": [None, 0.1, 0.2]}).ask("some_frame(red(p))")
    assert (left_open.abstained, left_open.why) == (True, "missing evidence")


def test_a_budget_is_that_of_all_frames_together() -> None:
    from dataclasses import replace

    made = Made({"red(p)": [0.1] * 9 + [0.9]})
    answer = run_film(made, replace(CONTEXT, budget=4), "some_frame(red(p))", made, prior=None)  # type: ignore[arg-type]
    assert (answer.abstained, answer.why, answer.usage.oracle_calls) == (True, "budget", 4)


def test_one_witness_settles_and_halved_steps_meet_it_sooner() -> None:
    rng = np.random.default_rng(0)
    calls: dict[Any, list[int]] = {None: [], coarse_to_fine: []}
    for start in rng.integers(0, 54, 40):
        p = [0.9 if start <= k < start + 6 else 0.1 for k in range(60)]
        for prior, counted in calls.items():
            answer = Made({"red(p)": p}).ask("some_frame(red(p))", prior=prior)
            assert answer.value is True
            counted.append(len(answer.frames))
    assert np.mean(calls[None]) < 0.6 * 60
    assert np.mean(calls[coarse_to_fine]) < 0.25 * 60
    for prior in calls:
        assert len(Made({"red(p)": [0.1] * 60}).ask("some_frame(red(p))", prior=prior).frames) == 60


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30, 64, 100])
def test_halved_steps_are_an_order_of_all_frames(count: int) -> None:
    order = np.argsort(halving_order(count))
    assert sorted(order.tolist()) == list(range(count))
    for seen in range(2, count):
        gaps = np.diff(sorted([*order[:seen].tolist(), count]))
        assert gaps.max() <= 4 * max(1, count // seen)


@pytest.mark.parametrize(
    ("question", "word", "parts"),
    [
        ("Is the red ball left of the cube in some frame?", "some_frame", ("Is the red ball left of the cube?",)),
        ("In every frame, is there a cube?", "every_frame", ("is there a cube?",)),
        ("Is there always a red ball?", "every_frame", ("Is there a red ball?",)),
        ("Is there ever a red ball in the video?", "some_frame", ("Is there a red ball?",)),
        ("Is there a cube throughout the film?", "every_frame", ("Is there a cube?",)),
        ("is there a cube until there is a ball?", "until", ("is there a cube?", "there is a ball?")),
        ("Is there a cube after there is a ball?", "before", ("there is a ball?", "Is there a cube?")),
        ("Is there a red ball?", "some_frame", ("Is there a red ball?",)),
        ("At some point, is a ball left of a cube?", "some_frame", ("is a ball left of a cube?",)),
    ],
)
def test_words_of_time_in_questions(question: str, word: str, parts: tuple[str, ...]) -> None:
    found = timed(question)
    assert (found.word, found.parts) == (word, parts)


def test_the_four_words_are_all_there_is() -> None:
    for a, b in itertools.permutations(["some_frame", "every_frame"], 2):
        assert Made({"red(p)": [0.9]}).ask(f"{a}(red(p)) and {b}(red(p))").value is True
