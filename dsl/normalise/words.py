"""Other words for what the language has: built-ins, operators, attributes, values and truths in other spellings."""

from __future__ import annotations

from dsl.builtins import BUILTINS
from dsl.normalise.kinds import CONNECTIVES, EXTREMES, OPERATORS, QUANTIFIERS
from dsl.normalise.patterns import Match, rewriting, rule
from dsl.normalise.tree import called
from dsl.syntax import ast
from dsl.syntax.ast import Expr

_NUMBERS = frozenset({"count", "len", "max", "min", "sum", "abs", "int", "float"})

conditionals = rewriting(
    {"_choice(_test, _then, _else)": "_then if _test else _else"}, "'{choice}' was read as a conditional expression"
)
"""``if_else(a, b, c)`` is ``b if a else c``."""


@rule("_operator(_a, _b)", note="'{operator}(a, b)' was read as a {sign} b")
def operators(m: Match) -> Expr | None:
    """``plus(a, b)`` is ``a + b``, where one of them is a number."""
    if not _is_number(m["a"]) and not _is_number(m["b"]):
        return None
    sign = OPERATORS[m.name("operator").lower()]
    m.say(sign=sign)
    return m.build(f"_a {sign} _b")


@rule("_other(__args)", note="'{other}' was read as '{target}'")
def other_names(m: Match) -> Expr | None:
    """``for_all(…)`` is ``forall(…)``, ``and_func(a, b)`` is ``and_(a, b)``, ``maximum(2, 3)`` is ``max(2, 3)``."""
    word, args = m.name("other").lower(), m.many("args")
    target = CONNECTIVES.get(word)
    if target is None and any(_is_number(a.body if isinstance(a, ast.Lambda) else a) for a in args):
        target = EXTREMES.get(word)
    if target is None and (args == (ast.Name("Object"),) or any(isinstance(a, ast.Lambda) for a in args)):
        target = QUANTIFIERS.get(word)
    if target is None or not BUILTINS[target].least <= len(args) <= BUILTINS[target].most:
        return None
    m.say(target=target)
    return m.build("_target(__args)", target=target)


def _is_number(node: Expr) -> bool:
    if isinstance(node, ast.Number) or called(node) in _NUMBERS:
        return True
    if isinstance(node, ast.Unary):
        return node.op == "-" and _is_number(node.operand)
    return isinstance(node, ast.Binary) and (_is_number(node.left) or _is_number(node.right))


@rule("true", "false", note="'{truth}' was read as {Truth}")
def truths(m: Match) -> Expr | None:
    """``true`` and ``false`` are the truth values."""
    if m.pattern in m.context.bound:
        return None
    m.say(truth=m.pattern, Truth=m.pattern.title())
    return m.build(m.pattern.title())


called_truths = rewriting({"True()": "True", "True(_x)": "True", "False()": "False", "False(_x)": "False"}, "")
"""``True()`` and ``true(x)`` are the truth values too."""


@rule("_name._value", note="'{name}.{value}' was read as the value {meant}")
def members_of_sorts(m: Match) -> Expr | None:
    """``Size.Large`` is the value ``large``."""
    sort, value = m.words.sort_named(m.name("name")), m.words.value_named(m.name("value"))
    if sort is None or value not in m.words.values(sort):
        return None
    m.say(meant=value)
    return ast.Text(value, span=m.node.span)


@rule("_has(_a, _b)", note="'{has}' was read as '{attribute}'")
def attributes_had(m: Match) -> Expr | None:
    """``has_color(x, v)`` is ``color(x, v)``."""
    sort = m.words.sort_named(m.name("has").removeprefix("has_"))
    if sort not in m.words.sorts or m.words.knows(m.name("has"), 2):
        return None
    m.say(attribute=m.words.attribute(str(sort)))
    return m.build("_attribute(_a, _b)", attribute=m.words.attribute(str(sort)))


@rule(
    "_alike(_known, _a, _b)", "_alike(_a, _b, _known)", note="'{alike}' of {sort} and two objects was read with {same}"
)
def attributes_compared(m: Match) -> Expr | None:
    """``same(Color, a, b)`` is ``same_color(a, b)``."""
    sort = str(m.context.sort_of(m.name("known")))
    same = f"same_{m.words.attribute(sort)}"
    m.say(sort=sort, same=same)
    return m.build("not _same(_a, _b)" if m.name("alike") == "different" else "_same(_a, _b)", same=same)


compared_with_none = rewriting(
    {
        "_iota(__args) is None": "no(__args)",
        "_iota(__args) == None": "no(__args)",
        "_iota(__args) is not None": "exists(__args)",
        "_iota(__args) != None": "exists(__args)",
    },
    "a description compared with None was read as whether something fits",
)
"""``iota(…) is None`` says that nothing fits."""


@rule("for _c in _items if __conditions", "for _c in _items() if __conditions",
      note="'{items}' was read as the values of {sort}")  # fmt: skip
def plurals_of_sorts(m: Match) -> Expr | None:
    """``for c in colors``: over the values of Color."""
    word = m.name("items").lower().removeprefix("all_")
    sort = m.words.sort_named(word[:-1]) if word.endswith("s") and m.name("items") not in m.context.bound else None
    if sort not in m.words.sorts or not m.words.values(str(sort)):
        return None
    m.say(sort=str(sort))
    return m.build("for _c in _sort if __conditions", sort=str(sort))
