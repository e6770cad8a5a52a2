"""The built-in functions and methods, as data: what they take, what they are for.

A built-in is declared here once. The checker, its errors, the page of the language and the prompts follow from the
declaration; what it does is the function of the same name in `neptune.engine.interpret`.
"""

from __future__ import annotations

from dataclasses import dataclass

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function.

    Parameters
    ----------
    signature, doc
        For people: ``score(text, n=1)``, one line.
    least, most
        How many arguments it takes, by position and by name together.
    keywords
        Names that arguments may be given by; ``("*",)`` for any.
    binds
        Whether it binds a variable over a sort: ``exists(Object, lambda x: …)``.
    told
        Whether the prompts tell writers of it.
    shadowable
        Whether a program may take the name for one of its variables: words that answers like to use.
    also_predicate
        Whether the name is a predicate too when it is applied to a quantifier's variable (``round(x)``).
    """

    signature: str
    doc: str
    least: int
    most: int
    keywords: tuple[str, ...] = ()
    binds: bool = False
    told: bool = False
    shadowable: bool = False
    also_predicate: bool = False

    @property
    def name(self) -> str:
        """The name it is called by."""
        return self.signature.partition("(")[0]


@dataclass(frozen=True, slots=True)
class Method:
    """A method: how many arguments it takes, what has it, what it does; `keywords` and `told` as of `Builtin`."""

    least: int
    most: int
    of: str
    doc: str
    keywords: tuple[str, ...] = ()
    told: bool = False


_DECLARED = (
    Builtin("count(Object, lambda x: …)", "how many objects fit; of a list, how many items are true",
            1, 2, binds=True, told=True),
    Builtin("exists(Object, lambda x: …)", "whether some object fits", 1, 2, binds=True, told=True),
    Builtin("some(Object, lambda x: …)", "the same as exists", 1, 2, binds=True, shadowable=True),
    Builtin("any(Object, lambda x: …)", "the same as exists; of a list, whether one item is true", 1, 2, binds=True),
    Builtin("forall(Object, lambda x: …)", "whether all objects fit", 1, 2, binds=True, told=True),
    Builtin("all(Object, lambda x: …)", "the same as forall; of a list, whether all items are true",
            1, 2, binds=True),
    Builtin("every(Object, lambda x: …)", "the same as forall", 1, 2, binds=True),
    Builtin("no(Object, lambda x: …)", "whether no object fits", 1, 2, binds=True, told=True, shadowable=True),
    Builtin("none(Object, lambda x: …)", "the same as no", 1, 2, binds=True, shadowable=True),
    Builtin("iota(Object, lambda x: …)", "the object that fits, as a description", 1, 2, binds=True, told=True),
    Builtin("the(Object, lambda x: …)", "the same as iota", 1, 2, binds=True, shadowable=True),
    Builtin("point(Object, lambda x: …)", "the one object that fits best",
            1, 2, binds=True, told=True, shadowable=True),
    Builtin("best(Object, lambda x: …)", "the same as point", 1, 2, binds=True, shadowable=True, also_predicate=True),
    Builtin("argmax(Object, lambda x: …)", "the same as point", 1, 2, binds=True),
    Builtin("topk(formula, k=1)", "the k objects that fit best", 1, 2, keywords=("k",)),
    Builtin("describe(Color, iota(Object, lambda x: …))", "the value of a sort at an object",
            1, 3, binds=True, told=True),
    Builtin("mode(Color, lambda c: count(…))", "the value with the largest count, or a list's commonest item",
            1, 2, binds=True, told=True, shadowable=True),
    Builtin("and_(a, b, …)", "soft and", 1, MANY),
    Builtin("or_(a, b, …)", "soft or", 1, MANY),
    Builtin("not_(a)", "soft not", 1, 1),
    Builtin("xor(a, b)", "one, but not both", 1, MANY),
    Builtin("implies(a, b)", "not a, or b", 2, 2, told=True),
    Builtin("equal(a, b)", "a == b, of numbers, counts, values or objects", 2, 2, told=True),
    Builtin("different(a, b)", "a != b", 2, 2, shadowable=True, also_predicate=True),
    Builtin("greater_than(a, b)", "a > b", 2, 2, told=True),
    Builtin("less_than(a, b)", "a < b", 2, 2, told=True),
    Builtin("distinct(a, b, …)", "all of them are different objects or values",
            1, MANY, told=True, shadowable=True, also_predicate=True),
    Builtin("among(a, items)", "a is one of the items", 2, MANY, told=True, shadowable=True),
    Builtin("score(text, n=1)", "the soft truth of a yes/no question about n objects: a formula of x1 … xn",
            1, 2, keywords=("n", "arity"), told=True),
    Builtin("query(text, object, …)", "the oracle's answer in words, about objects or the whole picture",
            1, 5, told=True),
    Builtin("max(items)", "the largest; max(items, key=f, default=value) is the item of the largest f(item)",
            1, MANY, keywords=("key", "default"), told=True),
    Builtin("min(items)", "the smallest; key and default as of max", 1, MANY, keywords=("key", "default"), told=True),
    Builtin("len(items)", "how many items", 1, 1, told=True),
    Builtin("range(stop)", "numbers from 0 to below stop; also range(start, stop, step)", 1, 3, told=True),
    Builtin("sum(items, start=0)", "the sum; a formula counts as 1 where it is true",
            1, 2, keywords=("start",), told=True),
    Builtin("sorted(items, key=None, reverse=False)", "the items in order",
            1, 3, keywords=("key", "reverse"), told=True),
    Builtin("abs(number)", "the size of a number", 1, 1),
    Builtin("round(number, digits=0)", "the number rounded", 1, 2, keywords=("digits",), also_predicate=True),
    Builtin("enumerate(items)", "pairs of position and item", 1, 1),
    Builtin("zip(items, items, …)", "tuples of items side by side", 0, MANY),
    Builtin("int(value)", "a whole number; 1 or 0 of a formula, as it is decided", 1, 1),
    Builtin("float(value)", "a number; the probability of a formula", 1, 1),
    Builtin("str(value)", "a text", 1, 1),
    Builtin("bool(value)", "True or False; decides a formula", 1, 1),
    Builtin("list(items)", "a list", 0, 1),
    Builtin("tuple(items)", "a tuple", 0, 1),
    Builtin("set(items)", "a set", 0, 1),
    Builtin("dict(pairs)", "a dict", 0, MANY, keywords=("*",)),
)  # fmt: skip

BUILTINS: dict[str, Builtin] = {builtin.name: builtin for builtin in _DECLARED}

BINDERS = frozenset(name for name, builtin in BUILTINS.items() if builtin.binds)

METHODS: dict[str, Method] = {
    "exists": Method(0, MANY, "formula", 'whether some object fits: f.exists("y")', told=True),
    "any": Method(0, MANY, "formula", "the same as .exists"),
    "forall": Method(0, MANY, "formula", 'whether all objects fit: f.forall("y")', told=True),
    "all": Method(0, MANY, "formula", "the same as .forall"),
    "iota": Method(0, 1, "formula", 'the object that fits: f.iota("x")', told=True),
    "argmax": Method(0, 1, "formula", "the one object that fits best", told=True),
    "point": Method(0, 1, "formula", "the same as .argmax"),
    "count": Method(0, 1, "formula, text, list", "how many objects fit; how often an item occurs", told=True),
    "topk": Method(0, 2, "formula", "the k objects that fit best", keywords=("k",), told=True),
    "and_op": Method(1, MANY, "formula", "soft and"),
    "or_op": Method(1, MANY, "formula", "soft or"),
    "not_op": Method(0, 0, "formula", "soft not"),
    "implies": Method(1, 1, "formula", "soft implication", told=True),
    "rename": Method(1, MANY, "formula", 'the formula with other variables: f.rename("x", "y")',
                     keywords=("*",), told=True),
    "prob": Method(0, 0, "formula", "its probability, as a number"),
    "max": Method(0, 1, "formula", "its largest probability"),
    "item": Method(0, 0, "formula", "its probability, as a number"),
    "lower": Method(0, 0, "text", "in lower case"),
    "upper": Method(0, 0, "text", "in upper case"),
    "title": Method(0, 0, "text", "Each Word Capitalised"),
    "capitalize": Method(0, 0, "text", "the first letter capitalised"),
    "strip": Method(0, 1, "text", "without blanks at both ends"),
    "split": Method(0, 2, "text", "its words, as a list"),
    "join": Method(1, 1, "text", "the items joined by this text"),
    "startswith": Method(1, 1, "text", "whether it begins so"),
    "endswith": Method(1, 1, "text", "whether it ends so"),
    "replace": Method(2, 2, "text", "with one part replaced"),
    "append": Method(1, 1, "list", "add an item", told=True),
    "add": Method(1, 1, "set", "add an item"),
    "extend": Method(1, 1, "list", "add several items"),
    "index": Method(1, 1, "text, list", "the position of an item"),
    "pop": Method(0, 1, "list", "take an item out"),
    "get": Method(1, 2, "dict", "the value of a key, or a default"),
    "keys": Method(0, 0, "dict", "the keys"),
    "values": Method(0, 0, "dict", "the values"),
    "items": Method(0, 0, "dict", "pairs of key and value"),
}  # fmt: skip

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
