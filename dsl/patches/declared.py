"""What programs over regions may call and read, as data: names, parameters, sorts in and out.

Each function, attribute and method is declared here once, under the sort that has it. The checker, its errors, the
page of the language and the prompts follow from the declaration; what each does is registered by name in the engine.
"""

from __future__ import annotations

from dataclasses import replace

from dsl.patches.functions import ANY as ANY
from dsl.patches.functions import BOOL as BOOL
from dsl.patches.functions import BOX as BOX
from dsl.patches.functions import DICT as DICT
from dsl.patches.functions import FILM as FILM
from dsl.patches.functions import FUNCTION as FUNCTION
from dsl.patches.functions import LIST as LIST
from dsl.patches.functions import MANY as MANY
from dsl.patches.functions import NOTHING as NOTHING
from dsl.patches.functions import NUMBER as NUMBER
from dsl.patches.functions import PICTURE as PICTURE
from dsl.patches.functions import POINT as POINT
from dsl.patches.functions import REGION as REGION
from dsl.patches.functions import REGIONS as REGIONS
from dsl.patches.functions import REQUIRED as REQUIRED
from dsl.patches.functions import SET as SET
from dsl.patches.functions import TEXT as TEXT
from dsl.patches.functions import TEXTS as TEXTS
from dsl.patches.functions import TUPLE as TUPLE
from dsl.patches.functions import Attribute as Attribute
from dsl.patches.functions import Function as Function
from dsl.patches.functions import Parameter as Parameter
from dsl.patches.functions import arguments as arguments
from dsl.patches.functions import function as _f
from dsl.patches.functions import named as _named
from dsl.patches.tools import TOOLS

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

_SHOWN = {BOX: (REGION,), POINT: (REGION,), PICTURE: (REGION,)}


def _as_method(tool: Function) -> Function:
    """Return a picture tool as a method of regions: a region stands for its box, its middle, or what it shows."""
    parameters = tuple(replace(p, sorts=_SHOWN.get(p.sorts[0], p.sorts)) for p in tool.parameters)
    gives = REGION if tool.gives == PICTURE else tool.gives
    return replace(
        tool, parameters=parameters, gives=gives, doc=tool.doc.replace("a box drawn", "a region's box drawn")
    )


REGION_TOOLS: dict[str, Function] = {
    name: _as_method(tool)
    for name, tool in TOOLS.items()
    if name not in ("crop", "segment", "read_text", "depth_map")  # regions have methods of their own for these
}
"""The picture tools that regions have as methods, by name."""

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
        _f("reads", "words: Text", BOOL, "whether these words are written there", "text"),
        _f("read_text", "", TEXT, "what is written there", "text"),
        _f("mask_area", "", NUMBER, "how many pixels the thing in it covers", "mask"),
        _f("crop", _EDGES, REGION, "the region between these edges, in this region's own coordinates", told=True),
        _f("overlaps_with", _EDGES, BOOL, "whether the region overlaps the box of these edges", told=True),
        _f("llm_query", "question: Text, long_answer: Bool = True", TEXT, "as the function llm_query", "knowledge"),
        *REGION_TOOLS.values(),
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
