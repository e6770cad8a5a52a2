"""The prompt: instructions, the words of the domain and examples, all of them files in ``prompts/program``.

Nothing here is about one model. The hash of everything but the question goes into the record.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from dsl import resources
from dsl.builtins import BUILTINS, METHODS
from dsl.patches import declared
from dsl.percepts import PERCEPTS
from dsl.vocabulary import Sort, Vocabulary
from dsl.vocabulary.definitions import key
from neptune.errors import ConfigError

DIALECTS = ("first_order", "neptune")
"""The dialects of formulas: quantifiers with lambdas, and statements over soft scores. Examples are in both."""

PATCHES = "patches"
"""Programs over regions, with examples of their own."""

REGION_EXAMPLES = ("vqa", "refexps")
"""Kinds of questions that have examples over regions."""

LENGTHS = ("full", "short")
"""``short`` is about 500 tokens, for models that are small or run on a CPU."""


class Prompt:
    """The messages for one task, in one dialect.

    Parameters
    ----------
    task
        A dataset's name; an unknown one gets the general instruction and examples.
    vocabulary
        The domain's words.
    dialect
        One of :data:`DIALECTS`, or :data:`PATCHES`.
    length
        One of :data:`LENGTHS`.

    Attributes
    ----------
    hash : str
        16 hex digits of the SHA-256 of the messages, repair texts included.
    """

    def __init__(self, task: str, vocabulary: Vocabulary, dialect: str = "first_order", length: str = "full") -> None:
        _one_of("code_gen_dialect", dialect, (*DIALECTS, PATCHES))
        _one_of("code_gen_prompt", length, LENGTHS)
        facts = _task(task)
        short = length == "short" and dialect == "first_order"
        told = percepts_summary(vocabulary) if dialect == DIALECTS[0] and not short else ""
        system = _text("patches.md" if dialect == PATCHES else "short.md" if short else "instructions.md")
        for name, content in (
            ("task", facts["instruction"]),
            ("dialect", _text(f"{dialect}.md")),
            ("builtins", builtins_summary(dialect)),
            ("vocabulary", "\n".join(filter(None, [vocabulary_summary(vocabulary), told]))),
        ):
            system = system.replace("{{" + name + "}}", content)
        shown = [row for name in facts["examples"] for row in examples(name, dialect)]
        if length == "short":
            shown = shown[: facts.get("short_examples", 4)]
        self.messages: tuple[dict[str, str], ...] = ({"role": "system", "content": system.strip()},)
        for row in shown:
            self.messages += (
                {"role": "user", "content": row["question"]},
                {"role": "assistant", "content": program_of(row, dialect)},
            )
        content = json.dumps([self.messages, _text("repair.md"), _text("retry.md")], sort_keys=True)
        self.hash = hashlib.sha256(content.encode()).hexdigest()[:16]

    def ask(self, question: str) -> list[dict[str, str]]:
        """Return the messages that ask for the program of a question."""
        return [*self.messages, {"role": "user", "content": " ".join(question.split())}]

    @staticmethod
    def repair(error: str, question: str) -> dict[str, str]:
        """Return the message that sends an error (its four parts, with the program's line) back to the model."""
        return _again("repair.md", error, question)

    @staticmethod
    def retry(error: str, question: str) -> dict[str, str]:
        """Return the message that asks again after a reply without a program."""
        return _again("retry.md", error, question)


def examples(name: str, dialect: str = "first_order") -> list[dict[str, Any]]:
    """Return the examples of a file: question, and its program in a dialect.

    Those of formulas are in ``prompts/program/examples``, in both dialects; those over regions in
    ``prompts/program/patches``, where questions of every other kind are shown as those of `vqa` are.
    """
    file = f"examples/{name}.json"
    if dialect == PATCHES:
        file = f"patches/{name if name in REGION_EXAMPLES else 'vqa'}.json"
    rows: list[dict[str, Any]] = json.loads(_text(file))
    return rows


def program_of(row: dict[str, Any], dialect: str) -> str:
    """Return an example's program; a list of lines is joined."""
    program = row[dialect]
    return program if isinstance(program, str) else "\n".join(program)


def builtins_summary(dialect: str) -> str:
    """Return the built-in functions (and, in NePTune's dialect, methods) that a prompt tells of, one a line."""
    if dialect == PATCHES:
        return _declared_summary()
    lines = ["Built-in functions:"]
    lines += [f"- {b.signature}: {b.doc}" for b in BUILTINS.values() if b.told]
    if dialect == "neptune":
        lines += ["Methods:"]
        lines += [f"- .{name} (of a {m.of}): {m.doc}" for name, m in METHODS.items() if m.told]
    return "\n".join(lines)


def _declared_summary() -> str:
    """Return what programs over regions may call and read, one a line."""
    lines = ["Functions:", *(_line(f) for f in declared.FUNCTIONS.values() if f.told)]
    region = declared.METHODS[declared.REGION]
    lines += ["Of a region:", *(f"- .{name}: {a.doc}" for name, a in declared.ATTRIBUTES[declared.REGION].items())]
    lines += [_line(method, ".") for method in region.values() if method.told]
    lines += ["Of a list:", *(_line(m, ".") for m in declared.METHODS[declared.LIST].values() if m.told)]
    return "\n".join([*lines, f"Plain functions: {', '.join(sorted(declared.PLAIN_BUILTINS))}."])


def _line(function: declared.Function, dot: str = "") -> str:
    return f"- {dot}{function.signature} → {function.gives}: {function.doc}"


def vocabulary_summary(vocabulary: Vocabulary) -> str:
    """Return the domain's sorts, values, predicates and definitions, one kind a line."""
    lines = [_sort_summary(vocabulary, sort) for sort in vocabulary.sorts.values()]
    for arity, what in ((1, "Of one object"), (2, "Of two objects"), (3, "Of three objects")):
        known = [n for n, facts in vocabulary.predicates.items() if arity in facts.arities]
        names = ", ".join(_with_sorts(vocabulary, n, arity) for n in known)
        if names:
            lines.append(f"{what}: {names}")
    for meant in vocabulary.definitions.values():
        if meant.name not in vocabulary.sorts:
            gives = {"truth": "", "object": " is an object", "number": " is a number", "value": " is a value"}[
                meant.gives
            ]
            said = _with_sorts(vocabulary, meant.name, meant.arity)
            said = said if "(" in said else f"{said}({', '.join(meant.function.params)})"
            lines.append(f"{said}{gives}: {meant.doc or meant.text.partition(':')[2].strip()}")
    if not lines:
        return "Predicates are plain English words with underscores: dog(x), on_top_of(x, y)."
    return "\n".join(lines)


def percepts_summary(vocabulary: Vocabulary) -> str:
    """Return what may be asked of masks, depths and words, one a line: names that the vocabulary leaves to them.

    Nothing for a closed vocabulary: that has all the words of its world.
    """
    if vocabulary.closed:
        return ""
    known = [percept for percept in PERCEPTS.values() if vocabulary.perceives(percept.name, percept.arity)]
    lines = [f"- {percept.signature}: {percept.doc}" for percept in known]
    return "\n".join(["Measured in the picture:", *lines]) if lines else ""


def _sort_summary(vocabulary: Vocabulary, sort: Sort) -> str:
    if sort.container:
        return f"{sort.name}: a container, which holds objects and is none itself"
    if sort.of:
        return f"{sort.name}: the members of {sort.of} for which {vocabulary.definitions[key(sort.name), 1].text}"
    return f"{sort.name}: {', '.join(sort.values)}" if sort.values else f"{sort.name} (any value)"


def _with_sorts(vocabulary: Vocabulary, name: str, arity: int) -> str:
    """Return a name, in a world of containers with the sorts of its arguments."""
    places = vocabulary.of(name, arity) if vocabulary.containers else ()
    return f"{name}({', '.join(places)})" if places else name


def _again(name: str, error: str, question: str) -> dict[str, str]:
    # the question last: an error that quotes a program may hold "{{question}}" itself
    head, _, tail = _text(name).partition("{{question}}")
    content = head.replace("{{error}}", error.strip()) + " ".join(question.split()) + tail
    return {"role": "user", "content": content.strip()}


def _task(name: str) -> dict[str, Any]:
    tasks: dict[str, dict[str, Any]] = json.loads(_text("tasks.json"))
    return tasks.get(name, tasks["default"])


@lru_cache(maxsize=64)
def _text(name: str) -> str:
    return resources.find("prompts", f"program/{name}").read_text(encoding="utf-8")


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{field} is '{value}'", expected=" or ".join(f"'{k}'" for k in known))
