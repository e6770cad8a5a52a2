"""What is asked about a region: nouns, properties and questions in words become formulas of the plan.

An object of the scene is the one place of an atom; the whole picture is an atom without places; of any other region
the atom's predicate says where it is, and it is asked of a scene with that one box.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from dsl import plan
from dsl.percepts import Percept
from dsl.plan import Atom, Node, Predicate, make
from neptune.engine.interpret.running import RunningProgram
from neptune.engine.interpret.values import Region
from neptune.scene.boxes import Place

ABOUT = "of the object in the red box: {}"
"""How a question in free words is put about an object or a region."""

WHAT = "what is the object in the red box?"
WHAT_PICTURE = "what is in the picture?"

_ANYTHING = frozenset({"object", "objects", "thing", "things", "item", "items", "anything", "something"})
_ARTICLE = re.compile(r"^(?:a|an|the|any|some)\s+")
_AUXILIARY = (
    "is are was were am do does did has have had can could will would should shall may might must isn't aren't wasn't "
    "weren't don't doesn't didn't hasn't haven't can't couldn't won't wouldn't"
)
_YES_NO = re.compile(rf"^(?:{'|'.join(_AUXILIARY.split())})\b")
_LEADING = re.compile(r"^(?:in|on|at|of|from) (?:the |this )?(?:picture|image|photo)\s*,\s*")
_CHOICE = re.compile(r"\bor\b(?! not\b)")
_ATTRIBUTE = re.compile(
    r"^(?:what|which) (?:is the |are the )?(?P<named>\w+)(?: is| are| does| of|\b)(?P<rest>.*)$"
    r"|^how (?P<how>big|large)\b.*$"
)
_MADE_OF = re.compile(r"^(?:what|which) (?:material )?(?:is|are) .*\bmade (?:out )?of\b")


def phrase(words: str) -> str:
    """Return words as they are looked up: lower case, single blanks, no article, no full stop."""
    return _ARTICLE.sub("", " ".join(words.lower().split()).rstrip(" .?!"))


def is_yes_no(question: str) -> bool:
    """Tell whether a question is answered by yes or no: it begins with an auxiliary verb, and offers no choice.

    >>> is_yes_no("Is the cup red?"), is_yes_no("Is the cup red or blue?"), is_yes_no("What color is the cup?")
    (True, False, False)
    """
    text = _LEADING.sub("", " ".join(question.lower().split()))
    return bool(_YES_NO.match(text)) and not _CHOICE.search(text)


class Questions:
    """Makes the formulas of one running program."""

    def __init__(self, run: RunningProgram) -> None:
        self._run = run

    # --- words -----------------------------------------------------------------------------------

    def is_anything(self, noun: str) -> bool:
        """Tell whether a noun is true of everything, so that nobody is asked."""
        words = phrase(noun)
        return words in _ANYTHING or self._run.vocabulary.is_vacuous(words.replace(" ", "_"))

    def known_words(self, words: str) -> list[str] | None:
        """Return the names by which the vocabulary knows a phrase, as a whole or word by word; ``None``: it does not.

        What is true of everything is left out: "red thing" is ``red``.
        """
        vocabulary, said = self._run.vocabulary, phrase(words)
        name = said.replace(" ", "_")
        if not name:
            return None
        if self._names(name):
            return [name]
        parts = [self._known_word(w) for w in said.split(" ")]
        if all(parts):
            return [p for p in parts if p and not (vocabulary.is_vacuous(p) or p in _ANYTHING)]
        return None

    def _known_word(self, word: str) -> str | None:
        """Return the name that one word is known by: itself, or its singular."""
        singulars = [word, word.removesuffix("s"), word.removesuffix("es")]
        return next((w for w in singulars if w in _ANYTHING or self._names(w)), None)

    def _names(self, name: str) -> bool:
        vocabulary = self._run.vocabulary
        return vocabulary.knows(name, 1) and (vocabulary.sort_named(name) is None or bool(vocabulary.value_named(name)))

    # --- formulas --------------------------------------------------------------------------------

    def noun(self, region: Region | str, noun: str, where: Any) -> Node:
        """Return the formula that the region, or the object of a variable, is what a noun names."""
        if self.is_anything(noun):
            return plan.const(1.0)
        return self.said(region, noun, where)

    def property(self, region: Region, noun: str, words: str, where: Any) -> Node:
        """Return the formula that the thing in a region has a property.

        Of an object of the scene that was found by this noun, or by none, the property alone is asked; else the
        question names the thing.
        """
        if region.index is not None:
            same = not noun or self.is_anything(noun) or phrase(noun) == phrase(region.noun) or not region.noun
            if same or self.known_words(noun) is not None:
                return self.said(region, words, where)
            text = f"is the {phrase(noun)} of the object in the red box {phrase(words)}?"
            return self._atom(region, Predicate("", 1, text), where)
        return self.yes_no(region, f"is the {phrase(noun) or 'picture'} {phrase(words)}?", where)

    def option(self, region: Region, words: str, prefix: str, where: Any) -> Node:
        """Return the formula that an option fits a region."""
        return self.said(region, words if self.known_words(words) is not None else f"{prefix} {words}".strip(), where)

    def yes_no(self, region: Region, question: str, where: Any) -> Node:
        """Return the formula that a question is answered by yes."""
        return self._atom(region, Predicate("", 1, self.about(region, question)), where)

    def perceived(self, region: Region, percept: Percept, where: Any) -> Node:
        """Return the formula of what a model of masks, depths or words is asked about a region."""
        if region.index is None:
            predicate = Predicate(percept.name, 0, region=region.box, percept=percept)
            made: Node = make(Atom, predicate, ())
            self._run.atoms.check_size(made, where)
            return made
        return self._atom(region, Predicate(percept.name, 1, percept=percept), where)

    def about(self, region: Region, question: str) -> str:
        """Return a question in free words as it is asked about a region."""
        text = " ".join(question.split())
        return text if region.whole else ABOUT.format(text)

    def attribute(self, region: Region, question: str) -> str | None:
        """Return the attribute that a question asks for ("what color is the cube?" → color), or ``None``.

        Only of an object, and only where the vocabulary lists its values and knows the other words.
        """
        thing = isinstance(region.box, Place) and not region.whole and bool(region.noun)
        if region.index is None and not thing:
            return None
        text, vocabulary = " ".join(question.lower().rstrip("?!. ").split()), self._run.vocabulary
        if _MADE_OF.match(text):
            sort, rest = vocabulary.sort_named("material"), ""
        else:
            found = _ATTRIBUTE.match(text)
            if found is None:
                return None
            sort = vocabulary.sort_named("size" if found["how"] else found["named"])
            rest = found["rest"] or ""
        if sort is None or not vocabulary.values(sort):
            return None
        words = [w for w in rest.split() if w not in _FILLERS]
        known = not words or self.known_words(" ".join(words)) is not None
        return vocabulary.attribute(sort) if known else None

    def said(self, region: Region | str, words: str, where: Any) -> Node:
        """Return the formula that a phrase is true of a region, or of the object of a variable."""
        names = self.known_words(words)
        if names is None:
            names = [phrase(words).replace(" ", "_") or "object"]
        return plan.conjunction([self._atom(region, self._run.atoms.predicate(n, 1), where) for n in names])

    def _atom(self, region: Region | str, predicate: Predicate, where: Any) -> Node:
        term = region if isinstance(region, str) else region.index
        if term is not None:
            made = self._run.atoms.atom(predicate, (term,))
        else:
            assert isinstance(region, Region)
            box = None if region.whole and not isinstance(region.box, Place) else region.box
            made = make(Atom, replace(predicate, arity=0, region=box), ())
        self._run.atoms.check_size(made, where)
        return made


_FILLERS = frozenset(
    ("a", "an", "the", "is", "are", "was", "were", "be", "it", "its", "this", "that", "these", "those")
    + ("of", "does", "do", "did", "have", "has", "in", "on", "at", "there", "here", "and")
)
