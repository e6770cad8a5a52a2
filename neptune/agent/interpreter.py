"""Runs the blocks of one conversation: a program over regions that goes on, with pictures as values, print and show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dsl import plan
from dsl.errors import LimitError, ProgramError, did_you_mean
from dsl.limits import Limits
from dsl.patches.declared import METHODS, REGION
from dsl.patches.tools import TOOLS
from dsl.patches.turns import TURN_FUNCTIONS
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.agent.shots import Shot
from neptune.engine.interpret import values
from neptune.engine.interpret.statements import MAX_DEPTH, Returned
from neptune.engine.patches.interpreter import PatchInterpreter
from neptune.engine.patches.members import settled
from neptune.errors import ToolError
from neptune.scene.boxes import Place, View, is_view
from neptune.scene.picture import Picture
from neptune.tools import Made, Mask, Toolbox

Ask = Callable[[Picture, str, Any], Any]
"""Asks about a whole picture: it, the method of a region with its arguments as program text, and the call."""


class TurnInterpreter(PatchInterpreter):
    """Runs checked blocks on one scene, one after the other.

    Parameters
    ----------
    evaluator, vocabulary, limits, distinct_variables, semantics, inputs
        As of every interpreter of programs over regions.
    toolbox
        Applies the picture tools.
    picture
        The picture of the scene.
    ask
        Who answers questions about other pictures.

    Attributes
    ----------
    printed, shown
        What the block printed, line by line, and the pictures that it showed.
    most_chars
        So many characters of it are kept.
    """

    most_chars = 10_000

    def __init__(
        self,
        evaluator: values.Evaluator,
        vocabulary: Vocabulary,
        limits: Limits,
        distinct_variables: str,
        semantics: int,
        inputs: Mapping[str, Any] | None,
        toolbox: Toolbox,
        picture: Picture,
        ask: Ask,
    ) -> None:
        super().__init__(evaluator, vocabulary, limits, distinct_variables, semantics, inputs)
        self.toolbox, self.picture, self.ask = toolbox, Shot(Made.of(picture)), ask
        self.printed: list[str] = []
        self.shown_pictures: list[Shot] = []
        self.trace: Callable[[], Sequence[str]] = tuple
        self._kept = 0
        self._programs: list[ast.Program] = []

    # --- blocks ---

    def turn(self, program: ast.Program) -> tuple[bool, Any]:
        """Run a block; return whether it returned, and what: else the value of its last expression.

        Raises
        ------
        dsl.ProgramError
            For a mistake that shows only while running, or a limit that is reached. What was done before it stays.
        """
        self.program = program
        self._programs.append(program)  # closures of earlier blocks are looked up by their bodies
        self.printed, self.shown_pictures, self._kept, self.bound = [], [], 0, []
        self._statements = self._iterations = self._steps = self._depth = 0
        self.looking.renew()
        self._assigned = {}
        self.notes.clear()
        self.work.renew()
        self.work.begin(program)
        self.scope = self._top()
        self.scope.assigned = self.assigned_by(program.body)
        *first, last = program.body
        try:
            self.block(first)
            if isinstance(last, ast.ExprStatement):
                return False, self.eval(last.value)
            self.block([last])
        except Returned as returned:
            return True, returned.value
        except RecursionError:
            raise LimitError("depth", MAX_DEPTH, None, last.span, what="calls inside one another") from None
        return False, None

    def _top(self) -> values.Scope:
        """Return the scope of the conversation: an error may have left a block inside a function."""
        scope = self.scope
        while scope.outer is not None:
            scope = scope.outer
        return scope

    # --- pictures as values ---

    def shot(self, value: Any, node: ast.Node) -> Shot | None:
        """Return the picture that a value is, if it is one: a region's is what it shows."""
        if isinstance(value, Shot):
            return value
        if isinstance(value, values.Region):
            of = self._viewed(value.box.view, node) if isinstance(value.box, Place) else self.picture
            if value.whole:
                return of
            box = [float(x) for x in value.box]
            return self._tool("crop", of, [box], {}, node)  # type: ignore[no-any-return]
        return None

    def _viewed(self, view: View, node: ast.Node) -> Shot:
        """Return the picture that tools made of the scene's, by its steps."""
        found = self.picture
        for name, given in view:
            others = [self._viewed(v[1], node) if is_view(v) else v for v in given]
            found = self._tool(name, found, others, {}, node)
        return found

    def _tool(self, name: str, of: Shot, args: list[Any], keywords: dict[str, Any], node: ast.Node) -> Any:
        """Apply a picture tool."""
        given = [self._plain_argument(a, node) for a in args]
        named = {k: self._plain_argument(v, node) for k, v in keywords.items()}
        beginning = of.made if isinstance(of.made.value, Picture) else Made(of.picture, of.made.step, of.made.parent)
        self.spend(1, node)
        try:
            made = self.toolbox.apply(name, beginning, *given, **named)
        except ToolError as error:
            raise ProgramError(error.what, node.span, expected=error.expected, hint=error.hint) from error
        return Shot(made) if isinstance(made.value, Picture | Mask) else made.value

    def _plain_argument(self, value: Any, node: ast.Node) -> Any:
        value = settled(self, value, node)
        if isinstance(value, values.Region):
            return [float(x) for x in value.box]
        if isinstance(value, Shot):
            return value.made if isinstance(value.made.value, Picture) else Made.of(value.picture)
        if isinstance(value, list | tuple):
            return [self._plain_argument(v, node) for v in value]
        return self.plain(value, node)

    def attribute(self, value: Any, name: str, node: ast.Node) -> Any:
        """Return an attribute of a value; a picture has those of a region that is all of it, and its size."""
        of = self.shot(value, node) if isinstance(value, Shot) or name == "size" else None
        if of is None:
            found = super().attribute(value, name, node)
            return self.shot(found, node) if name == "cropped_image" else found
        width, height = of.size
        known = {
            "left": 0, "lower": 0, "right": width, "upper": height, "width": width, "height": height,
            "horizontal_center": width / 2, "vertical_center": height / 2,
            "size": (width, height), "shape": [3, height, width], "cropped_image": of,
        }  # fmt: skip
        if name not in known:
            raise _no_member(name, known, node)
        return known[name]

    def method(self, value: Any, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Call) -> Any:
        """Call a method of a value: of a picture a tool, or what a region can be asked."""
        if self._is_tool(name, value, args):
            of = self.shot(value, node)
            assert of is not None
            if name == "crop" and len(args) == 4:
                return self._patch([of, *args], {}, node)
            return self._tool(name, of, args, keywords, node)
        if not isinstance(value, Shot):
            return super().method(value, name, args, keywords, node)
        if name not in METHODS[REGION]:
            raise _no_member(name, [*TOOLS, *METHODS[REGION]], node)
        if value == self.picture:
            return super().method(self.looking.whole, name, args, keywords, node)
        said = [_literal(self._plain_argument(a, node), node) for a in args]
        said += [f"{k}={_literal(self._plain_argument(v, node), node)}" for k, v in keywords.items()]
        return self.ask(value.picture, f"{name}({', '.join(said)})", node)

    def function(self, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
        """Call a function that the dialect declares; ``ImagePatch`` takes any picture."""
        if name == "ImagePatch" and args and isinstance(args[0], Shot):
            return self._patch(args, keywords, node)
        return super().function(name, args, keywords, node)

    def call_value(self, function: Any, args: list[Any], node: ast.Expr, keywords: dict[str, Any] | None = None) -> Any:
        """Call a function value; those that conversations have besides."""
        if isinstance(function, values.BuiltinRef) and function.name in TURN_FUNCTIONS:
            return self._said(function.name, args, node)
        return super().call_value(function, args, node, keywords)

    @staticmethod
    def _is_tool(name: str, target: Any, args: list[Any]) -> bool:
        """Tell whether a method is a picture tool: `crop` of a region by four edges is its own."""
        if name not in TOOLS or not isinstance(target, Shot | values.Region):
            return False
        return name not in METHODS[REGION] or isinstance(target, Shot) or len(args) == 1

    def _patch(self, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
        """``ImagePatch(picture)``: it, or the part of it between edges, which count from below."""
        of: Shot = args[0]
        width, height = of.size
        names = ("left", "lower", "right", "upper")
        given = dict(zip(names, args[1:], strict=False)) | keywords
        if of == self.picture and not given:
            return self.looking.whole
        if all(given.get(n) is None for n in names):
            return of
        usual = {"left": 0, "lower": 0, "right": width, "upper": height}
        left, lower, right, upper = (
            float(self.number(usual[n] if given.get(n) is None else given[n], node)) for n in names
        )
        return self._tool("crop", of, [[left, height - upper, right, height - lower]], {}, node)

    # --- print, show, probability, why ---

    def _said(self, name: str, args: list[Any], node: ast.Expr) -> Any:
        if name == "print":
            self.say(" ".join(self.in_words(a, node) for a in args))
        elif name == "show":
            for value in args:
                self._show(value, node)
        elif name == "probability":
            value = settled(self, args[0], node) if not self.is_soft(args[0]) else args[0]
            if not self.is_soft(value):
                return float(self.truth(value, node))
            formula = self.formula(value, node)
            return formula.value if isinstance(formula, plan.Const) else self.need("probability", formula, node)
        else:
            return "\n".join(self.trace())
        return None

    def say(self, text: str) -> None:
        """Keep a line that is printed, as far as there is room."""
        room = self.most_chars - self._kept
        self._kept += len(text) + 1
        if room > 0:
            self.printed.append(text if len(text) <= room else text[:room] + " [… the rest is left out]")
            if len(text) > room:
                self._kept = self.most_chars
        elif self.printed and not self.printed[-1].endswith("left out]"):
            self.printed.append("[… the rest is left out]")

    def _show(self, value: Any, node: ast.Expr) -> None:
        value = settled(self, value, node)
        if isinstance(value, list | tuple):
            for item in value:
                self._show(item, node)
            return
        found = self.shot(value, node)
        if found is None:
            raise ProgramError(
                f"{values.kind_name(value).capitalize()} can not be shown", node.span, expected="a picture or a region",
                hint="print(…) says values",
            )  # fmt: skip
        if found not in self.shown_pictures:
            self.shown_pictures.append(found)

    def in_words(self, value: Any, node: ast.Expr) -> str:
        """Return a value as it is printed; a truth with its probability."""
        value = settled(self, value, node)
        match value:
            case Shot():
                return str(value)
            case values.Region():
                return f"region {[round(x) for x in value.box]} (x0, y0, x1, y1 from the top left)"
            case values.Closure():
                return f"function {value.name}"
            case list() | tuple() | set():
                items = sorted(value, key=str) if isinstance(value, set) else value
                return f"[{', '.join(self.in_words(v, node) for v in items)}]"[: self.most_chars]
            case dict():
                pairs = ", ".join(f"{k}: {self.in_words(v, node)}" for k, v in value.items())
                return f"{{{pairs}}}"[: self.most_chars]
            case str():
                return value
        if self.is_soft(value) and isinstance(value, values.Formula):
            yes = self.truth(value, node)
            p = value.node.value if isinstance(value.node, plan.Const) else self.need("probability", value.node, node)
            return f"{'yes' if yes else 'no'} (probability of yes {p:.3f})"
        return self.text(value, node)


def _no_member(name: str, known: Iterable[str], node: ast.Node) -> ProgramError:
    return ProgramError(
        f"A picture has no '.{name}'", node.span, expected="a picture tool, such as .crop or .zoom, or a question",
        hint=did_you_mean(name, known),
    )  # fmt: skip


def _literal(value: Any, node: ast.Node) -> str:
    """Return a plain value as program text."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_literal(v, node) for v in value)}]"
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float | str):
        return json.dumps(value, ensure_ascii=False)
    raise ProgramError(f"{values.kind_name(value).capitalize()} is no plain value", node.span)
