"""Normal forms of words: other names for what the language has, and values and truths in other spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsl.builtins import BINDERS, BUILTINS
from dsl.normalise.tree import call, called, sole_attribute
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_CONNECTIVES = {
    "and_func": "and_", "and_op": "and_", "and_all": "and_", "conjunction": "and_", "or_func": "or_",
    "or_op": "or_", "disjunction": "or_", "not_func": "not_", "not_op": "not_", "negation": "not_",
    "if_then": "implies", "implication": "implies", "not_equal": "different", "not_equals": "different",
    "equals": "equal", "is_equal": "equal", "eq": "equal",
}  # fmt: skip
_QUANTIFIERS = {
    "for_all": "forall", "forallobjects": "forall", "all_of": "forall", "there_exists": "exists",
    "exist": "exists", "exists_object": "exists", "how_many": "count", "number_of": "count",
    "find": "iota", "select": "iota", "unique": "iota", "not_exists": "no", "not_exist": "no",
}  # fmt: skip
_ARITHMETIC = {
    "divide": "/", "div": "/", "divided_by": "/", "plus": "+", "add": "+", "minus": "-", "subtract": "-",
    "subtraction": "-", "addition": "+", "difference": "-",
    "times": "*", "multiply": "*", "sub": "-", "mul": "*", "mod": "%", "modulo": "%", "modulus": "%",
    "remainder": "%",
}  # fmt: skip
_ORDER = {
    "greater": ">", "more_than": ">", "greater_than": ">", "less": "<", "fewer_than": "<",
    "less_than": "<", "greater_than_or_equal": ">=", "greater_than_equal": ">=", "greater_than_or_equal_to": ">=",
    "greater_or_equal": ">=", "at_least": ">=", "less_than_or_equal": "<=", "less_than_or_equal_to": "<=",
    "less_or_equal": "<=", "at_most": "<=", "less_than_equals": "<=", "greater_than_equals": ">=",
    "lesser_than": "<", "lesser": "<",
}  # fmt: skip
_EXTREMES = {"maximum": "max", "minimum": "min", "max_": "max", "min_": "min"}
_EXACTLY_ONE = frozenset({"exist_unique", "exists_unique", "exists_one", "exactly_one"})
_EXACTLY = frozenset({"exists_exact", "exists_exactly", "exactly"})
_CHOICES = frozenset({"if_else", "ifelse", "if_then_else", "ite", "cond", "conditional"})
_COUNTS = frozenset({"count", "len", "max", "min", "sum", "abs", "int", "float"})


def other_names(node: ast.Node, context: Context) -> Expr | None:
    """``for_all(…)`` is ``forall(…)``, ``plus(a, b)`` is ``a + b``, ``if_else(a, b, c)`` a conditional."""
    name = called(node)
    if not name or name in BUILTINS or name in context.bound or not isinstance(node, ast.Call):
        return None
    if node.keywords:
        return None
    word, args = name.lower(), node.args
    if word in _CHOICES and len(args) == 3:
        context.note(f"'{name}' was read as a conditional expression", node)
        return ast.Conditional(args[0], args[1], args[2], span=node.span)
    if word in _ARITHMETIC and len(args) == 2 and any(map(_is_number, args)):
        context.note(f"'{name}(a, b)' was read as a {_ARITHMETIC[word]} b", node)
        return ast.Binary(_ARITHMETIC[word], args[0], args[1], span=node.span)
    if word in _ORDER and len(args) == 2 and any(map(_is_number, args)):
        context.note(f"'{name}(a, b)' was read as a {_ORDER[word]} b", node)
        return ast.Comparison(args[0], (_ORDER[word],), (args[1],), span=node.span)
    if word in ("negate", "negative") and len(args) == 1 and _is_number(args[0]):
        context.note(f"'{name}(a)' was read as -a", node)
        return ast.Unary("-", args[0], span=node.span)
    exact = _exact_count(word, args, node)
    if exact is not None:
        context.note(f"'{name}' was read as a count", node)
        return exact
    if word == "description" and len(args) == 2 and _sort_of(args[0], context) is not None:
        context.note(f"'{name}' was read as 'describe'", node)
        return call("describe", *args, at=node)
    if word == "floor" and len(args) == 1 and _is_number(args[0]):
        context.note(f"'{name}' was read as 'int'", node)
        return call("int", *args, at=node)
    numbers = any(_is_number(a.body if isinstance(a, ast.Lambda) else a) for a in args)
    target = _CONNECTIVES.get(word) or (_EXTREMES.get(word) if numbers else None)
    if target is None and word.rstrip("_") in ("and", "or", "not"):
        target = word.rstrip("_") + "_"
    binds = any(isinstance(a, ast.Lambda) for a in args) or (
        len(args) == 1 and isinstance(args[0], ast.Name) and args[0].id == "Object"
    )
    if target is None and binds:
        target = _QUANTIFIERS.get(word) or (word if word in BINDERS else None)
    if target is None:
        return None
    least, most = BUILTINS[target].least, BUILTINS[target].most
    if not least <= len(args) <= most:
        return None
    context.note(f"'{name}' was read as '{target}'", node)
    return call(target, *args, at=node)


def _exact_count(word: str, args: tuple[Expr, ...], node: ast.Node) -> Expr | None:
    """Return ``count(…) == 2`` for ``exists_exactly(2, Object, lambda x: …)``."""
    if word in _EXACTLY_ONE:
        number: Expr = ast.Number(1, span=node.span)
    elif word in _EXACTLY and len(args) > 1 and isinstance(args[0], ast.Number):
        number, args = args[0], args[1:]
    else:
        return None
    if not 1 <= len(args) <= 2 or not isinstance(args[-1], ast.Lambda):
        return None
    return ast.Comparison(call("count", *args, at=node), ("==",), (number,), span=node.span)


def _sort_of(node: ast.Node, context: Context) -> str | None:
    """Return the sort that a name stands for, if no variable has that name."""
    if not isinstance(node, ast.Name) or node.id in context.parameters or node.id in context.bound:
        return None
    return context.vocabulary.sort_named(node.id)


def _is_number(node: Expr) -> bool:
    if isinstance(node, ast.Number) or called(node) in _COUNTS:
        return True
    if isinstance(node, ast.Unary):
        return node.op == "-" and _is_number(node.operand)
    return isinstance(node, ast.Binary) and (_is_number(node.left) or _is_number(node.right))


def truths(node: ast.Node, context: Context) -> Expr | None:
    """``true``, ``true()``, ``true(x)`` and ``False()`` are the truth values."""
    if isinstance(node, ast.Call) and len(node.args) < 2 and isinstance(node.func, ast.Truth):
        return node.func
    if isinstance(node, ast.Name) and node.id in ("true", "false") and node.id not in context.bound:
        context.note(f"'{node.id}' was read as {node.id.title()}", node)
        return ast.Truth(node.id == "true", span=node.span)
    return None


def members_of_sorts(node: ast.Node, context: Context) -> Expr | None:
    """``Size.Large`` is the value ``large``."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return None
    sort = context.vocabulary.sort_named(node.value.id)
    value = context.vocabulary.value_named(node.name)
    if sort is None or value is None or value not in context.vocabulary.values(sort):
        return None
    context.note(f"'{node.value.id}.{node.name}' was read as the value {value}", node)
    return ast.Text(value, span=node.span)


