"""What is answered, however it was asked: by the page, over HTTP, or by an assistant. Knows nothing of these."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import dsl
from dsl.errors import ProgramError
from neptune.algebra import LogicParameters
from neptune.answer import Answer
from neptune.config import Config
from neptune.config.derived import ServeConfig
from neptune.engine import Engine
from neptune.engine.analysis.explain import explain
from neptune.engine.analysis.inspection import inspect
from neptune.engine.context import RunContext
from neptune.engine.edited import Edited, changes_of, edited, reworded
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.store import Evidence
from neptune.engine.session.answers import run_program, truth_table
from neptune.errors import ConfigError, NeptuneError
from neptune.foreign import printable
from neptune.runs.record import jsonable
from neptune.scene import Scene
from neptune.scene.types import Oracle, QueryRequest, ScoreRequest, Scores
from neptune.serve import requests as r
from neptune.serve.pictures import Pictures
from neptune.writer.writer import Writer

Tell = Callable[[str, dict[str, Any]], None]
"""Hears what happens on the way to an answer: an event's name, and what it says."""


@dataclass(frozen=True, slots=True)
class _Ran:
    context: RunContext


class Service:
    """Answers requests by one engine. Threads may share it.

    Parameters
    ----------
    engine
        Who sees, and how programs are run.
    pictures
        Finds the pictures of requests.
    config
        What the engine was made from; by default the defaults.
    """

    def __init__(self, engine: Engine, pictures: Pictures, config: Config | None = None) -> None:
        self.engine, self.pictures = engine, pictures
        self.config = config or ServeConfig.model_validate({"task": "serve"})
        self._writing = threading.Lock()

    @cached_property
    def writer(self) -> Writer:
        """Who writes the programs of questions: the engine's, or the reader of questions that needs no model."""
        return self.engine.writer or Writer.embedded(self.engine.vocabulary, limits=self.engine.limits)

    def program_of(self, question: str | None, program: str | None) -> tuple[str, list[str]]:
        """Return the program of a request, and what is to be said of it.

        Raises
        ------
        NeptuneError
            If nothing is asked, or there is no program for the question.
        """
        if program is not None and program.strip():
            return program, []
        if question is None or not question.strip():
            raise ConfigError("Nothing is asked", expected="a question, or a program")
        with self._writing:
            written = self.writer.write(question)
        return written.program, [printable(note) for note in written.notes]

    def look(self, body: r.Look) -> dict[str, Any]:
        """Return the objects of a picture."""
        return scene_of(self.engine.scene(self.pictures.of(body.picture), labels=tuple(body.labels)))

    def ask(self, body: r.Ask, tell: Tell | None = None) -> dict[str, Any]:
        """Answer a question about a picture; `tell` hears of the program, the boxes and the scores as they come.

        Raises
        ------
        dsl.ProgramError, NeptuneError
            As :meth:`neptune.Engine.ask`.
        """
        picture = self.pictures.of(body.picture)
        program, notes = self.program_of(body.question, body.program)
        context = self.context(body)
        if tell is not None:
            tell("program", {"program": program, "notes": notes})
            context = replace(context, oracle=_Told(context.oracle, tell))
        scene = self.engine.scene(picture, labels=self.engine.labels(program))
        if tell is not None:
            tell("boxes", scene_of(scene))
        inputs = {"query": body.question} if body.question else None
        context = context.under("abstain" if context.presuppositions == "auto" else None).given(inputs)
        answer = run_program(context, program, scene)
        before = None
        if body.changed or body.set:
            made = self.edited(context, body, program, scene)
            before, context, program, scene = answer, made.context, made.program, made.scene
            answer = run_program(context, program, scene)
        found = {"program": program, **answer_of(answer), "notes": [*notes, *answer.notes], "scene": scene_of(scene)}
        if before is not None:
            found["before"] = str(before)
        if body.evidence:
            found["evidence"] = evidence_of(context.evidence(scene))
        if body.inside:
            seen = inspect(_Ran(context), program, scene, flips=False)
            found["inside"] = seen and {
                "plan": jsonable(seen.plan), "lines": jsonable(seen.lines), "skipped": seen.skipped,
            }  # fmt: skip
        return found

    def edited(self, context: RunContext, body: r.Ask, program: str, scene: Scene) -> Edited:
        """Return what is run with all that a request changes; as it is, where it changes nothing.

        Raises
        ------
        ConfigError
            If it changes what is not there.
        """
        changes = changes_of(body.set)
        made = Edited(context, program, scene)
        if changes:
            if changes.words:  # what is asked of other words is kept for the next change
                run_program(context, reworded(program, changes.words), scene)
            made = edited(context, program, scene, changes, context.oracle)
        if body.changed:
            kept = EvidenceKept.only(changed(made.context.evidence(made.scene), body.changed))
            made = replace(made, context=replace(made.context, kept=kept))
        return made

    def check(self, body: r.Check) -> dict[str, Any]:
        """Say what is wrong with a program, place by place; nothing is asked."""
        context = self.engine.context
        try:
            checked = dsl.check(
                body.program, vocabulary=context.vocabulary, limits=context.limits, dialect=context.dialect
            )
        except ProgramError as error:
            return {"ok": False, "problems": [problem_of(e) for e in error.errors], "notes": []}
        return {"ok": True, "problems": [], "notes": list(checked.notes)}

    def explain(self, body: r.Explain) -> dict[str, Any]:
        """Say how a program is planned; nothing is asked."""
        found = explain(self.context(body), body.program, body.objects)
        parts = [
            {
                "what": part.what,
                "line": part.line,
                "formula": part.formula,
                "stages": [str(stage) for stage in part.stages],
                "order": [str(reduction) for reduction in part.order],
                "largest_table": part.peak_cells,
                "oracle_calls": part.oracle_cells,
            }
            for part in found.parts
        ]
        return {"text": str(found), "parts": parts, "notes": list(found.notes)}

    def score(self, body: r.Score) -> dict[str, Any]:
        """Return how true formulas are of each object, or tuple of objects."""
        scene = self.engine.scene(self.pictures.of(body.picture), labels=self.engine.labels(*body.formulas))
        context, tables = self.context(body), []
        for formula in body.formulas:
            table = truth_table(context, formula, scene)
            tables.append(
                {"formula": formula, "variables": list(table.vars), "values": jsonable(table.values.tolist())}
            )
        return {"scene": scene_of(scene), "tables": tables}

    def context(self, how: r.How) -> RunContext:
        """Return what a request's program is run with.

        Raises
        ------
        NeptuneError
            If there is no such logic.
        """
        context, given = self.engine.context, how.temperatures
        if how.logic is None and given is None:
            return context
        numbers = context.parameters.to_dict()
        numbers |= {"logic": how.logic or context.logic.name, "theta": None}
        if given is not None:
            taus = {"quantifier_tau": given.quantifier, "iota_tau": given.iota, "comparison_tau": given.comparison}
            numbers |= {name: tau for name, tau in taus.items() if tau is not None}
            if given.oracle is not None:
                numbers["oracle"] = {**numbers.get("oracle", {}), "default": {"T": given.oracle, "b": 0.0}}
        try:
            parameters = LogicParameters.from_dict(numbers)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(str(error), where="logic") from error
        return replace(context, logic=parameters.logic, parameters=parameters)


