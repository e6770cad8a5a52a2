"""Blocks of a conversation are run here, in the language or as Python in a sandbox; what came of each, in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dsl import plan
from dsl.check.turns import Known, check_turn
from dsl.errors import ProgramError
from dsl.patches.tools import TOOLS
from dsl.syntax import ast
from neptune.agent.interpreter import TurnInterpreter
from neptune.agent.shots import Clue, Gallery, Shot
from neptune.algebra.late import no_grad
from neptune.answer import Answer
from neptune.engine.engine import Engine
from neptune.engine.interpret import values
from neptune.engine.session.answers import answer_of_value
from neptune.engine.session.outside import Abstain
from neptune.engine.session.session import Session
from neptune.errors import ModelFailedError, NeptuneError, PictureError
from neptune.sandbox import Ran, Sandbox
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.tools import Made, Toolbox

MOST_VALUES = 40


@dataclass(frozen=True)
class Result:
    """What came of one block.

    Parameters
    ----------
    text
        What it printed, with its last value.
    pictures
        The pictures that it showed, each under its name; `new` of them had none before.
    error
        What was wrong, in words, with a hint; ``""``: nothing.
    refused
        Whether the checker refused it: nothing was run, nothing was asked.
    answered, answer
        Whether it returned, and what that answers.
    values
        The plain values of the names that it bound, in words.
    defined
        The functions that it defined: name → signature.
    notes
        What was read differently than written.
    calls
        Oracle calls of this block.
    stopped
        Why the sandbox ended its child; ``""``: it lives, or there is none.
    """

    text: str = ""
    pictures: tuple[Clue, ...] = ()
    new: int = 0
    error: str = ""
    refused: bool = False
    answered: bool = False
    answer: Answer | None = None
    values: dict[str, Any] = field(default_factory=dict)
    defined: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    calls: int = 0
    stopped: str = ""


class Blocks(Protocol):
    """Runs the blocks of one conversation, one after the other."""

    gallery: Gallery

    def run(self, code: str) -> Result:
        """Run a block; errors of the block are in its result."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


