"""The built-in functions and methods, as data: names, how many arguments, what they are for.

What they do is `neptune.engine`'s business. ``docs/language.md`` and the prompts are made from these tables.
"""

from __future__ import annotations

from dataclasses import dataclass

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function.

    Parameters
    ----------
    name, signature, doc
        For people: ``score``, ``score(text, n=1)``, one line.
    least, most
        How many arguments it takes, by position and by name together.
    keywords
        Names that arguments may be given by; ``("*",)`` for any.
    also_predicate
        Whether the name is a predicate too when it is applied to a quantifier's variable (``round(x)``).
    """

    name: str
    signature: str
    doc: str
    least: int
    most: int
    keywords: tuple[str, ...] = ()
    also_predicate: bool = False


def _table(*rows: tuple[str, str, int, int], keywords: dict[str, tuple[str, ...]]) -> dict[str, Builtin]:
    out = {}
    for signature, doc, least, most in rows:
        name = signature.split("(")[0]
        out[name] = Builtin(
            name, signature, doc, least, most, keywords.get(name, ()), name in _ALSO_PREDICATES
        )
    return out


_ALSO_PREDICATES = frozenset({"round", "best", "different", "distinct"})

BUILTINS: dict[str, Builtin] = _table(
    ("score(text, n=1)", "the soft truth of a yes/no question about n objects: a formula of x1 … xn", 1, 2),
    ("query(text, object, …)", "the oracle's answer in words, about objects or the whole picture", 1, 5),
    ("exists(Object, lambda x: …)", "whether some object fits", 1, 2),
    ("some(Object, lambda x: …)", "the same as exists", 1, 2),
    ("any(Object, lambda x: …)", "the same as exists; of a list, whether one item is true", 1, 2),
    ("forall(Object, lambda x: …)", "whether all objects fit", 1, 2),
    ("all(Object, lambda x: …)", "the same as forall; of a list, whether all items are true", 1, 2),
    ("every(Object, lambda x: …)", "the same as forall", 1, 2),
    ("no(Object, lambda x: …)", "whether no object fits", 1, 2),
    ("none(Object, lambda x: …)", "the same as no", 1, 2),
    ("iota(Object, lambda x: …)", "the object that fits, as a description", 1, 2),
    ("the(Object, lambda x: …)", "the same as iota", 1, 2),
    ("point(Object, lambda x: …)", "the one object that fits best", 1, 2),
    ("best(Object, lambda x: …)", "the same as point", 1, 2),
    ("argmax(Object, lambda x: …)", "the same as point", 1, 2),
    ("topk(formula, k=1)", "the k objects that fit best", 1, 2),
    ("count(Object, lambda x: …)", "how many objects fit; of a list, how many items are true", 1, 2),
    ("describe(Color, iota(Object, lambda x: …))", "the value of a sort at an object", 1, 3),
    ("mode(Color, lambda c: count(…))", "the value with the largest count, or a list's commonest item", 1, 2),
    ("and_(a, b, …)", "soft and", 1, MANY),
    ("or_(a, b, …)", "soft or", 1, MANY),
    ("not_(a)", "soft not", 1, 1),
    ("xor(a, b)", "one, but not both", 1, MANY),
    ("implies(a, b)", "not a, or b", 2, 2),
    ("equal(a, b)", "a == b, of numbers, counts, values or objects", 2, 2),
    ("different(a, b)", "a != b", 2, 2),
    ("greater_than(a, b)", "a > b", 2, 2),
    ("less_than(a, b)", "a < b", 2, 2),
    ("distinct(a, b, …)", "all of them are different objects or values", 1, MANY),
    ("among(a, items)", "a is one of the items", 2, MANY),
    ("max(items)", "the largest; max(items, key=f, default=value) is the item of the largest f(item)", 1, MANY),
    ("min(items)", "the smallest; key and default as of max", 1, MANY),
    ("len(items)", "how many items", 1, 1),
    ("range(stop)", "numbers from 0 to below stop; also range(start, stop, step)", 1, 3),
    ("sum(items, start=0)", "the sum; a formula counts as 1 where it is true", 1, 2),
    ("abs(number)", "the size of a number", 1, 1),
    ("round(number, digits=0)", "the number rounded", 1, 2),
    ("sorted(items, key=None, reverse=False)", "the items in order", 1, 3),
    ("enumerate(items)", "pairs of position and item", 1, 1),
    ("zip(items, items, …)", "tuples of items side by side", 0, MANY),
    ("int(value)", "a whole number; 1 or 0 of a formula, as it is decided", 1, 1),
    ("float(value)", "a number; the probability of a formula", 1, 1),
    ("str(value)", "a text", 1, 1),
    ("bool(value)", "True or False; decides a formula", 1, 1),
    ("list(items)", "a list", 0, 1),
    ("tuple(items)", "a tuple", 0, 1),
    ("set(items)", "a set", 0, 1),
    ("dict(pairs)", "a dict", 0, MANY),
    keywords={
        "score": ("n", "arity"), "topk": ("k",), "sorted": ("key", "reverse"), "max": ("key", "default"),
        "min": ("key", "default"), "dict": ("*",), "round": ("digits",), "sum": ("start",),
    },
)  # fmt: skip

#: Method → the least and most arguments, what has it, and what it does.
METHODS: dict[str, tuple[int, int, str, str]] = {
    "exists": (0, MANY, "formula", 'whether some object fits: f.exists("y")'),
    "any": (0, MANY, "formula", "the same as .exists"),
    "forall": (0, MANY, "formula", 'whether all objects fit: f.forall("y")'),
    "all": (0, MANY, "formula", "the same as .forall"),
    "iota": (0, 1, "formula", 'the object that fits: f.iota("x")'),
    "argmax": (0, 1, "formula", "the one object that fits best"),
    "point": (0, 1, "formula", "the same as .argmax"),
    "count": (0, 1, "formula, text, list", "how many objects fit; how often an item occurs"),
    "topk": (0, 2, "formula", "the k objects that fit best"),
    "and_op": (1, MANY, "formula", "soft and"),
    "or_op": (1, MANY, "formula", "soft or"),
    "not_op": (0, 0, "formula", "soft not"),
    "implies": (1, 1, "formula", "soft implication"),
    "rename": (1, MANY, "formula", 'the formula with other variables: f.rename("x", "y")'),
    "prob": (0, 0, "formula", "its probability, as a number"),
    "max": (0, 1, "formula", "its largest probability"),
    "item": (0, 0, "formula", "its probability, as a number"),
    "lower": (0, 0, "text", "in lower case"),
    "upper": (0, 0, "text", "in upper case"),
    "title": (0, 0, "text", "Each Word Capitalised"),
    "capitalize": (0, 0, "text", "the first letter capitalised"),
    "strip": (0, 1, "text", "without blanks at both ends"),
    "split": (0, 2, "text", "its words, as a list"),
    "join": (1, 1, "text", "the items joined by this text"),
    "startswith": (1, 1, "text", "whether it begins so"),
    "endswith": (1, 1, "text", "whether it ends so"),
    "replace": (2, 2, "text", "with one part replaced"),
    "append": (1, 1, "list", "add an item"),
    "add": (1, 1, "set", "add an item"),
    "extend": (1, 1, "list", "add several items"),
    "index": (1, 1, "text, list", "the position of an item"),
    "pop": (0, 1, "list", "take an item out"),
    "get": (1, 2, "dict", "the value of a key, or a default"),
    "keys": (0, 0, "dict", "the keys"),
    "values": (0, 0, "dict", "the values"),
    "items": (0, 0, "dict", "pairs of key and value"),
}

#: Method → the names that its arguments may be given by; of any other method, by position only.
METHOD_KEYWORDS: dict[str, tuple[str, ...]] = {"rename": ("*",), "topk": ("k",)}

#: Methods of Python that a program has no use for, and what to write instead.
METHODS_MISSED: dict[str, str] = {
    "format": 'write f"…{value}…"',
    "filter": "write exists, count or iota with a lambda, or a comprehension: [o for o in Object if red(o)]",
    "map": "use a comprehension: [f(x) for x in items]",
    "remove": "use a comprehension: [x for x in items if x != …]",
    "sort": "write sorted(items)",
    "update": "assign key by key: d[key] = value",
}

#: Names of Python that reach for the outside or for Python itself: never predicates, always errors.
RESERVED: dict[str, str] = {
    **dict.fromkeys(
        ("exec", "eval", "compile", "__import__", "globals", "locals", "vars", "dir", "getattr", "setattr",
         "delattr", "hasattr", "type", "super", "isinstance", "issubclass", "callable", "memoryview",
         "classmethod", "staticmethod", "property", "breakpoint", "help", "exit", "quit", "reload",
         "importlib", "builtins",
         "sys", "os", "subprocess", "shutil", "socket", "requests", "urllib", "pickle", "ctypes", "bytes",
         "bytearray",
         "chr", "ord", "format", "repr", "iter", "id", "hash"),
        "leave it out: a program has only the built-ins of the language and predicates",
    ),
    "open": "leave it out: a program opens no file; to ask whether something is open write is_open(x)",
    "print": "return the value instead: return …",
    "input": "leave it out: a program reads nothing but the picture",
    "file": "leave it out: a program opens no file",
    "map": "use a comprehension: [f(x) for x in items]",
    "filter": "use a comprehension: [x for x in items if test]",
    "reduce": "use a for statement",
    "pow": "write a ** b",
    "divmod": "write a // b and a % b",
    "reversed": "write items[::-1]",
    "frozenset": "use set(…)",
    "complex": "use plain numbers",
}  # fmt: skip

#: Built-ins whose names a program may take for its own variables: words that answers like to use.
SHADOWABLE = frozenset(
    {"best", "point", "no", "none", "the", "mode", "some", "different", "distinct", "among"}
)

#: Built-ins that bind a variable over a sort: ``exists(Object, lambda x: …)``.
BINDERS = frozenset(
    {"exists", "some", "any", "forall", "all", "every", "no", "none", "iota", "the", "point", "best",
     "argmax", "count", "describe", "mode"}
)  # fmt: skip
