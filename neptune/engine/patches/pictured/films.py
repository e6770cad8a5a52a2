"""Films as programs over regions see them: parts of them, and frames, each a region."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsl.errors import ProgramError
from neptune.engine.interpret.values import FilmPart, Region, kind_name
from neptune.engine.patches import geometry

if TYPE_CHECKING:
    from neptune.engine.patches.deciding import Deciding

MOST_SHOWN = 40
"""Entries of what was found in frames that a language model is told."""


def no_film(node: Any) -> ProgramError:
    """Return the error for a program about a film where there is none."""
    return ProgramError(
        "The program is about a film, and a picture is asked about",
        node.span,
        expected="a program about one picture",
        hint="ask about a film (--video film.mp4, Engine.ask_film), or begin with ImagePatch(image)",
    )


def film(run: Deciding, node: Any) -> FilmPart:
    """Return the whole film that the program is about.

    Raises
    ------
    ProgramError
        If it is about a picture.
    """
    times = run.looking.sight.times
    if not times:
        raise no_film(node)
    return FilmPart(0, len(times))


def part(run: Deciding, args: list[Any], node: Any) -> FilmPart:
    """Return the part of a film between two of its frames, by their numbers in it; kept within it, a frame at least."""
    of, start, end = args
    if not isinstance(of, FilmPart):
        raise ProgramError(f"{kind_name(of).capitalize()} is no film", node.span, expected="the film: video")
    count = of.end - of.start
    first = 0 if start is None else max(0, int(run.number(start, node)))
    last = count if end is None else min(count, int(run.number(end, node)))
    if first >= last:
        run.looking.missing(f"frame between {first} and {last} of {count}", node)
        return of
    return FilmPart(of.start + first, of.start + last)


def attribute(value: FilmPart, name: str) -> int:
    """Return an attribute of a film."""
    return {"num_frames": value.end - value.start, "start": value.start, "end": value.end}[name]


def _frames(run: Deciding, args: list[Any], node: Any) -> list[Region]:
    (of,) = args
    run.spend(of.end - of.start, node)
    return [run.looking.region(run.looking.frame(k), node) for k in range(of.start, of.end)]


def _frame(run: Deciding, args: list[Any], node: Any) -> Region:
    of, index = args
    number, count = int(run.number(index, node)), of.end - of.start
    place = number + count if number < 0 else number
    return run.looking.region(run.looking.frame(of.start + max(0, min(place, count - 1))), node)


def _select(run: Deciding, args: list[Any], node: Any) -> str:
    """Ask the language model which option fits what was found, as text."""
    _, info, question, options = args
    texts = [run.text(run.plain(o, node), node) for o in run.iterate(options, node)]
    if not texts:
        raise ProgramError("There are no options to choose from", node.span, expected="a list of texts")
    if len(texts) == 1:
        return texts[0]
    found = list(info.items()) if isinstance(info, dict) else [("found", info)]
    told = [f"- {run.text(run.plain(k, node), node)}: {_told(run, v, node)}" for k, v in found[:MOST_SHOWN]]
    asked = "\n".join(
        ["What was seen in a film:", *told, f"Question: {run.text(run.plain(question, node), node)}",
         "Options:", *(f"{k + 1}. {text}" for k, text in enumerate(texts)),
         "Answer with the number of the option that fits best, and nothing else."]
    )  # fmt: skip
    return chosen(run, run.need("knowledge", (asked, False), node), texts)


def chosen(run: Deciding, reply: str, options: list[str]) -> str:
    """Return the option that a reply names: by its number, in its words, or the one that is most like it."""
    said = reply.strip().rstrip(".").lower()
    number = said.split()[0].rstrip(".):") if said else ""
    if number.isdecimal() and 1 <= int(number) <= len(options):
        return options[int(number) - 1]
    exact = [o for o in options if o.strip().rstrip(".").lower() == said]
    inside = [o for o in options if o.strip().rstrip(".").lower() in said]
    if exact or len(inside) == 1:
        return (exact or inside)[0]
    run.note(f"the reply {reply[:60]!r} names no option; the one most like it was taken")
    return max(options, key=lambda o: difflib.SequenceMatcher(None, o.lower(), said).ratio())


def _told(run: Deciding, value: Any, node: Any) -> str:
    if isinstance(value, list | tuple | set):
        return ", ".join(_told(run, v, node) for v in list(value)[:MOST_SHOWN])
    if isinstance(value, Region):
        return geometry.shown(value, run.looking.height)
    return run.text(run.plain(value, node), node)


OF_FILMS: dict[str, Callable[[Deciding, list[Any], Any], Any]] = {
    "trim": part,
    "frame_iterator": _frames,
    "frame_from_index": _frame,
    "select_answer": _select,
}
"""Methods of films by name."""