class LanguageBlocks:
    """Runs blocks in the language, on the scene of the first picture.

    Parameters
    ----------
    engine
        Detects, asks, decides.
    scene
        The scene of the first picture.
    gallery
        The pictures that the model has seen; those that are shown are added.
    toolbox
        Applies the picture tools.
    inputs
        What the task gives programs: ``query``.
    most_calls
        Oracle calls of all blocks together; then answers are the best guesses.
    most_pictures
        So many pictures may one block show.
    """

    def __init__(
        self,
        engine: Engine,
        scene: Scene,
        gallery: Gallery,
        toolbox: Toolbox,
        inputs: dict[str, Any],
        most_calls: int | None = None,
        most_pictures: int = 8,
    ) -> None:
        self.engine, self.scene, self.gallery, self.toolbox = engine, scene, gallery, toolbox
        self.most_pictures = most_pictures
        context = engine.context.given(inputs)
        budget = min((b for b in (context.budget, most_calls) if b is not None), default=None)
        self.context = context.budgeted(budget)
        self.session = Session(self.context, self.context.evidence(scene), arrays=True)
        picture = scene.picture if scene.picture is not None else gallery.clues[0].picture
        self.run_ = TurnInterpreter(
            self.session, context.vocabulary, context.limits, context.distinct_variables, context.semantics,
            context.inputs, toolbox, picture, self._ask,
        )  # fmt: skip
        self.run_.trace = self._trace
        self.looked = 0
        self._bind()

    @property
    def calls(self) -> int:
        """The oracle calls so far, those about other pictures included."""
        return self.session.record.usage.oracle_calls + self.looked

    def _bind(self) -> None:
        """Give the pictures that were shown their names."""
        for clue in self.gallery.clues:
            if clue.name not in self.run_.scope.names:
                self.run_.scope.names[clue.name] = Shot(Made.of(clue.picture))

    def known(self) -> Known:
        """Return what is defined: names of values, and parameters of functions."""
        return {
            name: value.params if isinstance(value, values.Closure) else None
            for name, value in self.run_.scope.names.items()
        }

    @no_grad()
    def run(self, code: str) -> Result:
        """Run a block; errors of the block are in its result.

        Raises
        ------
        ModelFailedError
            If the oracle or the detector fails, whatever it is asked.
        """
        context, before = self.context, self.calls
        names = dict(self.run_.scope.names)
        try:
            checked = check_turn(code, self.known(), TOOLS, vocabulary=context.vocabulary, limits=context.limits)
        except ProgramError as error:
            return Result(error=str(error), refused=True)
        wrong, answered = "", False
        answer: Answer | None = None
        self.run_.most_chars = context.limits.text_chars
        try:
            answered, value = self.run_.turn(checked.program)
            last = checked.program.body[-1]
            if answered:
                answer = answer_of_value(self._as_object(value), self.run_, self.session, last)
            elif value is not None and isinstance(last, ast.ExprStatement):
                self.run_.say(self.run_.in_words(value, last.value))
        except ProgramError as fault:
            wrong = str(fault if fault.source is not None else fault.with_source(code))
        except Abstain as reason:
            wrong = f"There is no answer: {reason}"
        except ModelFailedError:
            raise
        except NeptuneError as fault:
            wrong = fault.one_line()
        pictures, new, left = self._pictures()
        bound = {n: v for n, v in self.run_._top().names.items() if n not in names or names[n] is not v}
        defined = {
            n: f"{n}({', '.join(p.name for p in v.params)})" for n, v in bound.items() if isinstance(v, values.Closure)
        }
        text = "\n".join(self.run_.printed)
        if left:
            text += f"\n[{left} more pictures were not shown: {self.most_pictures} a block]"
        return Result(
            text, pictures, new, wrong, False, answered and not wrong, None if wrong else answer,
            self._values(bound), defined, tuple(dict.fromkeys((*checked.notes, *self.run_.notes))), self.calls - before,
        )  # fmt: skip

    def close(self) -> None:
        """End nothing: there is nothing to end."""

    def _as_object(self, value: Any) -> Any:
        """Return a picture that is returned as the region of the scene that it shows, if it is all of it."""
        if isinstance(value, Shot):
            raise ProgramError(
                "The block returned a picture", expected="an answer: a text, a number, a truth, a region",
                hint="show(…) looks at a picture; return the answer when you know it",
            )  # fmt: skip
        return value

    def _pictures(self) -> tuple[tuple[Clue, ...], int, int]:
        """Return what was shown under its names, how many of them are new, and how many were left out."""
        shown, before = self.run_.shown_pictures, len(self.gallery)
        clues = tuple(
            self.gallery.add(shot.picture, tuple(map(str, shot.made.history))) for shot in shown[: self.most_pictures]
        )
        self._bind()
        return clues, len(self.gallery) - before, max(0, len(shown) - self.most_pictures)

    def _values(self, bound: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in list(bound.items())[:MOST_VALUES]:
            if isinstance(value, bool | int | float):
                found[name] = value
            elif isinstance(value, str):
                found[name] = value[:200]
            elif isinstance(value, Shot):
                found[name] = str(value)
            elif isinstance(value, values.Region):
                found[name] = [round(x, 1) for x in value.box]
            elif isinstance(value, list | tuple) and not isinstance(value, values.Members):
                found[name] = f"{len(value)} items"
        return found

    def _trace(self) -> Sequence[str]:
        return [f"line {s.line}: {s.source}: {s.value}" for s in self.session.record.trace[-12:]]

    def _ask(self, picture: Picture, asked: str, node: Any) -> Any:
        """Ask about another picture than the scene's: a program of its own, on its own scene."""
        program = f"return ImagePatch(image).{asked}"
        try:
            scene = self.engine.scene(picture, labels=self.engine.labels(program))
            answer = self.engine.run(program, scene, inputs=dict(self.context.inputs))
        except PictureError as error:
            raise ProgramError(error.what, node.span, hint=error.hint) from error
        self.looked += answer.usage.oracle_calls
        if answer.abstained:
            raise ProgramError(f"There is no answer about this picture: {answer.why or 'it is not known'}", node.span)
        if answer.kind == "truth" and answer.probability is not None:
            yes = answer.probability if answer.value else 1 - answer.probability
            return values.Formula(plan.const(yes))
        return answer.value


class PythonBlocks:
    """Runs blocks as Python in a sandbox, one child a conversation.

    Parameters
    ----------
    sandbox
        Where.
    gallery
        The pictures that the model has seen; those that are shown are added.
    """

    def __init__(self, sandbox: Sandbox, gallery: Gallery) -> None:
        self.sandbox, self.gallery = sandbox, gallery

    def run(self, code: str) -> Result:
        """Run a block; errors of the block are in its result.

        Raises
        ------
        SandboxError
            If no child can be started.
        """
        ran = self.sandbox.run(code, {clue.name: clue.png for clue in self.gallery.clues})
        before, clues, wrong = len(self.gallery), list[Clue](), ran.error
        for png in ran.pictures:
            try:
                clues.append(self.gallery.add(Picture(png)))
            except PictureError as error:
                wrong = wrong or f"a picture that was shown can not be read: {error.what}"
        text = ran.text
        if ran.ended:
            wrong += ". The next block starts in a new process: define again what it needs; the pictures are there"
        functions = {n: f"{n}(…)" for n, v in ran.values.items() if v == "function"}
        answered = ran.answered and not wrong
        return Result(
            text, tuple(clues), len(self.gallery) - before, wrong, False, answered, _plain_answer(ran),
            {n: v for n, v in ran.values.items() if n not in functions}, functions, (), 0, ran.ended,
        )  # fmt: skip

    def close(self) -> None:
        """End the child."""
        self.sandbox.close()


def _plain_answer(ran: Ran) -> Answer | None:
    """Return what Python returned as an answer: certain only in that it was computed."""
    if not ran.answered:
        return None
    return answer_in_words(ran.answer)


def answer_in_words(value: Any) -> Answer:
    """Return a plain value as an answer of which no probability is known."""
    kinds: list[tuple[type, str]] = [(bool, "truth"), (int, "number"), (float, "number"), (str, "text"), (list, "list")]
    kind = next((k for t, k in kinds if isinstance(value, t)), "nothing")
    return Answer(value, kind, abstained=value is None, why="the model returned nothing" if value is None else "")  # type: ignore[arg-type]
