"""Picture tools as methods of regions: what a region shows becomes another picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsl.errors import ProgramError
from dsl.patches.declared import REGION_TOOLS
from dsl.patches.functions import BOX, PICTURE, POINT
from dsl.patches.tools import TOOLS
from neptune.engine.interpret.values import Region
from neptune.engine.patches import geometry
from neptune.scene.boxes import Place, View

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

MOVING = frozenset({"frame", "crop", "zoom", "rotate", "flip"})
"""Steps after which a thing is elsewhere in the picture."""


def view_of(region: Region) -> View:
    """Return the steps that make what a region shows as a picture of its own."""
    if isinstance(region.box, Place):
        view = region.box.view
        return view if region.whole else (*view, ("crop", (tuple(region.box),)))
    return () if region.whole else (("crop", (tuple(region.box),)),)


def tool(name: str) -> Callable[[Deciding, list[Any], Any], Any]:
    """Return what a picture tool does as a method of regions."""

    def apply(run: Deciding, args: list[Any], node: Any) -> Any:
        region, *given = args
        parameters = REGION_TOOLS[name].parameters
        made = tuple(_argument(run, region, TOOLS[name].parameters[k].sorts, v, node) for k, v in enumerate(given))
        assert len(parameters) == len(made)
        view: View = (*view_of(region), (name, made))
        if TOOLS[name].gives != PICTURE:
            return run.need("tool", view, node)
        size = run.need("sight", view, node).size
        how = f"{name}({', '.join(map(str, given))})"
        return run.looking.region(geometry.whole_of(view, size, geometry.remembered(region, how)), node)

    return apply


def _places(region: Region) -> View:
    """Return the steps that made a region's picture, without those that leave each pixel in its place."""
    view: View = region.box.view if isinstance(region.box, Place) else ()
    return tuple(step for step in view if step[0] in MOVING)


def _argument(run: Deciding, of: Region, sorts: tuple[str, ...], value: Any, node: Any) -> Any:
    """Return an argument as the tool takes it: of a region its box within the picture that the tool is applied to."""
    if PICTURE in sorts:
        return "view", view_of(run.looking.taken(value, node, "a picture tool"))
    if BOX in sorts or POINT in sorts:
        other = run.looking.taken(value, node, "a picture tool")
        if _places(other) != _places(of):
            raise ProgramError(
                "The region is of another picture than the one that the tool is applied to",
                node.span,
                expected="a region of the same picture",
                hint="find it in the picture that the tool made before",
            )
        x0, y0, x1, y1 = (v - of.box[k % 2] for k, v in enumerate(other.box))
        return ((x0 + x1) / 2, (y0 + y1) / 2) if POINT in sorts else (x0, y0, x1, y1)
    value = run.plain(value, node)
    return value if isinstance(value, str | bool | None) else run.number(value, node)
