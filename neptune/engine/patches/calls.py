"""What the functions, methods and attributes of regions do. Which there are is declared in `dsl.patches.declared`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from dsl.errors import ProgramError, did_you_mean
from dsl.patches.declared import (
    ATTRIBUTES,
    DICT,
    FILM,
    FUNCTIONS,
    LIST,
    METHODS,
    PICTURE,
    REGION,
    REGION_TOOLS,
    SET,
    TEXT,
    Function,
)
from dsl.percepts import Percept
from dsl.syntax import ast
from neptune.engine.interpret.values import DescribedValue, FilmPart, Formula, Members, Region, YesNo, kind_name
from neptune.engine.patches import plain
from neptune.engine.patches.geometry import Edges, edges, gap, overlap
from neptune.engine.patches.members import settled
from neptune.engine.patches.pictured import films, tools

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

Call: TypeAlias = "Callable[[Deciding, list[Any], Any], Any]"

_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip


def sort_of(value: Any) -> str:
    """Return the sort of a value that has attributes and methods, or ``""``."""
    if isinstance(value, Region | FilmPart):
        return REGION if isinstance(value, Region) else FILM
    if isinstance(value, str | YesNo | DescribedValue):
        return TEXT
    kinds: dict[type, str] = {list: LIST, Members: LIST, tuple: LIST, set: SET, dict: DICT}
    return kinds.get(type(value), "")


def no_member(value: Any, name: str, node: ast.Node) -> ProgramError:
    """Return the error for a value that has no such attribute or method."""
    sort = sort_of(value)
    known = [*ATTRIBUTES.get(sort, ()), *METHODS.get(sort, ())]
    return ProgramError(
        f"{kind_name(value).capitalize()} has no '.{name}'",
        node.span,
        expected=", ".join(f".{m}" for m in known) or "a region, a text or a list",
        hint=did_you_mean(name, known),
    )


def attribute(run: Deciding, value: Any, name: str, node: ast.Node) -> Any:
    """Return an attribute of a value.

    Raises
    ------
    ProgramError
        If it has none of this name.
    """
    if value is None or (isinstance(value, list) and name in ATTRIBUTES[REGION]):
        value = _region(run, value, f".{name}", node)
    if isinstance(value, FilmPart) and name in ATTRIBUTES[FILM]:
        return films.attribute(value, name)
    if not isinstance(value, Region) or name not in {**ATTRIBUTES[REGION], **ATTRIBUTES[PICTURE]}:
        raise no_member(value, name, node)
    if name == "cropped_image":
        return value
    seen = run.looking.edges(value)
    return [3, seen.height, seen.width] if name == "shape" else getattr(seen, name)


def method(run: Deciding, value: Any, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Call) -> Any:
    """Call a method of a value.

    Raises
    ------
    ProgramError
        If it has none of this name, or the arguments do not fit.
    """
    if value is None or (isinstance(value, list) and name in METHODS[REGION]):
        value = _region(run, value, f".{name}(…)", node)
    sort = sort_of(value)
    declared = METHODS.get(sort, {}).get(name)
    if declared is None:
        raise no_member(value, name, node)
    given = args if declared.many else _arranged(declared, args, keywords, node)
    if isinstance(value, Region):
        return _OF_REGIONS[name](run, [value, *given], node)
    if isinstance(value, FilmPart):
        return films.OF_FILMS[name](run, [value, *given], node)
    return plain.method(run, sort, value, name, given, keywords, node)


def _region(run: Deciding, value: Any, what: str, node: ast.Node) -> Region:
    """Return the region that ``None`` or a list stands for: the picture for nothing, the first of several."""
    if value is None:
        return run.looking.missing(f"region for '{what}' (None)", node)
    first = run.element(value, 0, node)
    run.note(f"'{what}' of a list was read as that of its first region")
    return run.looking.taken(first, node, what)


def function(run: Deciding, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
    """Call a function of the dialect."""
    return _FUNCTIONS[name](run, _arranged(FUNCTIONS[name], args, keywords, node), node)


def _arranged(declared: Function, args: list[Any], keywords: dict[str, Any], node: ast.Node) -> list[Any]:
    try:
        return declared.arrange(args, keywords)
    except ValueError as error:
        raise ProgramError(f"{error}", node.span, expected=declared.signature) from error


def _text(run: Deciding, value: Any, node: Any) -> str:
    """Return a value that has to be a text.

    Raises
    ------
    ProgramError
        If it is a region, or a list.
    """
    value = run.plain(value, node)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, Region | list | tuple | dict | set) or value is None:
        raise ProgramError(f"{kind_name(value).capitalize()} is no text", node.span, expected="a text")
    return run.text(value, node)


def _texts(run: Deciding, value: Any, node: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [_text(run, item, node) for item in run.iterate(value, node)]


def _given_edges(run: Deciding, given: list[Any], node: Any) -> Edges:
    if len(given) == 4 and isinstance(given[0], Region):
        return run.looking.edges(given[0])
    return Edges(*(float(run.number(v, node)) for v in given))


# --- methods of regions --------------------------------------------------------------------------


def _find(run: Deciding, args: list[Any], node: Any) -> Members:
    return run.looking.find(args[0], _text(run, args[1], node), node)


def _exists(run: Deciding, args: list[Any], node: Any) -> Formula:
    return run.looking.exists(args[0], _text(run, args[1], node), node)


def _verify(run: Deciding, args: list[Any], node: Any) -> Formula:
    region, *words = args
    noun, words_ = (_text(run, w, node) for w in words)
    return run.looking.verify(region, noun, words_, node)


def _query(run: Deciding, args: list[Any], node: Any) -> Any:
    return run.looking.query(args[0], None if args[1] is None else _text(run, args[1], node), node)


def _best_text(run: Deciding, args: list[Any], node: Any) -> Any:
    prefix = "" if args[2] is None else _text(run, args[2], node)
    return run.looking.best_text(args[0], _texts(run, args[1], node), prefix, node)


def _perceived(run: Deciding, percept: Percept, region: Region, node: Any) -> str:
    """Return what a model of masks, depths or words says of a region."""
    objects = () if region.index is None else (region.index,)
    answer: str = run.need("percept", (percept, objects, None if objects else region.box), node)
    return answer


def _depth(run: Deciding, args: list[Any], node: Any) -> float:
    return float(_perceived(run, Percept("depth", "depth"), args[0], node))


def _area(run: Deciding, args: list[Any], node: Any) -> float:
    return float(_perceived(run, Percept("mask", "area"), args[0], node))


def _read(run: Deciding, args: list[Any], node: Any) -> str:
    return _perceived(run, Percept("text", "text"), args[0], node)


def _reads(run: Deciding, args: list[Any], node: Any) -> Formula:
    percept = Percept("text", "reads", " ".join(_text(run, args[1], node).split()))
    return run.made(run.looking.questions.perceived(args[0], percept, node), node)


def _crop(run: Deciding, args: list[Any], node: Any) -> Region:
    return run.looking.crop(args[0], _given_edges(run, args[1:], node), node)


def _overlaps(run: Deciding, args: list[Any], node: Any) -> bool:
    return overlap(run.looking.edges(args[0]), _given_edges(run, args[1:], node))


def _knowledge(run: Deciding, question: Any, context: Any, long: Any, node: Any) -> str:
    said = _text(run, question, node)
    if context is not None and not isinstance(context, bool):
        said = f"{_text(run, context, node)}\n{said}"
    answer: str = run.need("knowledge", (said, run.truth(long, node)), node)
    return answer


_OF_REGIONS: dict[str, Call] = {
    "find": _find,
    "exists": _exists,
    "verify_property": _verify,
    "simple_query": _query,
    "best_text_match": _best_text,
    "compute_depth": _depth,
    "mask_area": _area,
    "read_text": _read,
    "reads": _reads,
    "crop": _crop,
    "overlaps_with": _overlaps,
    "llm_query": lambda run, args, node: _knowledge(run, args[1], None, args[2], node),
    **{name: tools.tool(name) for name in REGION_TOOLS},
}


# --- functions -----------------------------------------------------------------------------------


def _patch(run: Deciding, args: list[Any], node: Any) -> Region:
    of = run.looking.taken(args[0], node, "ImagePatch(…)")
    if all(edge is None for edge in args[1:]):
        return of
    here = edges(of.box, run.looking.height)
    usual = (0.0, 0.0, here.width, here.height)
    given = Edges(*(u if v is None else float(run.number(v, node)) for v, u in zip(args[1:], usual, strict=True)))
    how = f"ImagePatch({given.left:g}, {given.lower:g}, {given.right:g}, {given.upper:g})"
    return run.looking.part(of, given, how, node)


def _best_image(run: Deciding, args: list[Any], node: Any) -> Any:
    listed, content, by_index = args
    regions = [run.looking.taken(r, node, "best_image_match") for r in run.iterate(listed, node)]
    texts = _texts(run, content, node)
    if not regions:
        run.note("best_image_match of no regions is None")
        return None
    place = run.looking.best_image(regions, texts, node)
    return place if run.truth(by_index, node) else regions[place]


def _distance(run: Deciding, args: list[Any], node: Any) -> float:
    a, b = args
    if isinstance(a, Region) or isinstance(b, Region):
        first, second = (run.looking.taken(v, node, "distance") for v in (a, b))
        return gap(first.box, second.box)
    return abs(run.number(a, node) - run.number(b, node))


def _yesno(run: Deciding, args: list[Any], node: Any) -> str:
    (value,) = args
    return "yes" if run.truth(settled(run, value, node), node) else "no"


def _numeric(run: Deciding, args: list[Any], node: Any) -> int | float:
    value = run.plain(args[0], node)
    if not isinstance(value, str):
        return run.number(value, node)
    found = _NUMBER.search(value)
    if found is None:
        words = [_WORDS[w] for w in re.findall(r"[a-z]+", value.lower()) if w in _WORDS]
        if not words:
            raise ProgramError(f"'{value[:40]}' says no number", node.span, expected='a text such as "3 dogs"')
        return words[0]
    number = float(found[0].replace(",", ""))
    return int(number) if number.is_integer() else number


def _guesses(run: Deciding, args: list[Any], node: Any) -> str:
    question, listed = _text(run, args[0], node), _texts(run, args[1], node)
    distinct = list(dict.fromkeys(g for g in listed if g))
    if len(distinct) == 1:
        return distinct[0]
    asked = f"{question}\nOne of these guesses is right: {'; '.join(distinct)}. Which one? Answer with it alone."
    answer: str = run.need("knowledge", (asked, False), node)
    return answer


_FUNCTIONS: dict[str, Call] = {
    "ImagePatch": _patch,
    "best_image_match": _best_image,
    "distance": _distance,
    "bool_to_yesno": _yesno,
    "coerce_to_numeric": _numeric,
    "llm_query": lambda run, args, node: _knowledge(run, args[0], args[1], args[2], node),
    "process_guesses": _guesses,
    "VideoSegment": films.part,
}
