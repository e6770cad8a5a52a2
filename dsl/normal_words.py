"""Normal forms of words: other names for what the language has, and values and truths in other spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import ast
from .ast import Expr
from .builtins import BINDERS, BUILTINS
from .normal_tree import call, called

if TYPE_CHECKING:
    from .normalise import Context

_CONNECTIVES = {
    "and_func": "and_", "and_op": "and_", "and_all": "and_", "conjunction": "and_", "or_func": "or_",
    "or_op": "or_", "disjunction": "or_", "not_func": "not_", "not_op": "not_", "negation": "not_",
    "if_then": "implies", "implication": "implies", "not_equal": "different", "not_equals": "different",
    "equals": "equal", "is_equal": "equal", "eq": "equal",
}  # fmt: skip
_QUANTIFIERS = {
    "for_all": "forall", "forallobjects": "forall", "all_of": "forall", "there_exists": "exists",
    "exist": "exists", "exists_object": "exists", "how_many": "count", "number_of": "count",
    "find": "iota", "select": "iota", "unique": "iota",
}  # fmt: skip
_ARITHMETIC = {
    "divide": "/", "div": "/", "divided_by": "/", "plus": "+", "add": "+", "minus": "-", "subtract": "-",
    "subtraction": "-", "addition": "+", "difference": "-",
    "times": "*", "multiply": "*",
}  # fmt: skip
_ORDER = {
    "greater": ">", "more_than": ">", "greater_than": ">", "less": "<", "fewer_than": "<",
    "less_than": "<", "greater_than_or_equal": ">=", "greater_than_equal": ">=", "greater_than_or_equal_to": ">=",
    "greater_or_equal": ">=", "at_least": ">=", "less_than_or_equal": "<=", "less_than_or_equal_to": "<=",
    "less_or_equal": "<=", "at_most": "<=",
}  # fmt: skip
_EXTREMES = {"maximum": "max", "minimum": "min"}
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


def _is_number(node: Expr) -> bool:
    if isinstance(node, ast.Number) or called(node) in _COUNTS:
        return True
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
    if name in ("same", "different", "equal") and len(args) == 3 and isinstance(args[0], ast.Name):
        sort = words.sort_named(args[0].id)
        if sort in words.sorts:
            attribute = words.attribute(str(sort))
            context.note(f"'{name}({args[0].id}, a, b)' was read with same_{attribute}", node)
            same = call(f"same_{attribute}", args[1], args[2], at=node)
            return ast.Unary("not", same, span=node.span) if name == "different" else same
    return None


def compared_with_none(node: ast.Node, context: Context) -> Expr | None:
    """``iota(…) is None`` says that nothing fits."""
    if not isinstance(node, ast.Comparison) or len(node.ops) != 1 or called(node.left) not in ("iota", "the"):
        return None
    if not isinstance(node.rights[0], ast.Nothing) or not isinstance(node.left, ast.Call):
        return None
    op = {"is": "no", "==": "no", "is not": "exists", "!=": "exists"}.get(node.ops[0])
    if op is None or not 1 <= len(node.left.args) <= 2:
        return None
    context.note("a description compared with None was read as whether something fits", node)
    return call(op, *node.left.args, at=node)
