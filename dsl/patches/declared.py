"""What programs over regions may call and read, as data: names, parameters, sorts in and out.

Each function, attribute and method is declared here once, under the sort that has it. The checker, its errors, the
page of the language and the prompts follow from the declaration; what each does is registered by name in the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REGION, PICTURE, FILM = "Region", "Picture", "Film"
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
    """A parameter: its name, the sorts that it takes, and its default (:data:`REQUIRED`: none)."""

    name: str
    sorts: tuple[str, ...]
    default: Any = REQUIRED


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


def _parameters(spec: str) -> tuple[Parameter, ...]:
    """Return the parameters of ``"left: Number = None, key: Function | Nothing = None"``."""
    made = []
    for part in filter(None, (p.strip() for p in spec.split(","))):
        name, _, rest = part.partition(":")
        sorts, _, default = rest.partition("=")
        value = _DEFAULTS[default.strip()] if default else REQUIRED
        made.append(Parameter(name.strip(), tuple(s.strip() for s in sorts.split("|")), value))
    return tuple(made)


_DEFAULTS: dict[str, Any] = {"None": None, "True": True, "False": False, "0": 0, "-1": -1, "50": 50}


def _named(*functions: Function) -> dict[str, Function]:
    return {function.name: function for function in functions}


def _f(
    name: str, spec: str, gives: str, doc: str, needs: str = "", *, many: bool = False, told: bool = False
) -> Function:
    return Function(name, _parameters(spec), gives, doc, needs, many, told)


_EDGES = "left: Number, lower: Number, right: Number, upper: Number"

FUNCTIONS: dict[str, Function] = _named(
    _f("ImagePatch", "image: Picture | Region, left: Number | Nothing = None, lower: Number | Nothing = None, "
       "right: Number | Nothing = None, upper: Number | Nothing = None", REGION,
       "the region of a picture between these edges; of the picture alone, all of it", told=True),
    _f("best_image_match", "list_patches: List, content: List | Text, return_index: Bool = False", REGION,
       "the region that fits the texts best; None if there are no regions", "oracle", told=True),
    _f("distance", "patch_a: Region | Number, patch_b: Region | Number", NUMBER,
       "the gap in pixels between the nearest edges of two regions, negative where they overlap; of numbers, |a - b|",
       told=True),
    _f("bool_to_yesno", "bool_answer: Any", TEXT, '"yes" or "no"', told=True),
    _f("coerce_to_numeric", "string: Text | Number", NUMBER, "the number that a text says"),
    _f("llm_query", "query: Text, context: Text | Nothing = None, long_answer: Bool = True", TEXT,
       "knowledge of the world from a language model, which sees no picture", "knowledge", told=True),
    _f("process_guesses", "question: Text, guesses: List", TEXT, "one answer out of several guesses", "knowledge"),
    _f("VideoSegment", "video: Film, start: Number | Nothing = None, end: Number | Nothing = None", FILM,
       "a part of a film", "film"),
)  # fmt: skip
"""Functions by name."""

ATTRIBUTES: dict[str, dict[str, Attribute]] = {
    REGION: {
        "left": Attribute(NUMBER, "its left edge, in pixels from the left"),
        "lower": Attribute(NUMBER, "its lower edge, in pixels from the bottom"),
        "right": Attribute(NUMBER, "its right edge, in pixels from the left"),
        "upper": Attribute(NUMBER, "its upper edge, in pixels from the bottom"),
        "width": Attribute(NUMBER, "its width in pixels"),
        "height": Attribute(NUMBER, "its height in pixels"),
        "horizontal_center": Attribute(NUMBER, "its middle, in pixels from the left"),
        "vertical_center": Attribute(NUMBER, "its middle, in pixels from the bottom"),
        "cropped_image": Attribute(PICTURE, "what it shows, as a picture"),
    },
    PICTURE: {
        "width": Attribute(NUMBER, "its width in pixels"),
        "height": Attribute(NUMBER, "its height in pixels"),
        "shape": Attribute("List[Number]", "3 (its colours), its height, its width"),
    },
    FILM: {
        "num_frames": Attribute(NUMBER, "how many frames it has"),
        "start": Attribute(NUMBER, "its first frame"),
        "end": Attribute(NUMBER, "the frame after its last"),
    },
}
"""Sort → attributes by name."""

METHODS: dict[str, dict[str, Function]] = {
    REGION: _named(
        _f("find", "object_name: Text", REGIONS, "the regions of the things that a noun names", "detector", told=True),
        _f("exists", "object_name: Text", BOOL, "whether such a thing is in the region", "oracle", told=True),
        _f("verify_property", "object_name: Text, visual_property: Text", BOOL,
           "whether the thing in the region has the property", "oracle", told=True),
        _f("best_text_match", "option_list: List, prefix: Text | Nothing = None", TEXT,
           "the option that fits the region best", "oracle", told=True),
        _f("simple_query", "question: Text | Nothing = None", TEXT,
           "a short answer about the region; without a question, what it is", "oracle", told=True),
        _f("compute_depth", "", NUMBER, "how far away the region is; small is near", "depth", told=True),
        _f("crop", _EDGES, REGION, "the region between these edges, in this region's own coordinates", told=True),
        _f("overlaps_with", _EDGES, BOOL, "whether the region overlaps the box of these edges", told=True),
        _f("llm_query", "question: Text, long_answer: Bool = True", TEXT, "as the function llm_query", "knowledge"),
    ),
    FILM: _named(
        _f("trim", "start: Number | Nothing = None, end: Number | Nothing = None", FILM, "the part between", "film"),
        _f("frame_iterator", "", REGIONS, "its frames in order, each a region", "film"),
        _f("frame_from_index", "index: Number", REGION, "one of its frames", "film"),
        _f("select_answer", "info: Dict, question: Text, options: List", TEXT, "the option that fits", "knowledge"),
    ),
    TEXT: _named(
        _f("lower", "", TEXT, "in lower case"),
        _f("upper", "", TEXT, "in upper case"),
        _f("title", "", TEXT, "Each Word Capitalised"),
        _f("capitalize", "", TEXT, "the first letter capitalised"),
        _f("strip", "characters: Text | Nothing = None", TEXT, "without blanks at both ends"),
        _f("split", "separator: Text | Nothing = None, most: Number = -1", TEXTS, "its words, as a list"),
        _f("join", "items: List", TEXT, "the items joined by this text"),
        _f("startswith", "beginning: Text", BOOL, "whether it begins so"),
        _f("endswith", "end: Text", BOOL, "whether it ends so"),
        _f("replace", "old: Text, new: Text", TEXT, "with one part replaced"),
        _f("count", "part: Text", NUMBER, "how often a part occurs"),
        _f("index", "part: Text", NUMBER, "where a part begins"),
        _f("isdigit", "", BOOL, "whether it is all digits"),
        _f("format", "value: Any = None", TEXT, "with values in the places of {}", many=True),
    ),
    LIST: _named(
        _f("sort", "key: Function | Nothing = None, reverse: Bool = False", NOTHING, "put it in order", told=True),
        _f("append", "item: Any", NOTHING, "add an item", told=True),
        _f("remove", "item: Any", NOTHING, "take the first such item out"),
        _f("extend", "items: List", NOTHING, "add several items"),
        _f("insert", "position: Number, item: Any", NOTHING, "add an item at a position"),
        _f("pop", "position: Number = -1", ANY, "take an item out"),
        _f("reverse", "", NOTHING, "turn its order round"),
        _f("copy", "", LIST, "a copy of it"),
        _f("index", "item: Any", NUMBER, "the position of an item"),
        _f("count", "item: Any", NUMBER, "how often an item occurs"),
    ),
    SET: _named(
        _f("add", "item: Any", NOTHING, "add an item"),
        _f("update", "items: List", NOTHING, "add several items"),
        _f("remove", "item: Any", NOTHING, "take an item out, which has to be there"),
        _f("discard", "item: Any", NOTHING, "take an item out, if it is there"),
        _f("union", "other: List", SET, "what is in this or the other"),
        _f("intersection", "other: List", SET, "what is in both"),
        _f("difference", "other: List", SET, "what is in this and not in the other"),
        _f("copy", "", SET, "a copy of it"),
    ),
    DICT: _named(
        _f("get", "key: Any, default: Any = None", ANY, "the value of a key, or a default"),
        _f("keys", "", LIST, "the keys"),
        _f("values", "", LIST, "the values"),
        _f("items", "", LIST, "pairs of key and value"),
        _f("update", "other: Dict", NOTHING, "take over the other's keys and values"),
        _f("pop", "key: Any, default: Any = None", ANY, "take a key out"),
    ),
}  # fmt: skip
"""Sort → methods by name."""

_ONE = "x: Number"
_ITEMS = "items: List"
_MATH = ("sqrt", "fabs", "floor", "ceil", "exp", "sin", "cos", "atan", "degrees", "radians")
_NUMPY = ("mean", "median", "sum", "max", "min", "argmax", "argmin")

MODULES: dict[str, dict[str, Function | float]] = {
    "math": {
        **_named(*(_f(name, _ONE, NUMBER, "as in Python") for name in _MATH)),
        **_named(*(_f(name, "x: Number, y: Number", NUMBER, "as in Python") for name in ("pow", "hypot", "atan2"))),
        **_named(_f("log", "x: Number, base: Number | Nothing = None", NUMBER, "as in Python")),
        "pi": 3.141592653589793,
        "e": 2.718281828459045,
        "inf": float("inf"),
    },
    "np": {
        **_named(*(_f(name, _ITEMS, NUMBER, "of a list of numbers, as in numpy") for name in _NUMPY)),
        **_named(
            _f("percentile", "items: List, q: Number = 50", NUMBER, "of a list of numbers, as in numpy"),
            _f("round", "x: Number, digits: Number = 0", NUMBER, "as in numpy"),
            _f("abs", _ONE, NUMBER, "as in numpy"),
            _f("sqrt", _ONE, NUMBER, "as in numpy"),
        ),
        "pi": 3.141592653589793,
        "inf": float("inf"),
    },
}
"""What ``import math`` and ``import numpy as np`` stand for: functions, and constants as numbers."""

IMPORTS: dict[tuple[str, str], str] = {("math", ""): "math", ("numpy", "np"): "np"}
"""The imports that are read, as no-ops: (module, alias) → the name in :data:`MODULES`."""

INPUTS: dict[str, str] = {"image": PICTURE, "possible_answers": TEXTS, "query": TEXT, "question": TEXT, "video": FILM}
"""What the task gives a program, by name."""

SIGNATURE = ("image", "possible_answers", "query")
"""The inputs in the order in which a task gives them to a program that is one function."""

PLAIN_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "dict", "enumerate", "float", "int", "len", "list", "max", "min", "range", "round",
     "set", "sorted", "str", "sum", "tuple", "zip"}
)  # fmt: skip
"""The built-ins of :mod:`dsl.builtins` that this dialect has: those of plain values."""


def sorts_with(name: str) -> list[str]:
    """Return the sorts that have an attribute or a method of this name."""
    return [sort for table in (ATTRIBUTES, METHODS) for sort, members in table.items() if name in members]


def members(sort: str) -> list[str]:
    """Return the names of a sort's attributes and methods."""
    return [*ATTRIBUTES.get(sort, ()), *METHODS.get(sort, ())]


def base(sort: str) -> str:
    """Return the sort without what its items are: ``List`` of ``List[Region]``."""
    return sort.partition("[")[0]


def item(sort: str) -> str:
    """Return the sort of the items: ``Region`` of ``List[Region]``; ``Any`` where it is not known."""
    return sort[len(base(sort)) + 1 : -1] if "[" in sort else TEXT if sort == TEXT else ANY
