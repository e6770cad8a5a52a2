"""How a function, a method or a picture tool is declared: its parameters with sorts and ranges, and what it gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REGION, PICTURE, FILM = "Region", "Picture", "Film"
BOX, POINT, MASK = "Box", "Point", "Mask"
TEXT, NUMBER, BOOL, NOTHING = "Text", "Number", "Bool", "Nothing"
LIST, SET, DICT, TUPLE, FUNCTION = "List", "Set", "Dict", "Tuple", "Function"
ANY: Final = "Any"
"""The sort of what is not known before the run."""
REGIONS = "List[Region]"
TEXTS = "List[Text]"

REQUIRED: Final = object()
"""The default of a parameter that has none."""

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its name, the sorts that it takes, its default (:data:`REQUIRED`: none), and what it may be.

    Parameters
    ----------
    low, high
        The smallest and the largest number; ``None``: any.
    choices
        The texts that it may be; ``()``: any.
    """

    name: str
    sorts: tuple[str, ...]
    default: Any = REQUIRED
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def range(self) -> str:
        """What a value may be, in words: ``a number from 0 to 255``; ``""`` where its sort says it all."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "" if self.low is None else f"a number from {self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or a method.

    Parameters
    ----------
    name, parameters
        As it is called.
    gives
        The sort of its result; ``Bool`` is a truth, soft where it carries a doubt.
    doc
        For people, one line.
    needs
        What has to be there to answer it: ``oracle``, ``detector``, ``depth``, ``knowledge`` or ``film``; ``""``:
        nothing.
    many
        Whether the last parameter takes any number of values.
    told
        Whether the prompts tell writers of it.
    """

    name: str
    parameters: tuple[Parameter, ...]
    gives: str
    doc: str
    needs: str = ""
    many: bool = False
    told: bool = False

    @property
    def least(self) -> int:
        """The fewest arguments that it takes."""
        return sum(p.default is REQUIRED for p in self.parameters)

    @property
    def most(self) -> int:
        """The most arguments that it takes."""
        return MANY if self.many else len(self.parameters)

    @property
    def signature(self) -> str:
        """How it is called: ``crop(left, lower, right, upper)``."""
        shown = [p.name if p.default is REQUIRED else f"{p.name}={p.default!r}" for p in self.parameters]
        return f"{self.name}({', '.join(shown)}{', …' if self.many else ''})"

    def arrange(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> list[Any]:
        """Return arguments in the order of the parameters, with the defaults of those that are not given.

        Raises
        ------
        ValueError
            If they are too few, too many, unknown or given twice; its text says which.
        """
        problem = self.misfit(len(args), tuple(keywords))
        if problem:
            raise ValueError(problem)
        if self.many:
            return [*args, *(p.default for p in self.parameters[len(args) :] if p.default is not REQUIRED)]
        given = dict(zip((p.name for p in self.parameters), args, strict=False)) | dict(keywords)
        return [given.get(p.name, p.default) for p in self.parameters]

    def misfit(self, positional: int, keywords: Sequence[str]) -> str:
        """Return what is wrong with so many arguments by position and these by name; ``""`` if they fit."""
        names = [p.name for p in self.parameters]
        for keyword in keywords:
            if keyword not in names:
                return f"'{self.name}' has no argument '{keyword}'"
            if keyword in names[:positional]:
                return f"'{self.name}' gets its argument '{keyword}' twice"
        if positional + len(keywords) > self.most:
            return f"'{self.name}' takes {arguments(self.least, self.most)}, not {positional + len(keywords)}"
        missing = [p.name for p in self.parameters[positional:] if p.default is REQUIRED and p.name not in keywords]
        return f"'{self.name}' needs its argument '{missing[0]}'" if missing else ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: the sort of its value, and what it is."""

    gives: str
    doc: str


def arguments(least: int, most: int) -> str:
    """Return a number of arguments in words."""
    if most >= MANY:
        return f"at least {least} argument{'s' if least != 1 else ''}"
    if least == most:
        return f"{least} argument{'s' if least != 1 else ''}" if least else "no arguments"
    return f"{least} to {most} arguments"


_SORT = re.compile(r"(?P<sort>\w+)(?:\[(?P<may>[^\]]*)\])?")


def parameters(spec: str) -> tuple[Parameter, ...]:
    """Return the parameters of ``"left: Number = None, by: Number[0..1] = 0.5, axis: Text[x/y] = x, key: Any"``."""
    made = []
    for part in filter(None, (p.strip() for p in spec.split(","))):
        name, _, rest = part.partition(":")
        sorts, _, default = rest.partition("=")
        found = list(_SORT.finditer(sorts))
        may = next((m["may"] for m in found if m["may"]), "")
        low, _, high = may.partition("..") if ".." in may else ("", "", "")
        made.append(
            Parameter(
                name.strip(),
                tuple(m["sort"] for m in found),
                _default(default.strip()) if default else REQUIRED,
                float(low) if low else None,
                float(high) if high else None,
                tuple(may.split("/")) if may and not low else (),
            )
        )
    return tuple(made)


def _default(said: str) -> Any:
    if said in _CONSTANTS:
        return _CONSTANTS[said]
    number = float(said) if re.fullmatch(r"-?[\d.]+", said) else None
    return said if number is None else int(number) if number.is_integer() else number


_CONSTANTS: dict[str, Any] = {"None": None, "True": True, "False": False, '""': ""}


def named(*functions: Function) -> dict[str, Function]:
    """Return functions by their names."""
    return {function.name: function for function in functions}


def function(
    name: str, spec: str, gives: str, doc: str, needs: str = "", *, many: bool = False, told: bool = False
) -> Function:
    """Return a function whose parameters are given as :func:`parameters` reads them."""
    return Function(name, parameters(spec), gives, doc, needs, many, told)