def attributes_in_words(node: ast.Node, context: Context) -> Expr | None:
    """``has_color(x, v)`` is ``color(x, v)``; ``same(Color, a, b)`` is ``same_color(a, b)``."""
    name = called(node)
    if not isinstance(node, ast.Call) or node.keywords or not name or name in context.bound:
        return None
    words, args = context.vocabulary, node.args
    if name.startswith("has_") and len(args) == 2:
        sort = words.sort_named(name[4:])
        if sort in words.sorts and not words.knows(name, 2):
            context.note(f"'{name}' was read as '{words.attribute(str(sort))}'", node)
            return call(words.attribute(str(sort)), *args, at=node)
    if name in ("same", "different", "equal") and len(args) == 3:
        for i in (0, 2):
            sort = _sort_of(args[i], context)
            if sort not in words.sorts:
                continue
            attribute = words.attribute(str(sort))
            context.note(f"'{name}' of {sort} and two objects was read with same_{attribute}", node)
            pair = args[1:] if i == 0 else args[:2]
            same = call(f"same_{attribute}", *pair, at=node)
            return ast.Unary("not", same, span=node.span) if name == "different" else same
    if name in ("greater_than", "less_than") and len(args) == 3:
        key = sole_attribute(args[2], words)
        if key is not None and not key[2] and words.is_ordered(key[0]):
            context.note(f"'{name}(a, b, key)' was read as a comparison by {key[0]}", node)
            return call(name, *(call(words.attribute(key[0]), a, at=node) for a in args[:2]), at=node)
    return None


