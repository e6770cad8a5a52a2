"""One sample on its way to its record: its program is written and its scene found, it is answered, judged, described.

The steps are apart, so that many samples can be answered at once between the first and the last. Whatever goes wrong
with one sample ends in its own record.
"""

from __future__ import annotations

import copy
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from neptune.config import Config
from neptune.errors import ModelFailedError, NeptuneError, WriteError
from neptune.perception.percepts.shown import shown
from neptune.runs.evaluate.logics import answer_under
from neptune.runs.guarded.edits import edits_of
from neptune.runs.guarded.sets import guard_of
from neptune.runs.guarded.tested import by_tests
from neptune.runs.guarded.verify import verified
from neptune.runs.record import Record
from neptune.runs.record.describe import describe_answer, describe_scene, describe_writing
from neptune.runs.record.fetched import place_of
from neptune.runs.record.outcome import ERROR, judged
from neptune.tasks import presuppositions_of
from neptune.tasks.base import plain
from neptune.writer.failures import ProviderError
from neptune.writer.vote import Candidate, answer_together

if TYPE_CHECKING:
    from dsl.plan import Node
    from neptune.answer import Answer
    from neptune.engine import Engine
    from neptune.engine.evidence.store import Evidence
    from neptune.engine.schedule.stopping import Goal
    from neptune.engine.session.session import Session
    from neptune.runs.runner.ahead import Found
    from neptune.runs.runner.programs import Write
    from neptune.scene import Scene
    from neptune.tasks import Sample, Task
    from neptune.writer.chat import Spent
    from neptune.writer.writer import Written

BUG = "bug"
"""`error_kind` of an exception that nobody foresaw; its traceback is in ``errors.log``."""

BLIND = ("scene", "random", "replay")
"""Oracles that look at no pixels: a picture's are let go once its scene is found and recorded."""

FATAL = (ProviderError, ModelFailedError, WriteError, CancelledError)
"""What is no matter of one sample: it keeps no record, and is answered when the run resumes."""


class Keeps(Protocol):
    """A run's folder, as far as one sample needs it."""

    path: Path

    def log_bug(self, sample: str, traceback: str) -> None:
        """Keep the traceback of an unexpected exception."""
        ...


