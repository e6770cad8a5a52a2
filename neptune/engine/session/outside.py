"""Needs that no plan answers: the oracle's words, what a detector finds, what a model knows, what is missing."""

from __future__ import annotations

from typing import Any, ClassVar

from dsl import work
from dsl.work import Work
from neptune.engine.context import RunContext
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.values import Box, Need, Sight
from neptune.engine.schedule.requests import Asker
from neptune.engine.session.readout import Record
from neptune.errors import ConfigError
from neptune.scene.types import Question


class Abstain(Exception):
    """The program needs a value that missing evidence leaves open."""

    why = "missing evidence"


class Unfounded(Abstain):
    """The program speaks of something that is not there, and nothing may stand in for it."""

    why = "presupposition"


class Outside:
    """Answers such needs of one run. See :class:`neptune.engine.interpret.values.Need` for what they are."""

    def __init__(self, context: RunContext, evidence: Evidence, record: Record, asker: Asker, spent: Work) -> None:
        self._context, self._evidence, self._record = context, evidence, record
        self._asker, self._work = asker, spent

    # By name: bound methods would be a cycle in each run, which the collector has to look for.
    _KINDS: ClassVar[frozenset[str]] = frozenset(
        ("query", "region_query", "sight", "find", "knowledge", "percept", "missing")
    )

    def __contains__(self, kind: str) -> bool:
        return kind in self._KINDS

    def need(self, need: Need, line: int) -> Any:
        """Return the value of such a need.

        Raises
        ------
        Abstain
            If there is no answer.
        NeptuneError
            If what should answer is not there.
        """
        return getattr(self, f"_{need.kind}")(need, line)

    def _query(self, need: Need, line: int) -> str:
        text, attribute, objects = need.of
        wording = self._context.wording
        question = Question(text, len(objects), attribute) if text else wording.query(attribute, len(objects))
        return self._asked(question, objects, f"query({question.text!r})", line)

    def _region_query(self, need: Need, line: int) -> str:
        text, box = need.of
        source = f"query({text!r}) of {list(map(round, box))}"
        return self._asked(Question(text, 0, region=box), (), source, line)

    def _asked(self, question: Question, objects: tuple[int, ...], source: str, line: int) -> str:
        self._record.unknown = True
        self._work.spend(work.QUESTIONS, 1)
        answer = self._asker.query(question, objects)
        if answer is None and self._asker.spent:
            raise Abstain(f"the budget was spent before the question at line {line}")
        if answer is None:
            raise Abstain(f"the oracle did not answer the question at line {line}")
        self._record.step(line, source, answer)
        return answer

    def _sight(self, need: Need, line: int) -> Sight:
        scene = self._evidence.scene
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in scene.boxes.tolist())
        containers = frozenset(i for i, kind in enumerate(scene.kinds) if kind != "Object")
        return Sight(scene.size, boxes, self._context.finder is not None, self._context.logic.idempotent, containers)

    def _find(self, need: Need, line: int) -> tuple[tuple[Box, float], ...]:
        noun, outer = need.of
        assert self._context.finder is not None
        self._work.spend(work.QUESTIONS, 1)
        found = self._context.finder(self._evidence.scene, noun)
        scores = found.scores.tolist() if found.scores is not None else [1.0] * len(found)
        pairs = [((b[0], b[1], b[2], b[3]), float(s)) for b, s in zip(found.boxes.tolist(), scores, strict=True)]
        inside = tuple((b, s) for b, s in pairs if _middle_inside(b, outer))
        self._record.step(line, f"find({noun!r})", f"{len(inside)} found")
        return inside

    def _knowledge(self, need: Need, line: int) -> str:
        question, long = need.of
        if self._context.knowledge is None:
            raise ConfigError(
                "The program asks for knowledge, and no language model is configured",
                where=f"line {line}: {question[:60]!r}",
                expected="knowledge_model_name",
                hint="Name a model and its provider: --knowledge_model_name … --knowledge_provider …",
            )
        self._record.unknown = True
        self._work.spend(work.QUESTIONS, 1)
        answer = self._context.knowledge.answer(question, long)
        self._record.step(line, f"llm_query({question[:60]!r})", answer)
        return answer

    def _percept(self, need: Need, line: int) -> str:
        percept, objects, box = need.of
        question = Question(percept.question, len(objects), percept.name, region=box, percept=percept)
        where = f" of {list(map(round, box))}" if box is not None else ""
        return self._asked(question, objects, f"{percept.name}{where}", line)

    def _missing(self, need: Need, line: int) -> bool:
        self._record.stand_ins.append(need.of)
        if self._context.missing_region == "abstain":
            raise Unfounded(f"there is no {need.of} (line {line})")
        self._record.step(line, need.of, "not there: the whole picture")
        return True


def _middle_inside(box: Box, outer: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
