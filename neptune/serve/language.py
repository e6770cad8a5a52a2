"""The language in a few pages of data: what may stand in programs here, for completion, help and assistants."""

from __future__ import annotations

from typing import Any

from dsl import builtins, resources
from neptune.engine import Engine

EXAMPLES = (
    (
        "Is there a red ball left of a cube?",
        "exists(Object, lambda x: red(x) and sphere(x) and exists(Object, lambda y: cube(y) and left(x, y)))",
    ),
    ("How many small metal things are there?", "count(Object, lambda x: small(x) and metal(x))"),
    ("What color is the large cube?", "describe(Color, iota(Object, lambda x: large(x) and cube(x)))"),
    (
        "The cylinder behind the red cube.",
        "point(Object, lambda x: cylinder(x) and behind(x, iota(Object, lambda y: red(y) and cube(y))))",
    ),
    ("Are there more cubes than balls?", "count(Object, lambda x: cube(x)) > count(Object, lambda x: sphere(x))"),
)


def language_of(engine: Engine) -> dict[str, Any]:
    """Return the names that programs may use here, each with its kind and a line of help; and examples."""
    vocabulary = engine.vocabulary
    names: list[dict[str, str]] = []
    for builtin in builtins.BUILTINS.values():
        names.append({"name": builtin.name, "kind": "built-in", "use": builtin.signature, "help": builtin.doc})
    for sort in vocabulary.sort_names():
        values = ", ".join(vocabulary.values(sort))
        names.append({"name": sort, "kind": "sort", "use": sort, "help": values})
    known = {n["name"] for n in names}
    for arity, kind in ((1, "property"), (2, "relation")):
        for word in vocabulary.words(arity):
            if word not in known:
                use = f"{word}({', '.join('xyz'[:arity])})"
                names.append({"name": word, "kind": kind, "use": use, "help": vocabulary.wording(word) or ""})
                known.add(word)
    names += [{"name": word, "kind": "keyword", "use": word, "help": ""} for word in KEYWORDS if word not in known]
    return {"names": names, "examples": [{"question": q, "program": p} for q, p in EXAMPLES]}


VOCABULARIES = ("clevr", "clevr-words", "clevr-english", "nlvr")
"""The packaged ones."""
KEYWORDS = ("lambda", "and", "or", "not", "if", "else", "elif", "for", "in", "def", "return", "True", "False", "None")


def vocabulary_text(name: str) -> str:
    """Return a packaged vocabulary as it is written.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    return resources.find("prompts", f"vocabulary/{name}.json").read_text(encoding="utf-8")