class Asked:
    """One sample that is being answered.

    Parameters
    ----------
    config, engine
        The run's.
    task, sample, write
        What is asked, and what gives its program.
    folder
        Where the traceback of a bug is kept.
    budget
        The most oracle calls of each of its programs, besides the engine's own limit.

    Attributes
    ----------
    failure
        What ends more than this sample (:data:`FATAL`).
    seconds
        What the sample has taken so far, looking inside left out; `looked` is that.
    evidence
        What the oracle has said of its picture.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        task: Task,
        sample: Sample,
        write: Write,
        folder: Keeps,
        budget: int | None = None,
    ) -> None:
        self._config, self._engine, self._folder, self._budget = config, engine, folder, budget
        self.task, self.sample, self._write = task, sample, write
        self.scene: Scene | None = None
        self.evidence: Evidence | None = None
        self.policy = "auto"
        self.program: str | None = None
        self.failure: BaseException | None = None
        self.seconds = self.looked = 0.0
        self._answer: Answer | None = None
        self._decided: list[tuple[Goal, Node]] | None = None
        """The decisions of its one program, where that is looked into."""
        self._candidates: tuple[Candidate, ...] = ()
        self._written: Written | None = None
        self._spent: Spent | None = None
        self._recorded: dict[str, Any] = {}
        self._inside: dict[str, Any] = {}
        self._outcome: dict[str, Any] = {"answer": None, "expected": None, "correct": False}
        self._outcome |= {"error": None, "error_kind": None, "outcome": None, "why": None}

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Keep what goes wrong in a step, and what it takes."""
        from dsl.errors import ProgramError

        begun = time.perf_counter()
        try:
            yield
        except FATAL as error:
            self.failure = error
        except (NeptuneError, ProgramError) as error:
            self.program = self.program or getattr(error, "source", None)
            self._spent = self._spent or getattr(error, "spent", None)
            self._outcome |= {"error": error.one_line(), "error_kind": type(error).__name__}
        except Exception as error:
            message = " ".join(str(error).split())
            self._outcome |= {"error": f"unexpected {type(error).__name__}: {message}"[:500], "error_kind": BUG}
            self._folder.log_bug(str(self.sample.id), traceback.format_exc())
        finally:
            self.seconds += time.perf_counter() - begun

    @property
    def whole(self) -> bool:
        """Whether nothing went wrong so far."""
        return self.failure is None and self._outcome["error"] is None

    def prepare(self) -> None:
        """Get the program and the scene."""
        with self._step():
            config, engine, sample = self._config, self._engine, self.sample
            sample.check()
            if sample.expected is None:
                self._outcome["correct"] = None  # Nobody knows what is right, so that an error is not wrong either.
            self._outcome["expected"] = self.task.show_expected(sample)
            self._written = written = self._write()
            self.program, self._spent = written.program, written.usage
            # Oracles and detectors that need the truth say here why there is none.
            needs_truth = "scene" in (config.od_model, config.vlm_model_name)
            self._candidates = tuple(written.candidates) or (Candidate(written.program),)
            if sample.extra.get("tests"):
                kept, tested = by_tests(self._candidates, sample.extra["tests"], engine.vocabulary, engine.limits)
                self._candidates, self.program = tuple(kept), kept[0].program
                self._outcome |= tested
            if sample.film is not None:
                self.scene = engine.film_scene(sample.film)
            else:
                self.scene = engine.scene(
                    sample.picture,
                    sample.truth() if needs_truth else sample.annotation,
                    engine.labels(*(c.program for c in self._candidates)),
                )
            self.evidence = engine.evidence(self.scene)
            if engine.recorder is not None:
                self._recorded = {"scene": engine.recorder.keep(self.scene), "evidence": self.evidence}
            if config.vlm_model_name in BLIND and self.scene.picture is not None:
                self.scene.picture.release()  # hundreds of pictures wait together
            self.policy = presuppositions_of(sample.dataset, engine.context.presuppositions)
            if config.set:
                self._edit()

    def _edit(self) -> None:
        """Answer as things are, then change what `set` says of this sample: all that follows is of that."""
        edit = edits_of(self._config.set)(str(self.sample.id))
        if edit is None:
            return
        before, _ = self._answered()
        shown_before = self.task.show_answer(self.sample, before, self.scene) if not before.abstained else None
        assert self.scene is not None
        context = self.engine.context
        found = edit.applied(context, self._candidates, self.scene, context.oracle)
        candidates, self.scene, self.evidence = found
        self._candidates, self.program = tuple(candidates), candidates[0].program
        self._outcome |= edit.described(shown_before)

    @property
    def question(self) -> tuple[str, Scene, Evidence] | None:
        """The program, scene and evidence of a sample that is answered by one program; ``None`` where there are several
        programs, or none."""
        if not self.whole or len(self._candidates) != 1 or self.scene is None or self.evidence is None:
            return None
        return self._candidates[0].program, self.scene, self.evidence

    def run(self, found: Callable[[], Found | None] | None = None) -> Answer | None:
        """Run the sample's programs; return the answer, ``None`` where they failed.

        Parameters
        ----------
        found
            Gives the answer, and what led to it, if it has been found already.

        Raises
        ------
        ModelFailedError
            If the oracle fails, whatever it is asked.
        """
        if self.whole:
            with self._step():
                already = None if found is None else found()
                if already is None:
                    self._answer, self.program = self._answered()
                else:
                    self._answer, self._decided = already
        if isinstance(self.failure, ModelFailedError):
            raise self.failure
        return self._answer

    def _answered(self) -> tuple[Answer, str]:
        """Return the answer of the sample's programs, and the program that gave it."""
        assert self.scene is not None
        engine, scene = self.engine, self.scene
        runs: list[Session] = []
        if self._config.inspect == "values":
            engine.context = replace(engine.context, watch=runs.append)
        found = answer_together(self._candidates, lambda text: engine.run(text, scene, self._budget, self.policy))
        self._decided = runs[0].decided if len(runs) == 1 and not runs[0].guessed else None
        return found

    def given(self, answer: Answer | None, seconds: float = 0.0) -> None:
        """Take the answer that was found together with others', and the sample's share of the time."""
        self._answer = answer if answer is not None else self._answer
        self.seconds += seconds

    @property
    def engine(self) -> Engine:
        """The run's engine, with this sample's evidence, which the run's own may have dropped for later pictures."""
        engine = copy.copy(self._engine)
        if self.evidence is not None:
            engine.context = engine.context.of(self.evidence)
        narrowing, sample = engine.context.narrowing, self.sample
        engine.context = engine.context.given(sample.inputs())
        if narrowing is not None and not narrowing.covers(sample.dataset, sample.family):
            engine.context = replace(engine.context, narrowing=None)
        return engine

    def judge(self) -> None:
        """Judge the answer."""
        answer, scene = self._answer, self.scene
        if not self.whole or answer is None or scene is None or self.program is None:
            return
        with self._step():
            task, sample, outcome = self.task, self.sample, self._outcome
            if self._config.verify != "off":
                seen, heed = task.show_answer(sample, answer, scene), self._config.verify == "heed"
                answer, tested = verified(self.engine.context, sample.question, scene, answer, seen, heed)
                self._answer = answer
                outcome |= tested
            right, guard = task.judge(sample, answer, scene), guard_of(self._config)
            if guard is not None:
                answer, more = guard(self.engine.context, task, sample, self.program, scene, answer)
                self._answer = answer
                outcome |= more | ({"guess_right": right} if "withheld" in more and right is not None else {})
            outcome["answer"] = task.show_answer(sample, answer, scene)
            if outcome["answer"] != plain(answer):
                outcome["value"] = plain(answer)
            outcome |= judged(right, answer)
            if not answer.abstained:
                outcome |= task.measures(sample, answer, scene)
            if len(self._config.logics) > 1:
                outcome |= answer_under(self.engine, self._config.logics, self.program, task, sample, scene, answer)

    @property
    def rounds(self) -> int:
        """How often the oracle was asked for the sample."""
        return 0 if self._answer is None else self._answer.usage.oracle_rounds

    @property
    def answered(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    @property
    def oracle_seconds(self) -> float:
        """What the oracle has taken for its answer."""
        return self._answer.usage.oracle_ms / 1000 if self._answer is not None else 0.0

    @property
    def shows_flips(self) -> bool:
        """Whether the smallest change that flips the answer is looked for."""
        return self._config.inspect == "flips"

    @property
    def is_shown(self) -> bool:
        """Whether there is an inside to look at: something was run."""
        return (
            self._config.inspect != "none"
            and self.whole
            and self._answer is not None
            and self._answer.why != "out of domain"
        )

    def look(self, inside: dict[str, Any] | None = None, seconds: float = 0.0) -> None:
        """Look inside the run, or take what was found of many at once, and the sample's share of the time."""
        if not self.is_shown:
            return
        before = self.seconds
        with self._step():
            if inside is None:
                from neptune.engine.analysis.inspection import inspect

                assert self.scene is not None
                assert self.program is not None
                seen = inspect(self.engine, self.program, self.scene, self.shows_flips, self.policy, self._decided)
                inside, self._decided = {} if seen is None else seen.as_dict(), None
            self._inside = inside
        self.looked, self.seconds = self.seconds - before + seconds, before

    def record(self) -> Record:
        """Return the sample's record.

        Raises
        ------
        ProviderError, ModelFailedError, WriteError
            If the provider of programs, the oracle or the detector fails, whatever the question; the disk is full.
        """
        if self.failure is not None:
            raise self.failure
        begun = time.perf_counter()
        outcome = self._outcome
        if outcome["error"]:
            outcome |= {"outcome": ERROR, "why": None}
        described = describe_answer(self._answer, self._spent)
        if self._inside:
            described["usage"]["inspect_ms"] = round(1000 * self.looked, 3)
        record = {
            "id": self.sample.id,
            "dataset": self.task.name,
            "family": self.sample.family,
            **({"group": self.sample.group} if self.sample.group else {}),
            "question": self.sample.question,
            **({"choices": choices} if (choices := self.sample.choices) else {}),
            "program": self.program,
            **outcome,
            **describe_writing(self._written),
            **described,
            **describe_scene(self.scene),
            **shown(self._engine.percepts, self.scene.picture if self.scene is not None else None),
            **self._inside,
            **self._recorded,
            "picture": place_of(self.sample.picture, self._folder.path, seen=self.scene is not None),
        }
        return record | {"seconds": round(self.seconds + self.looked + time.perf_counter() - begun, 4)}


def answer_sample(
    config: Config, engine: Engine, task: Task, sample: Sample, write: Write, folder: Keeps, budget: int | None = None
) -> Record:
    """Answer one sample by itself and return its record; whatever goes wrong is in the record.

    Parameters are those of :class:`Asked`, errors those of :meth:`Asked.record`.
    """
    asked = Asked(config, engine, task, sample, write, folder, budget)
    asked.prepare()
    asked.run()
    asked.judge()
    asked.look()
    return asked.record()
