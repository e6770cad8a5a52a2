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
from neptune.scene.boxes import Place, like
from neptune.scene.types import Question


class Abstain(Exception):
    """The program needs a value that missing evidence leaves open."""

    why = "missing evidence"


class Unfounded(Abstain):
    """The program speaks of something that is not there, and nothing may stand in for it."""

    why = "presupposition"


class OutOfDomain(Abstain):
    """Detector or oracle was not made for a picture that the program looks at."""

    why = "out of domain"


class Outside:
    """Answers such needs of one run. See :class:`neptune.engine.interpret.values.Need` for what they are."""

    def __init__(self, context: RunContext, evidence: Evidence, record: Record, asker: Asker, spent: Work) -> None:
        self._context, self._evidence, self._record = context, evidence, record
        self._asker, self._work = asker, spent

    # By name: bound methods would be a cycle in each run, which the collector has to look for.
    _KINDS: ClassVar[frozenset[str]] = frozenset(
        ("query", "region_query", "sight", "tool", "find", "knowledge", "percept", "missing")
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
        text, box, *attribute = need.of
        if attribute:
            text = self._context.wording.query(attribute[0], 1).text
        source = f"query({text!r}) of {list(map(round, box))}"
        return self._asked(Question(text, 0, attribute[0] if attribute else "", region=box), (), source, line)

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

    def _tool(self, need: Need, line: int) -> Any:
        scene = self._evidence.scene
        assert scene.views is not None
        value = scene.views.value(scene, need.of)
        self._record.step(line, need.of[-1][0], str(value)[:200])
        return value

    def _sight(self, need: Need, line: int) -> Sight:
        scene, context = self._evidence.scene, self._context
        if need.of is not None:
            assert scene.views is not None
            times, scene = scene.views.times, scene.views.scene(scene, need.of)
            doubt = context.evidence(scene).doubt(context.oracle)
            if doubt is not None and context.out_of_domain == "abstain":
                raise OutOfDomain(f"{scene.name}: {doubt}")
        else:
            times = scene.views.times if scene.views is not None else ()
        boxes = tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in scene.boxes.tolist())
        containers = frozenset(i for i, kind in enumerate(scene.kinds) if kind != "Object")
        return Sight(scene.size, boxes, context.finder is not None, context.logic.idempotent, containers, times)

    def _find(self, need: Need, line: int) -> tuple[tuple[Box, float], ...]:
        noun, outer = need.of
        assert self._context.finder is not None
        self._work.spend(work.QUESTIONS, 1)
        scene = self._evidence.scene
        if isinstance(outer, Place):
            scene = scene.region(Place((0, 0, *outer.size), outer.view, outer.size))
        found = self._context.finder(scene, noun)
        scores = found.scores.tolist() if found.scores is not None else [1.0] * len(found)
        pairs = [((b[0], b[1], b[2], b[3]), float(s)) for b, s in zip(found.boxes.tolist(), scores, strict=True)]
        inside = tuple((like(b, outer), s) for b, s in pairs if _middle_inside(b, outer))
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
