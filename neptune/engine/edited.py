"""What would follow if: a score, a box, what the oracle said, or a word of the program is changed, and it runs again.

The evidence is a copy, which goes its own way. By default nothing is asked, and what is not known is missing evidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import dsl
from dsl.plan import Atom, Exists, Predicate
from neptune.algebra.convert import LOGIT_LIMIT
from neptune.answer import Answer
from neptune.engine.context import RunContext
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.session.answers import run_program
from neptune.engine.session.session import Session
from neptune.errors import ConfigError, NotRecordedError, OracleError
from neptune.scene import Scene
from neptune.scene.types import Oracle, QueryRequest, Question, ScoreRequest, Scores

_CELL = re.compile(r"\s*(\w+)\s*\(\s*(\d+(?:\s*,\s*\d+)*)\s*\)\s*\Z")
_QUOTED = re.compile(r"\s*([\"'])(.+)\1\s*\(\s*(\d+(?:\s*,\s*\d+)*)?\s*\)\s*\Z")
_BOX, _WORD = re.compile(r"\s*box\s*\(\s*(\d+)\s*\)\s*\Z"), re.compile(r"\s*word\s*\(\s*(\w+)\s*\)\s*\Z")
_SAMPLE = re.compile(r"\s*([^\s:=(\"']+)\s*:\s*(\S.*)\Z", re.DOTALL)
_NAMES = ("x", "y", "z", "u", "v", "w")
_SPOKEN: dict[str, float | None] = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0, "none": None, "null": None}

FORM = 'red(2)=0.1, left(0, 1)=yes, color(2)=blue, "what is it?"(2)=a cup, box(3)=10,20,60,80, or word(red)=blue'
"""How a change is written."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Changes:
    """What is changed.

    Parameters
    ----------
    scores
        ``"red(2)"`` or ``"left(0, 1)"``, or a question of its own in quotes, ``'"is it open?"(2)'``, → a probability in
        [0, 1], or ``None``: evidence is missing.
    words
        Words of the program → what stands for them, whole words only.
    boxes
        Object → its box: ``x0 y0 x1 y1`` in pixels of the picture.
    texts
        ``"color(2)"``, or an open question in quotes, ``'"what is it?"(2)'``, → what the oracle says in words. Of a
        sort whose values the vocabulary names, the scores of the values follow.
    """

    scores: Mapping[str, float | None] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    boxes: Mapping[int, Box] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.scores or self.words or self.boxes or self.texts)


def changes_of(texts: Sequence[str]) -> Changes:
    """Read changes as a command line has them.

    >>> changes_of(["red(2)=0.1", "word(cube)=ball"])
    Changes(scores={'red(2)': 0.1}, words={'cube': 'ball'}, boxes={}, texts={})

    Raises
    ------
    ConfigError
        If one is none: which, and how it is written.
    """
    scores: dict[str, float | None] = {}
    words: dict[str, str] = {}
    boxes: dict[int, Box] = {}
    spoken: dict[str, str] = {}
    for text in texts:
        key, equals, value = _parted(text)
        value = value.strip()
        if not equals or not value:
            raise ConfigError(f"'{text}' changes nothing", where="set", expected=FORM)
        if found := _WORD.match(key):
            words[found[1]] = value
        elif found := _BOX.match(key):
            boxes[int(found[1])] = _box(value, text)
        elif _CELL.match(key) or _QUOTED.match(key):
            chance = _chance(value)
            if isinstance(chance, str):
                spoken[key.strip()] = chance
            else:
                scores[key.strip()] = chance
        else:
            raise ConfigError(f"'{text}' names nothing that can be changed", where="set", expected=FORM)
    return Changes(scores, words, boxes, spoken)


def for_sample(texts: Sequence[str], sample: str) -> list[str]:
    """Return the changes that are for one sample of a dataset: ``"SAMPLE: red(2)=0.1"``, or without a sample, for all.

    >>> for_sample(["clevr-000012: red(2)=0.1", "word(red)=blue"], "clevr-000007")
    ['word(red)=blue']
    """
    parted = [(text, _SAMPLE.match(text)) for text in texts]
    return [text if found is None else found[2] for text, found in parted if found is None or found[1] == sample]


def _parted(text: str) -> tuple[str, str, str]:
    """Part a change at the sign after what it names, which may hold such signs itself where it is quoted."""
    quoted = re.match(r"\s*([\"']).*?\1\s*\([^)]*\)\s*(?==)", text, re.DOTALL)
    if quoted is None:
        return text.partition("=")
    return quoted[0], "=", text[quoted.end() + 1 :]


def _chance(value: str) -> float | str | None:
    if value.lower() in _SPOKEN:
        return _SPOKEN[value.lower()]
    try:
        return float(value)
    except ValueError:
        return value.strip("\"'")


