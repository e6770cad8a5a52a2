"""What questions come to, decided exactly and with a proxy at several widths: one loss a picture, and what it cost."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsl.errors import ProgramError
from neptune.answer import Answer, Usage
from neptune.engine.context import RunContext, Schedule
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.narrowed import Narrowing, Remembering
from neptune.engine.evidence.store import Evidence
from neptune.engine.session.answers import run_program
from neptune.errors import ModelFailedError, NeptuneError
from neptune.scene import Scene
from neptune.scene.types import Oracle
from neptune.tasks import Sample, Task

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Asked:
    """One question, ready to be answered.

    Parameters
    ----------
    picture
        What it shares with others.
    dataset, family
        What it is one of.
    program, scene
        What is run, on what.
    policy, inputs
        As :meth:`neptune.Engine.run` takes them.
    task, sample
        Where it comes from, for guarantees about the right answer.
    """

    picture: Hashable
    dataset: str
    family: str
    program: str
    scene: Scene
    policy: str = "auto"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    task: Task | None = None
    sample: Sample | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """What questions came to in one way of deciding.

    Parameters
    ----------
    decisions
        Of each question.
    calls
        Of the oracle, ``(Q,)``, what was audited left out.
    skipped, wrong
        Ground atoms that were left to the proxy, and those of them where the oracle is on the other side, ``(Q,)``.
    """

    decisions: tuple[Hashable, ...]
    calls: Floats
    skipped: Floats
    wrong: Floats


def decision_of(answer: Answer) -> Hashable:
    """Return what is decided: whether an answer is given, and which."""
    return answer.abstained, answer.kind, repr(answer.value)


class Decisions:
    """Questions that are decided again and again; the oracle is asked about each ground atom once.

    Parameters
    ----------
    context
        What programs are run with; its schedule is not heeded.
    questions
        The questions, those on one picture with one scene.
    """

    def __init__(self, context: RunContext, questions: Sequence[Asked]) -> None:
        self.context, self.questions = replace(context, narrowing=None), list(questions)
        self._known: dict[int, Evidence] = {}
        names = list(dict.fromkeys(q.picture for q in self.questions))
        at = {name: k for k, name in enumerate(names)}
        self.pictures = np.array([at[q.picture] for q in self.questions], dtype=np.int64)
        """Of each question the number of its picture."""
        self._sizes = np.bincount(self.pictures, minlength=len(names)).astype(np.float64)
        self.oracle_says = self._decided(replace(self.context, schedule=None))
        """What asking everything comes to; of its calls the questions on a picture share theirs."""

    def lazily(self) -> Row:
        """Decide exactly, in rounds, each question alone."""
        return self._decided(replace(self.context, schedule=Schedule()), alone=True)

    def alone(self) -> Row:
        """Decide exactly, everything asked, each question alone."""
        return self._decided(replace(self.context, schedule=None), alone=True)

    def narrowed(self, proxy: Oracle, width: float) -> Row:
        """Decide with a proxy at a width λ, each question alone; all that is left to it is audited."""
        return self._decided(
            replace(self.context, schedule=Schedule(), narrowing=Narrowing(proxy, width, audit=1.0)), alone=False
        )

    def losses(self, row: Row) -> Floats:
        """Return for each picture the share of its questions that are decided otherwise than the oracle would."""
        pairs = zip(row.decisions, self.oracle_says.decisions, strict=True)
        return self.a_picture(np.array([mine != right for mine, right in pairs], dtype=np.float64))

    def a_picture(self, values: Floats) -> Floats:
        """Return the mean over each picture's questions."""
        return np.bincount(self.pictures, values, minlength=len(self._sizes)) / np.maximum(self._sizes, 1.0)

    def mistaken(self, row: Row) -> list[list[int]]:
        """Return of each picture with any mistake, for each of its questions, how much of what was left to the proxy
        the oracle has on the other side."""
        found: list[list[int]] = [[] for _ in self._sizes]
        for picture, wrong in zip(self.pictures.tolist(), row.wrong.tolist(), strict=True):
            found[picture].append(int(wrong))
        return [counts for counts in found if any(counts)]

    def _decided(self, context: RunContext, *, alone: bool = False) -> Row:
        found = list(self._each(context, alone))
        decisions = tuple(decision for decision, _ in found)
        calls, skipped, wrong = (
            np.array([(u.oracle_calls, u.audit_skipped, u.audit_wrong) for _, u in found], dtype=np.float64)
            .reshape(-1, 3)
            .T
        )
        return Row(decisions, calls, skipped, wrong)

    def _each(self, context: RunContext, alone: bool) -> Iterator[tuple[Hashable, Usage]]:
        for question in self.questions:
            scene = question.scene
            known = self._known.get(id(scene))
            if known is None:
                known = self._known[id(scene)] = Evidence(scene)
            own = replace(context, kept=EvidenceKept.only(known))
            if alone:
                own = replace(
                    own,
                    oracle=Remembering(context.oracle, known),
                    kept=EvidenceKept.only(Evidence(scene)),
                    estimates=context.estimates.copy(),
                )
            try:
                answer = run_program(own.under(question.policy).given(question.inputs), question.program, scene)
            except ModelFailedError:
                raise
            except (ProgramError, NeptuneError) as error:  # it has no decision, with a proxy or without
                yield ("error", type(error).__name__), Usage()
                continue
            yield decision_of(answer), answer.usage
