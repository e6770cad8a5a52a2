"""Different programs for one question: counted by what they mean, tested, and settled by a scene on which they differ.

Programs whose texts and plans differ may mean the same; no small made scene tells them apart then, and they vote as
one. Where two do differ, the model may be shown the smallest such scene, what each of its programs says of it, and the
question, and writes the program again; or it writes tests, small scenes with the right answers, and programs that fail
them lose their votes. No picture and no oracle is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import dsl
from neptune.errors import NeptuneError
from neptune.resources import prompts
from neptune.writer.chat import Spent
from neptune.writer.vote import Candidate

MOST_TESTS = 20
"""Of more tests that a model writes these are run."""

Asker = Callable[[str, bool], tuple[str | None, Spent]]
"""Asks the model once more after its prompt: a text, and whether a program is wanted, one that passes the checks. The
reply, ``None`` where there is none of use, and what it cost."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """Where programs differ.

    Parameters
    ----------
    classes
        The programs, by index, that no scene told apart.
    scene
        The smallest scene on which two of them differ, in words; ``""``: none was found.
    answers
        What each program says of it, in words.
    drawing
        The scene, drawn, as SVG; ``""``: none was found.
    """

    classes: tuple[tuple[int, ...], ...]
    scene: str
    answers: tuple[str, ...]
    drawing: str = ""


class Settled(NamedTuple):
    """What came of different programs.

    Parameters
    ----------
    candidates
        The programs that are left, with their weights.
    notes
        What was done, in words.
    spent
        What it cost.
    dispute
        For review by a person, where programs differ: the smallest scene on which they do, in words (``scene``) and
        drawn (``drawing``, SVG), and ``programs``, each with what it ``says`` there. ``None``: no scene parts them.
    """

    candidates: list[Candidate]
    notes: list[str]
    spent: Spent
    dispute: dict[str, Any] | None = None


Compare = Callable[[Sequence[str]], Dispute]
Test = Callable[[str, Sequence[Mapping[str, Any]]], tuple[int, int]]
"""Runs tests of a program: how many it passes, and fails. Raises a ``ConfigError`` for a malformed test."""


@dataclass(frozen=True)
class Several:
    """What is done with different programs.

    Parameters
    ----------
    compare
        Looks for scenes on which they differ; ``None``: they vote by their texts.
    test
        Runs tests of a program; ``None``: nobody does.
    checks
        Of ``"scene"`` and ``"tests"``: what the model is asked for where programs differ.
    """

    compare: Compare | None = None
    test: Test | None = None
    checks: frozenset[str] = field(default_factory=frozenset)

    def settled(self, candidates: Sequence[Candidate], question: str, ask: Asker) -> Settled:
        """Return the programs that are left with their weights, and how that came about.

        Raises
        ------
        ProviderError
            If the model's provider fails.
        """
        found, notes, spent = list(candidates), list[str](), Spent()
        if self.compare is None or len(found) < 2:
            return Settled(found, notes, spent)
        try:
            dispute = self.compare([c.program for c in found])
        except (dsl.ProgramError, NeptuneError):
            return Settled(found, notes, spent)
        if len(dispute.classes) < len(found):
            notes.append(f"{len(found)} programs are {len(dispute.classes)} by what they say of small scenes")
        left = [c[0] for c in dispute.classes]
        found = [replace(found[c[0]], weight=sum(found[k].weight for k in c)) for c in dispute.classes]
        answers = [dispute.answers[k] for k in left] if dispute.answers else []
        order = sorted(range(len(found)), key=lambda k: -found[k].weight)
        found, answers = [found[k] for k in order], [answers[k] for k in order] if answers else []
        shown: dict[str, Any] | None = None
        if len(set(answers)) > 1:
            programs = [{"program": c.program, "says": a} for c, a in zip(found, answers, strict=True)]
            shown = {"scene": dispute.scene, "drawing": dispute.drawing, "programs": programs}
            said = "; ".join(f"program {k + 1}: {answer}" for k, answer in enumerate(answers))
            notes.append(f"they differ where there is {dispute.scene}. {said}")
        if len(found) > 1 and "tests" in self.checks and self.test is not None:
            found, answers, more, cost = self._tested(found, answers, question, ask)
            notes, spent = [*notes, *more], spent + cost
        if len(found) > 1 and len(set(answers)) > 1 and "scene" in self.checks:
            found, more, cost = self._shown(found, dispute.scene, answers, question, ask)
            notes, spent = [*notes, *more], spent + cost
        return Settled(found, notes, spent, shown)

    def _shown(
        self, found: list[Candidate], scene: str, answers: Sequence[str], question: str, ask: Asker
    ) -> tuple[list[Candidate], list[str], Spent]:
        """Show the model the scene; what it writes then is the program, and the vote is not heeded any more."""
        listed = "\n\n".join(f"{c.program}\nsays: {said}" for c, said in zip(found, answers, strict=True))
        reply, spent = ask(_filled("settle.md", question=question, scene=scene, programs=listed), True)
        if reply is None:
            return found, ["shown a scene on which its programs differ, the model wrote no program"], spent
        assert self.compare is not None
        try:
            classes = self.compare([reply, *(c.program for c in found)]).classes
        except (dsl.ProgramError, NeptuneError):
            classes = ()
        mine = next((c for c in classes if 0 in c), (0,))
        same = [found[k - 1] for k in mine if k]
        note = "shown a scene on which its programs differ, the model settled on "
        note += f"that of weight {sum(c.weight for c in same):.2f}" if same else "another one"
        return [Candidate(reply, 1.0)], [note], spent

    def _tested(
        self, found: list[Candidate], answers: list[str], question: str, ask: Asker
    ) -> tuple[list[Candidate], list[str], list[str], Spent]:
        """Let the model write tests, and keep the programs that pass the most of them."""
        reply, spent = ask(_filled("tests.md", question=question), False)
        tests = read_tests(reply or "")
        assert self.test is not None
        passed = [0] * len(found)
        run = 0
        for test in tests[:MOST_TESTS]:
            try:
                results = [self.test(c.program, [test])[0] for c in found]
            except (dsl.ProgramError, NeptuneError):
                continue  # a malformed test says nothing
            run += 1
            passed = [n + more for n, more in zip(passed, results, strict=True)]
        best = max(passed)
        kept = [k for k, n in enumerate(passed) if n == best]
        notes = [f"{run} tests by the model: {', '.join(map(str, passed))} passed"] if run else ["no test of use"]
        weight = sum(found[k].weight for k in kept)
        left = [replace(found[k], weight=found[k].weight / weight) for k in kept]
        return left, [answers[k] for k in kept] if answers else [], notes, spent


def read_tests(text: str) -> list[Mapping[str, Any]]:
    """Return the tests in a model's reply: objects of JSON, in a list or one a line; what is none is left out.

    >>> read_tests('Here: [{"objects": [{"color": "red"}], "answer": 1}, 5]')
    [{'objects': [{'color': 'red'}], 'answer': 1}]
    """
    decoder, found, at = json.JSONDecoder(), list[Mapping[str, Any]](), 0
    while (start := re.compile(r"[\[{]").search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            at = start.start() + 1
            continue
        found += [t for t in (value if isinstance(value, list) else [value]) if isinstance(t, dict) and "answer" in t]
    return found


def _filled(name: str, **values: str) -> str:
    text = (prompts() / "program" / name).read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
