"""What programs may ask of masks, depths and words read in the picture: each name declared once, and its meaning.

``nearer(x, y)`` is a truth about two objects, ``depth(x)`` a number, ``text(x)`` a text, ``mask(x)`` a mask. Truths are
formulas like any other; a number or a text that belongs to a quantifier's variable becomes one where it is compared. A
vocabulary that knows a name itself means its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["mask", "depth", "text"]
Gives: TypeAlias = Literal["truth", "number", "text", "mask"]

FIRST, SECOND = "the object in the red box", "the object in the green box"
_BY = {"mask": "its mask", "depth": "depth", "text": "the words read"}


@dataclass(frozen=True, slots=True)
class Percept:
    """One thing asked of a segmenter, a depth estimator or a reader of texts.

    Parameters
    ----------
    kind
        Which of them answers.
    what
        ``nearer inside overlap larger``: truths about two objects. ``closer_than``, ``larger_than`` (than
        `limit`), ``reads`` (`words`; any, if there are none), ``says`` (`words` and nothing else): truths about one.
        ``depth``, ``area``, ``text``: the value itself, asked as an open question.
    words
        Words that are looked for.
    limit
        What a number is compared with.
    """

    kind: Kind
    what: str
    words: str = ""
    limit: float = 0.0

    @property
    def name(self) -> str:
        """What a plan and a report call it."""
        if self.what in ("closer_than", "larger_than"):
            return f"{'depth <' if self.kind == 'depth' else 'area >'} {self.limit:g}"
        return f'{self.what} "{self.words}"' if self.words else self.what

    @property
    def question(self) -> str:
        """What is asked, in words: the key of caches and records."""
        limit = f"{self.limit!r}"
        said = {
            "nearer": f"is {FIRST} nearer than {SECOND}?",
            "inside": f"is {FIRST} inside {SECOND}?",
            "overlap": f"does {FIRST} overlap {SECOND}?",
            "larger": f"does {FIRST} cover more of the picture than {SECOND}?",
            "closer_than": f"is {FIRST} less than {limit} away?",
            "larger_than": f"does {FIRST} cover more than {limit} pixels?",
            "reads": f'does {FIRST} read "{self.words}"?' if self.words else f"is anything written on {FIRST}?",
            "says": f'does {FIRST} read "{self.words}" and nothing else?',
            "depth": f"how far away is {FIRST}?",
            "area": f"how many pixels does {FIRST} cover?",
            "text": f"what is written on {FIRST}?",
        }[self.what]
        return f"{said} (by {_BY[self.kind]})"


@dataclass(frozen=True, slots=True)
class Declared:
    """A name of the language.

    Parameters
    ----------
    signature, doc
        For people.
    kind, gives
        Who answers, and what comes of it.
    arity
        How many arguments it takes.
    """

    signature: str
    doc: str
    kind: Kind
    gives: Gives
    arity: int

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.signature.partition("(")[0]


_DECLARED = (
    Declared("nearer(x, y)", "x is nearer to the camera than y", "depth", "truth", 2),
    Declared("farther(x, y)", "x is farther from the camera than y", "depth", "truth", 2),
    Declared("depth(x)", "how far away x is; small is near", "depth", "number", 1),
    Declared("mask(x)", "the pixels of x", "mask", "mask", 1),
    Declared("area(x)", "how many pixels of the picture are x's", "mask", "number", 1),
    Declared("inside(x, mask(y))", "the pixels of x are among those that y's mask covers or encloses",
             "mask", "truth", 2),
    Declared("overlap(x, y)", "the masks of x and y cover the same pixels", "mask", "truth", 2),
    Declared("reads(x, \"STOP\")", "these words are written on x", "text", "truth", 2),
    Declared("text(x)", "what is written on x", "text", "text", 1),
)  # fmt: skip

PERCEPTS: dict[str, Declared] = {declared.name: declared for declared in _DECLARED}