class _Told:
    """An oracle that tells what it says."""

    def __init__(self, oracle: Oracle, tell: Tell) -> None:
        self._oracle, self._tell = oracle, tell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._oracle, name)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as the oracle does, and tell it."""
        found = self._oracle.score(requests)
        for request, scores in zip(requests, found, strict=True):
            said = {"question": request.question.text, "objects": np.asarray(request.objects).tolist()}
            self._tell("scores", {**said, "probabilities": _chances(scores.logits)})
        return found

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as the oracle does, and tell it."""
        found = self._oracle.query(requests)
        for request, texts in zip(requests, found, strict=True):
            said = {"question": request.question.text, "objects": np.asarray(request.objects).tolist()}
            self._tell("texts", {**said, "texts": list(texts)})
        return found


def _chances(logits: Any) -> list[float | None]:
    with np.errstate(over="ignore"):
        chances = 1.0 / (1.0 + np.exp(-np.asarray(logits, dtype=np.float64)))
    return [None if c != c else round(float(c), 6) for c in chances.reshape(-1)]


def _logit(probability: float) -> float:
    """Return the logit of a probability, clamped as the oracle's are."""
    p = min(max(probability, 1e-6), 1.0 - 1e-6)
    return math.log(p / (1.0 - p))


def changed(evidence: Evidence, changes: Sequence[r.Changed]) -> Evidence:
    """Return evidence in which some scores are others.

    Raises
    ------
    ConfigError
        If a question was not asked, or of other objects.
    """
    found = evidence.copy()
    for change in changes:
        tables = [
            t for t in found.tables() if t.question.text == change.question and t.logits.ndim == len(change.objects)
        ]
        if not tables:
            asked = ", ".join(sorted({f"'{t.question.text}'" for t in found.tables()})[:5])
            raise ConfigError(
                "This was not asked of so many objects", where=change.question[:80], expected=f"one of {asked}"
            )
        n = tables[0].logits.shape[0] if change.objects else 1
        if max(change.objects, default=0) >= n:
            raise ConfigError("There is no such object", where=str(change.objects), expected=f"0 to {n - 1}")
        mirrored = any(table.symmetric for table in tables)
        for table in tables:
            both = [change.objects, change.objects[::-1]] if mirrored else [change.objects]
            flat = table.normalised(np.array(both, dtype=np.int64))
            table.write(flat, np.full(len(flat), _logit(change.probability), dtype=np.float32))
    return found


