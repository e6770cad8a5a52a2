"""The most that a program over regions can ask of a scene of N objects, read off its text.

Which way it goes depends on where things are, so its paths are not followed: each place where it asks may be come to
with every object and with the whole picture. Words that are put together while it runs, regions that are cut out, and
detectors of any words may ask more than can be told beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsl.limits import Limits
from dsl.patches.declared import REGION_TOOLS
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.engine.interpret.values import Box, Sight
from neptune.engine.patches.interpreter import PatchInterpreter
from neptune.engine.patches.questions import Questions, is_yes_no
from neptune.engine.session.program_paths import Given

_ASKING = {
    "find": (0,),
    "exists": (0,),
    "verify_property": (0, 1),
    "simple_query": (0,),
    "best_text_match": (0,),
    "best_image_match": (1,),
}
"""What asks → the arguments whose words are asked."""

_ELSEWHERE = {"crop", "VideoSegment", *REGION_TOOLS}
"""What makes a region of another place, or of another picture: it may be asked anything again."""

SIDE, STEP = 20.0, 30.0


def made_sight(objects: int) -> Sight:
    """Return places of objects that are made up, a row from left to right, for a program that is not run."""
    boxes: tuple[Box, ...] = tuple((STEP * i, 100.0, STEP * i + SIDE, 100.0 + SIDE) for i in range(objects))
    return Sight((max(480, int(STEP * objects)), 320), boxes)


def questions_of(program: ast.Program, vocabulary: Vocabulary, limits: Limits) -> tuple[set[str], set[str], bool]:
    """Return the words of a program's yes/no questions, those of its open questions, and whether these are all."""
    run = PatchInterpreter(Given(0, limits=limits), vocabulary, limits)
    scored: set[str] = set()
    open_: set[str] = set()
    all_known = True
    for call in ast.walk(program):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.name if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        all_known &= name not in _ELSEWHERE and not (name == "ImagePatch" and len(call.args) + len(call.keywords) > 1)
        if name not in _ASKING:
            continue
        said = [text for at in _ASKING[name] if at < len(call.args) for text in _texts(call.args[at])]
        if None in said or call.keywords or (not said and name != "simple_query"):
            all_known = False
        for text in filter(None, said or ([""] if name == "simple_query" else [])):
            if name == "simple_query":
                (scored if is_yes_no(text) else open_).add(text)
            else:
                scored.update(_names(run.looking.questions, text))
        if name == "simple_query" and not said:
            open_.add("what is it?")
    return scored, open_, all_known


def _names(questions: Questions, words: str) -> list[str]:
    """Return what is asked of a phrase: its known words, or the whole."""
    if questions.is_anything(words):
        return []
    known = questions.known_words(words)
    return [words] if known is None else known


def _texts(node: ast.Expr) -> Iterator[str | None]:
    """Yield the texts of a literal, or of a list of literals; ``None`` for anything else."""
    if isinstance(node, ast.Text):
        yield node.value
    elif isinstance(node, ast.ListDisplay | ast.TupleDisplay):
        for item in node.items:
            yield from _texts(item)
    else:
        yield None