def _box(value: str, text: str) -> Box:
    try:
        x0, y0, x1, y1 = (float(part) for part in value.strip("[]()").split(","))
    except ValueError:
        raise ConfigError(f"'{text}' has no box", where="set", expected="box(3)=x0,y0,x1,y1 in pixels") from None
    return x0, y0, x1, y1


class Nobody:
    """An oracle that is not there: what is not known stays so."""

    name = "nobody"

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Know nothing."""
        return [Scores.of(np.full(len(r.objects), np.nan)) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Refuse.

        Raises
        ------
        OracleError
            Always.
        """
        raise OracleError("The program asks what was not asked before", hint="Change it so that it asks nothing new")


class Quiet:
    """An oracle that answers from a recording: what that does not hold is missing evidence.

    Parameters
    ----------
    inner
        The oracle ``replay``.
    """

    name = "quiet"

    def __init__(self, inner: Oracle) -> None:
        self.inner = inner

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer what was recorded, one cell after the other."""
        return [Scores.of(np.array([self._cell(r, row) for row in r.objects], dtype=np.float32)) for r in requests]

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer what was recorded.

        Raises
        ------
        NotRecordedError
            If a question was never recorded.
        """
        return self.inner.query(requests)

    def _cell(self, request: ScoreRequest, row: Any) -> float:
        try:
            return float(self.inner.score([replace(request, objects=row[None])])[0].logits[0])
        except NotRecordedError:
            return math.nan


@dataclass(frozen=True)
class Edited:
    """A program that is ready to be run with something changed.

    Parameters
    ----------
    context, program, scene
        As :func:`neptune.engine.session.answers.run_program` takes them.
    """

    context: RunContext
    program: str
    scene: Scene


def run_edited(
    context: RunContext, program: str, scene: Scene, changes: Changes, oracle: Oracle | None = None
) -> Answer:
    """Run a program again with something changed.

    Parameters
    ----------
    context
        What it is run with; its evidence of the scene stays as it is.
    program, scene
        What was run, on what.
    changes
        What is changed.
    oracle
        Who may be asked what is not known; ``None``: nobody, nothing is asked.

    Raises
    ------
    ConfigError
        If a change names no single question, an object that is not there, no probability, no box of the picture, or no
        word of the program.
    dsl.ProgramError
        If the changed program is wrong.
    OracleError
        If it asks an open question that was not asked before.
    """
    made = edited(context, program, scene, changes, oracle)
    return run_program(made.context, made.program, made.scene)


def edited(context: RunContext, program: str, scene: Scene, changes: Changes, oracle: Oracle | None = None) -> Edited:
    """Return what is run with something changed; parameters and errors as of :func:`run_edited`.

    Of a box that is changed, what the oracle saw in it is asked again where it may be asked, and else stays.
    """
    program = reworded(program, changes.words)
    evidence = context.evidence(scene).copy()
    if changes.boxes:
        evidence = _moved(evidence, changes.boxes, forget=oracle is not None and not isinstance(oracle, Quiet))
    for cell, text in changes.texts.items():
        _say(context, evidence, cell, text)
    for cell, chance in changes.scores.items():
        _change(context, evidence, cell, chance)
    own = replace(context, oracle=oracle or Nobody(), kept=EvidenceKept.only(evidence), budget=None, narrowing=None)
    return Edited(own, program, evidence.scene)


def reworded(program: str, words: Mapping[str, str]) -> str:
    """Return a program with words changed, all at once.

    Raises
    ------
    ConfigError
        If one is no word of the program.
    """
    for word in words:
        if re.search(rf"\b{re.escape(word)}\b", program) is None:
            raise ConfigError(f"'{word}' is no word of the program", where="words")
    if not words:
        return program
    any_of = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.sub(rf"\b(?:{any_of})\b", lambda found: words[found[0]], program)


def _moved(evidence: Evidence, boxes: Mapping[int, Box], *, forget: bool) -> Evidence:
    """Return evidence of the scene with other boxes: what is read off boxes is read anew."""
    scene = evidence.scene
    width, height = scene.size
    moved = scene.boxes.copy()
    for k, box in boxes.items():
        _check_objects(f"box({k})", [k], len(scene))
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise ConfigError(
                f"the box of object {k} is {', '.join(f'{v:g}' for v in box)}", where="boxes",
                expected=f"x0 < x1 and y0 < y1 in pixels, within 0 to {width} and 0 to {height}",
            )  # fmt: skip
        moved[k] = box
    found = evidence.copy()
    found.scene = replace(scene, boxes=moved)
    found._tables = {key: t for key, t in found._tables.items() if t.question.boxes is None}
    for table in found._tables.values() if forget else ():
        for axis in range(table.logits.ndim):
            rows = np.moveaxis(table.logits, axis, 0), np.moveaxis(table.asked, axis, 0)
            rows[0][list(boxes)], rows[1][list(boxes)] = np.nan, False
        table.complete = False
        table.bounds.clear()
    for known in found._texts.values() if forget else ():
        for place in [p for p in known if set(p) & set(boxes)]:
            del known[place]
    return found


