"""What programs ask of regions: the methods of a region, each a formula, a lazy list or a need."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.errors import LimitError, ProgramError
from dsl.plan import Describe, Exists, Node, make
from dsl.syntax import ast
from neptune.engine.interpret.values import Box, DescribedValue, Formula, Members, Region, Sight, YesNo, kind_name
from neptune.engine.patches import geometry
from neptune.engine.patches.geometry import Edges
from neptune.engine.patches.members import both, element
from neptune.engine.patches.questions import WHAT, WHAT_PICTURE, Questions, is_yes_no, phrase
from neptune.scene.boxes import Place, View, like

if TYPE_CHECKING:
    from neptune.engine.interpret.running import RunningProgram


class Looking:
    """The picture as one running program sees it."""

    def __init__(self, run: RunningProgram) -> None:
        self.run, self.questions = run, Questions(run)
        self.said: dict[str, Region] = {}
        """Answers in words → the region that gave them, the last one."""
        self._made = 0
        self._sights: dict[View, Sight] = {}

    # --- the picture and its parts ---------------------------------------------------------------

    @cached_property
    def sight(self) -> Sight:
        """What is known of the picture before anything is asked."""
        found: Sight = self.run.need("sight", None, ast.Nothing())
        return found

    @property
    def height(self) -> int:
        """The picture's height in pixels."""
        return self.sight.size[1]

    @cached_property
    def whole(self) -> Region:
        """The whole picture; of a film its first frame."""
        return self.frame(0) if self.sight.times else geometry.whole(self.sight.size)

    def frame(self, number: int) -> Region:
        """Return a frame of the film."""
        return geometry.whole_of((("frame", (number,)),), self.sight.size, (f"frame {number}",))

    def sight_of(self, box: Box) -> Sight:
        """Return what is known of the picture that a box is in."""
        if not isinstance(box, Place):
            return self.sight
        if box.view not in self._sights:
            self._sights[box.view] = self.run.need("sight", box.view, ast.Nothing())
        return self._sights[box.view]

    def height_of(self, region: Region) -> int:
        """Return the height of the picture that a region is in."""
        return region.box.size[1] if isinstance(region.box, Place) else self.height

    def edges(self, region: Region) -> Edges:
        """Return where a region is, as a program sees it."""
        return geometry.edges(region.box, self.height_of(region))

    def region(self, region: Region, node: ast.Node) -> Region:
        """Count a region that was made.

        Raises
        ------
        LimitError
            If there are too many.
        """
        self._made += 1
        if self._made > self.run.limits.regions:
            raise LimitError("regions", self.run.limits.regions, None, node.span)
        return region

    def missing(self, what: str, node: ast.Node) -> Region:
        """Return what stands in for something that is not there: the whole picture, where the run is set so.

        It is recorded as a presupposition that failed; a run that is set otherwise abstains.
        """
        self.run.need("missing", what, node)
        self.run.note(f"there is no {what}: the whole picture stands in for it")
        return self.whole

    def part(self, of: Region, given: Edges, how: str, node: ast.Node) -> Region:
        """Return the region of edges that are given in the coordinates of another region."""
        origin = self.edges(of)
        seen = Edges(
            origin.left + given.left, origin.lower + given.lower, origin.left + given.right, origin.lower + given.upper
        )
        try:
            return self.region(geometry.part(of, seen, self.height_of(of), how), node)
        except ValueError as error:
            return self.missing(f"{how}: {error}", node)

    def crop(self, of: Region, given: Edges, node: ast.Node) -> Region:
        """Return what is cut out of a region."""
        try:
            return self.region(geometry.crop(of, given, self.height_of(of)), node)
        except ValueError as error:
            return self.missing(f"crop: {error}", node)

    def renew(self) -> None:
        """Count the regions that are made from nothing again: those so far are an earlier block's."""
        self._made = 0

    # --- finding ---------------------------------------------------------------------------------

    def find(self, region: Region, noun: str, node: ast.Node) -> Members:
        """Return the things in a region that a noun names: by the detector, or among the objects of the scene."""
        how = f'find("{phrase(noun)}")'
        if self.sight.finds:
            found = self.run.need("find", (phrase(noun), region.box), node)
            boxes = list(self.sight.boxes)
            seen: list[tuple[Region, Node]] = [
                (Region(boxes.index(b) if b in boxes else None, b), plan.const(0.5 + s / 2)) for b, s in found
            ]
        else:
            seen = [(r, self.questions.noun(r, noun, node)) for r in self.inside(region)]
        history = geometry.remembered(region, how)
        items = [
            (self.region(Region(r.index, r.box, noun=phrase(noun), history=history), node), formula)
            for r, formula in seen
        ]
        return Members(items, how if region.whole else f"{geometry.shown(region, self.height_of(region))}.{how}")

    def inside(self, region: Region) -> list[Region]:
        """Return the objects of the scene whose middle is in a region, from left to right."""
        sight = self.sight_of(region.box)
        found = [
            Region(i, box)
            for i, box in enumerate(sight.boxes)
            if i not in sight.containers and (region.whole or geometry.centre_inside(box, region.box))
        ]
        if isinstance(region.box, Place):
            found = [Region(None, like(r.box, region.box)) for r in found]
        return sorted(found, key=lambda r: (r.box[0] + r.box[2], r.index or 0))

    # --- truths ----------------------------------------------------------------------------------

    def exists(self, region: Region, noun: str, node: Any) -> Formula:
        """Return whether such a thing is in a region."""
        if self.sight.finds:
            if not self.find(region, noun, node).open:
                return Formula(plan.const(0.0))
            return Formula(self.questions.yes_no(region, f"is there any {phrase(noun)}?", node))
        if region.whole and not self.sight.containers and not isinstance(region.box, Place):
            with self.run.fresh(1) as (var,):
                body = self.questions.noun(var, noun, node)
                return self.run.made(make(Exists, var, body), node)
        return self.run.made(plan.disjunction([self.questions.noun(r, noun, node) for r in self.inside(region)]), node)

    def verify(self, region: Region, noun: str, words: str, node: Any) -> Formula:
        """Return whether the thing in a region has a property.

        Of more than one object, in words that the vocabulary knows: whether one of them is such a thing and has it.
        """
        known = self.questions.known_words(noun), self.questions.known_words(words)
        if region.index is None and not self.sight.finds and None not in known:
            parts = [
                both(self.questions.noun(r, noun, node), self.questions.said(r, words, node))
                for r in self.inside(region)
            ]
            return self.run.made(plan.disjunction(parts), node)
        return self.run.made(self.questions.property(region, noun, words, node), node)

    # --- answers in words ------------------------------------------------------------------------

    def query(self, region: Region, question: str | None, node: Any) -> Any:
        """Return the answer to a question: a formula if it is a yes/no question, else a text."""
        if question is not None and is_yes_no(question):
            return YesNo(self.run.made(self.questions.yes_no(region, question, node), node).node)
        attribute = self.questions.attribute(region, question) if question is not None else None
        if attribute is not None:
            answer: str = (
                self.run.need("region_query", ("", region.box, attribute), node)
                if region.index is None
                else self.run.need("query", ("", attribute, (region.index,)), node)
            )
            self.said[answer] = region
            return answer
        asked = WHAT_PICTURE if region.whole else WHAT
        if question is not None:
            asked = self.questions.about(region, question)
        if region.index is None and (not region.whole or isinstance(region.box, Place)):
            answer = self.run.need("region_query", (asked, region.box), node)
        else:
            answer = self.run.need("query", (asked, "", () if region.index is None else (region.index,)), node)
        self.said[answer] = region
        return answer

    def best_text(self, region: Region, options: list[str], prefix: str, node: Any) -> DescribedValue | str:
        """Return the option that fits best: a distribution over the options, of which the likeliest is chosen."""
        distinct = tuple(dict.fromkeys(options))
        if not distinct:
            raise ProgramError("There are no options to choose from", node.span, expected="a list of texts")
        if len(distinct) == 1:
            return distinct[0]
        bodies = tuple(self.questions.option(region, o, prefix, node) for o in distinct)
        described = make(Describe, distinct, bodies, False)
        self.run.atoms.check_size(described, node)
        return DescribedValue(described, "option")

    def best_image(self, regions: list[Region], texts: list[str], node: Any) -> int:
        """Return the place of the region that the texts fit best on average, the first among equals."""
        if len(regions) == 1:
            return 0
        if not texts:
            raise ProgramError("There is nothing to match the regions with", node.span, expected="a text, or several")
        formulas: list[list[Node]] = [[self.questions.said(r, t, node) for t in texts] for r in regions]
        if len(texts) == 1:
            places = tuple(f"region {k}" for k in range(len(regions)))
            chosen = self.run.need("text", make(Describe, places, tuple(f for (f,) in formulas), False), node)
            return places.index(chosen)
        self.run.evaluator.foresee([f for row in formulas for f in row], True)
        means = [sum(self.run.need("probability", f, node) for f in row) / len(texts) for row in formulas]
        return max(range(len(means)), key=means.__getitem__)

    def element(self, target: Any, index: int, node: ast.Node) -> Any:
        """Return an element of a list, deciding no more of it than is needed; one that is not there is what is missing.

        Raises
        ------
        ProgramError
            If the list holds no regions, and has no such element.
        """
        open_ = isinstance(target, Members) and target.open is not None
        try:
            return element(self.run, target, index, node) if open_ else target[index]
        except IndexError as error:
            if isinstance(target, str) or not all(isinstance(v, Region) for v in target):
                said = f"There is no such element: {error}"
                raise ProgramError(said, node.span, expected="an index that is there") from error
            source = target.source if isinstance(target, Members) and target.source else "the list"
            return self.missing(f"element [{index}] of {source}", node)

    # --- what a task gives -----------------------------------------------------------------------

    def taken(self, value: Any, node: ast.Node, what: str) -> Region:
        """Return a value as a region: nothing at all is what is missing, a list of one is what it holds.

        Raises
        ------
        ProgramError
            If it is none.
        """
        if isinstance(value, Region):
            return value
        if value is None:
            return self.missing(f"region for '{what}' (None)", node)
        raise ProgramError(f"{kind_name(value).capitalize()} is no region", node.span, expected="a region")