def evidence_of(evidence: Evidence) -> list[dict[str, Any]]:
    """Return what an oracle said of a scene: questions with the objects asked about and their probabilities."""
    found: list[dict[str, Any]] = []
    for table in evidence.tables():
        if table.question.boxes is not None or not table.asked.any():
            continue
        objects = np.argwhere(table.asked)
        chances = _chances(table.logits[table.asked])
        same = next(
            (e for e in found if e["question"] == table.question.text and e["arity"] == table.logits.ndim), None
        )
        if same is None:
            found.append(
                {
                    "question": table.question.text,
                    "arity": table.logits.ndim,
                    "objects": objects.tolist(),
                    "probabilities": chances,
                }
            )
    return found


def scene_of(scene: Scene) -> dict[str, Any]:
    """Return what a detector found: ``size`` and ``boxes`` in pixels, ``scores`` in [0, 1]."""
    scores = None if scene.scores is None else [round(float(s), 4) for s in scene.scores]
    outside = str(scene.domain) if scene.domain is not None and scene.domain.outside else ""
    boxes = [[round(float(x), 1) for x in box] for box in scene.boxes]
    return {"size": list(scene.size), "boxes": boxes, "scores": scores, "out_of_domain": outside}


def answer_of(answer: Answer) -> dict[str, Any]:
    """Return an answer as JSON holds it: in words, and all its fields."""
    fields = answer.to_dict()
    keys: tuple[str, ...] = (
        "value",
        "kind",
        "probability",
        "bounds",
        "abstained",
        "why",
        "settled",
        "tie",
        "objects",
        "scores",
        "witness",
    )
    keys += ("presuppositions", "ambiguous", "out_of_domain", "regions", "variables", "trace", "usage")
    return {"answer": fields["text"], **{key: fields[key] for key in keys}}


def problem_of(error: ProgramError) -> dict[str, Any]:
    """Return an error of a program: its four parts, its place (from 1, the end exclusive), and all in one line."""
    place = {"line": error.line, "column": error.column, "end_line": error.end_line, "end_column": error.end_column}
    return {"what": error.what, "expected": error.expected, "hint": error.hint, **place, "text": error.one_line()}


def error_of(error: ProgramError | NeptuneError) -> dict[str, Any]:
    """Return any error of a user as JSON holds it."""
    if isinstance(error, ProgramError):
        where = f"line {error.line}, column {error.column}" if error.line else ""
        return {"kind": "program", "where": where, **problem_of(error)}
    parts = {"what": error.what, "where": error.where, "expected": error.expected, "hint": error.hint}
    return {"kind": type(error).__name__, **parts, "text": error.one_line()}
