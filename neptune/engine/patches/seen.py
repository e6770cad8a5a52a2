"""What a report shows of a run over regions: the values of variables by line, and where the answer came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsl import plan
from dsl.plan import Atom, Node
from neptune.answer import Variable
from neptune.engine.interpret.values import (
    Box,
    DescribedValue,
    FilmPart,
    Formula,
    Members,
    ObjectRef,
    Quantity,
    Region,
    kind_name,
    node_of,
)
from neptune.engine.patches.geometry import shown
from neptune.scene.boxes import Place

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

MOST_ITEMS = 20
MOST_CHARS = 120


def variables(run: Deciding) -> tuple[Variable, ...]:
    """Return what was bound to names, in the order of the run; a list that is still open by its candidates."""
    return tuple(Variable(line, name, in_words(run, value), boxes_of(run, value)) for line, name, value in run.bound)


def in_words(run: Deciding, value: Any) -> str:
    """Return a value as a report shows it; nothing is decided for it."""
    height = run.looking.height
    match value:
        case Region():
            return shown(value, height)
        case Members() if value.open is not None:
            return f"{value.source}: {len(value.open)} candidates, not all decided"
        case list() | tuple():
            inside = ", ".join(in_words(run, item) for item in value[:MOST_ITEMS])
            return f"[{inside}{', …' if len(value) > MOST_ITEMS else ''}]"[: 4 * MOST_CHARS]
        case FilmPart():
            return f"frames {value.start} to {value.end - 1}"
        case Formula() | Quantity() | DescribedValue():
            return str(plan.show(value.node))[:MOST_CHARS]
        case str():
            return repr(value[:MOST_CHARS])
        case bool() | int() | float() | None:
            return f"{value:g}" if isinstance(value, float) else str(value)
    return kind_name(value)


def boxes_of(run: Deciding, value: Any) -> tuple[Box, ...]:
    """Return the boxes of the regions that a value is, holds or speaks of."""
    match value:
        case Region():
            return () if isinstance(value.box, Place) else (value.box,)
        case ObjectRef():
            return (run.looking.sight.boxes[value.index],)
        case Members() if value.open is not None:
            return ()
        case list() | tuple():
            return tuple(r.box for r in value[:MOST_ITEMS] if isinstance(r, Region) and not isinstance(r.box, Place))
    node = node_of(value)
    return spoken_of(run, node) if node is not None else ()


def spoken_of(run: Deciding, node: Node) -> tuple[Box, ...]:
    """Return the boxes of the regions that a formula speaks of, the first few."""
    found: dict[Box, None] = {}
    for atom in plan.walk(node):
        if isinstance(atom, Atom):
            for term in atom.terms:
                if isinstance(term, int):
                    found.setdefault(run.looking.sight.boxes[term])
            if atom.predicate.region is not None and not isinstance(atom.predicate.region, Place):
                found.setdefault(atom.predicate.region)
    return tuple(found)[:MOST_ITEMS]


def sources(run: Deciding, value: Any) -> tuple[Box, ...]:
    """Return the boxes that a result came from: the regions that it is or speaks of, or those asked for its words."""
    boxes = boxes_of(run, value)
    if boxes or not isinstance(value, str | bool):
        return boxes
    if isinstance(value, str) and value in run.looking.said:
        return boxes_of(run, run.looking.said[value])
    return spoken_of(run, run.decided) if run.decided is not None else ()