def _say(context: RunContext, evidence: Evidence, cell: str, text: str) -> None:
    """Change what the oracle says in words about objects."""
    quoted, named = _QUOTED.match(cell), _CELL.match(cell)
    listed = quoted[3] if quoted else named[2] if named else None
    objects = [int(k) for k in listed.split(",")] if listed else []
    _check_objects(cell, objects, len(evidence.scene))
    if quoted:
        question = Question(quoted[2], len(objects), "")
    elif named:
        question = context.wording.query(named[1], len(objects))
        _say_value(context, evidence, named[1], objects, text)
    else:
        raise ConfigError(f"'{cell}' names no question", where="texts", expected='color(2), or "what is it?"(2)')
    keys = {key for key in evidence._texts if key[0] == question.key} | {(question.key, ())}
    for key in keys:
        evidence._texts.setdefault(key, {})[tuple(objects)] = text


def _say_value(context: RunContext, evidence: Evidence, name: str, objects: list[int], text: str) -> None:
    """Change the scores of a sort's values so that one is true of an object, and no other."""
    sort = next((s for n, s in context.vocabulary.sorts.items() if name.lower() in (n.lower(), s.attribute)), None)
    if sort is None or len(objects) != 1 or not sort.values:
        return
    if text not in sort.values:
        raise ConfigError(f"'{text}' is no {name.lower()}", where="texts", expected=", ".join(sort.values))
    for value in sort.values:
        _change(context, evidence, f"{value}({objects[0]})", float(value == text))


def _check_objects(cell: str, objects: Sequence[int], n: int) -> None:
    if objects and (max(objects) >= n or len(set(objects)) < len(objects) or len(objects) > len(_NAMES)):
        raise ConfigError(
            f"'{cell}' names no objects of the scene", where="scores", expected=f"0 to {n - 1}, each once"
        )


def _change(context: RunContext, evidence: Evidence, cell: str, chance: float | None) -> None:
    found, quoted = _CELL.match(cell), _QUOTED.match(cell)
    if found is None and quoted is None:
        raise ConfigError(f"'{cell}' names no score", where="scores", expected="red(2), or left(0, 1)")
    listed = found[2] if found else quoted[3] if quoted else None
    objects = [int(k) for k in listed.split(",")] if listed else []
    _check_objects(cell, objects, len(evidence.scene))
    if chance is not None and not 0.0 <= chance <= 1.0:
        raise ConfigError(f"the score of '{cell}' is {chance}", where="scores", expected="a probability in [0, 1]")
    if found:
        formula = f"{found[1]}({', '.join(_NAMES[: len(objects)])})"
        for name in reversed(_NAMES[: len(objects)]):
            formula = f"exists(Object, lambda {name}: {formula})"
        atom, bound = _atom(context, evidence, formula, cell)
        at = dict(zip(bound, objects, strict=True))
        predicate, row = atom.predicate, [at[str(t)] for t in atom.terms]
    else:
        assert quoted is not None
        predicate, row = Predicate("", len(objects), text=quoted[2]), objects
    question = context.wording.question(predicate)
    if question.boxes is not None:
        raise ConfigError(f"'{cell}' is read off the boxes", where="scores", hint="Change a box: box(2)=x0,y0,x1,y1")
    table = evidence.table(question, predicate.symmetric)
    flat = table.normalised(np.array([row], dtype=np.int64).reshape(1, len(row)))
    logit = math.nan if chance is None else _logit(chance)
    evidence._record(question, flat, np.array([logit], dtype=np.float32))


def _logit(chance: float) -> float:
    if chance in (0.0, 1.0):
        return LOGIT_LIMIT if chance else -LOGIT_LIMIT
    return math.log(chance / (1.0 - chance))


def _atom(context: RunContext, evidence: Evidence, formula: str, cell: str) -> tuple[Atom, list[str]]:
    """Return the one question that a formula asks, as the vocabulary has it, and its variables, outermost first."""
    checked = dsl.check(formula, vocabulary=context.vocabulary, limits=context.limits)
    session = Session(context, evidence)
    run = Interpreter(session, context.vocabulary, context.limits, context.distinct_variables)
    node: Any = run.formula(run.run(checked.program), checked.program.body[-1])
    bound: list[str] = []
    while isinstance(node, Exists):
        bound.append(node.var)
        node = node.body
    if not isinstance(node, Atom):
        raise ConfigError(
            f"'{cell}' is no single question", where="scores", hint="Change the scores that it is made of"
        )
    return node, bound