def compared_with_none(node: ast.Node, context: Context) -> Expr | None:
    """``iota(…) is None`` says that nothing fits; ``color(x) is not None`` is true of everything."""
    if not isinstance(node, ast.Comparison) or len(node.ops) != 1 or not isinstance(node.left, ast.Call):
        return None
    if not isinstance(node.rights[0], ast.Nothing):
        return None
    if called(node.left) not in ("iota", "the"):
        return _no_value(node, context)
    op = {"is": "no", "==": "no", "is not": "exists", "!=": "exists"}.get(node.ops[0])
    if op is None or not 1 <= len(node.left.args) <= 2:
        return None
    context.note("a description compared with None was read as whether something fits", node)
    return call(op, *node.left.args, at=node)


def _no_value(node: ast.Comparison, context: Context) -> Expr | None:
    words, value = context.vocabulary, node.left
    assert isinstance(value, ast.Call)
    place = value.args[0] if called(value) == "describe" and len(value.args) == 2 else value.func
    sort = _sort_of(place, context)
    if sort not in words.sorts or node.ops[0] not in ("is", "==", "is not", "!="):
        return None
    context.note(
        f"the {words.attribute(str(sort))} of an object compared with None: everything has one", node
    )
    return ast.Truth(node.ops[0] in ("is not", "!="), span=node.span)


_NUMBERS = {
    w: i
    for i, w in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
}


def words_of_numbers(node: ast.Node, context: Context) -> Expr | None:
    """``equal(count(…), four)`` compares with 4."""
    if isinstance(node, ast.Comparison) and len(node.ops) == 1:
        sides = [node.left, node.rights[0]]
    elif called(node) in ("equal", "different", "greater_than", "less_than") and isinstance(node, ast.Call):
        sides = list(node.args)
    else:
        return None
    if len(sides) != 2 or not any(map(_is_number, sides)):
        return None
    for i, side in enumerate(sides):
        if (
            isinstance(side, ast.Name)
            and side.id in _NUMBERS
            and side.id not in context.parameters | context.bound
        ):
            context.note(f"'{side.id}' was read as {_NUMBERS[side.id]}", node)
            sides[i] = ast.Number(_NUMBERS[side.id], span=side.span)
            if isinstance(node, ast.Comparison):
                return ast.Comparison(sides[0], node.ops, (sides[1],), span=node.span)
            return call(called(node), *sides, at=node)
    return None


def superlative_values(node: ast.Node, context: Context) -> Expr | None:
    """``size(x) == Smallest`` and ``size(x, "smallest")``: x is the smallest."""
    words = context.vocabulary
    if isinstance(node, ast.Comparison) and node.ops == ("==",) and isinstance(node.left, ast.Call):
        place, word = node.left, node.rights[0]
        args = place.args
    elif isinstance(node, ast.Call) and len(node.args) == 2 and not node.keywords:
        place, word, args = node, node.args[1], node.args[:1]
    else:
        return None
    sort = words.sort_named(called(place))
    name = word.id if isinstance(word, ast.Name) else word.value if isinstance(word, ast.Text) else ""
    if sort is None or not words.is_ordered(sort) or len(args) != 1 or not isinstance(args[0], ast.Name):
        return None
    if not name or name in context.parameters | context.bound or words.comparative(name) is None:
        return None
    context.note(f"the {words.attribute(sort)} '{name}' was read as '{name}(x)'", node)
    return call(name.lower(), args[0], at=node)
