"""Normal forms of names of things: ``rightmost_cylinder()``, ``redCube``, ``for c in colors``, ``_``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from dsl.builtins import BUILTINS
from dsl.normalise.tree import (
    call,
    called,
    calls_predicate,
    conjunction,
    free_names,
    fresh,
    iota,
    is_superlative,
    rebuild,
)
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_EMPTY = frozenset({"the", "object", "thing", "item", "shape"})


def named_objects(node: ast.Node, context: Context) -> Expr | None:
    """``behind(x, red_cube)``, ``describe(Color, rightmost_cylinder())``: the object that the name describes.

    A name alone must be made of several words, each a value of the vocabulary of its own sort; the name of a call
    without arguments may be one word, and a superlative or a place in the picture.
    """
    if isinstance(node, ast.Comparison):
        return _compared(node, context)
    if called(node) == "describe" and isinstance(node, ast.Call) and len(node.args) == 2:
        first = 1
    elif calls_predicate(node, context.bound):
        first = 0
    else:
        return None
    for i, arg in enumerate(node.args[first:], first):
        made = _meant(arg, context)
        if made is not None:
            return ast.Call(node.func, (*node.args[:i], made, *node.args[i + 1 :]), span=node.span)
    return None


def _compared(node: ast.Comparison, context: Context) -> Expr | None:
    if node.ops not in (("==",), ("!=",)):
        return None
    left, right = (
        (_meant(side, context) if isinstance(side, ast.Call) else None)
        for side in (node.left, node.rights[0])
    )
    if left is None and right is None:
        return None
    return ast.Comparison(left or node.left, node.ops, (right or node.rights[0],), span=node.span)


def _meant(arg: Expr, context: Context) -> Expr | None:
    """Return the description that a name, or a call without arguments, stands for."""
    if isinstance(arg, ast.Call):
        name, shown = called(arg), f"{called(arg)}()"
        if not name or arg.args or arg.keywords or name in BUILTINS or name in context.bound:
            return None
        parts = _parts_of_call(name, context)
    elif isinstance(arg, ast.Name):
        name = shown = arg.id
        if name in context.bound or name in BUILTINS or context.vocabulary.value_named(name):
            return None
        parts = _parts_of_name(name, context)
    else:
        return None
    if not parts:
        return None
    here = arg.span
    conditions = [call(p, ast.Name("y", span=here), at=arg) for p in parts]
    context.note(f"'{shown}' in an object's place was read as the object that is {' and '.join(parts)}", arg)
    return iota("y", conjunction(conditions, arg), arg)


def _parts_of_name(name: str, context: Context) -> list[str]:
    words = context.vocabulary
    found = _WORDS.findall(name)
    if len(found) < 2:
        return []
    parts = [w if words.value_named(w) else w.lower() for w in found if w.lower() not in _EMPTY]
    if not parts or not all(words.value_named(p) for p in parts):
        return []
    return parts if len({words.sort_of_value(p) for p in parts}) == len(parts) else []


def _parts_of_call(name: str, context: Context) -> list[str]:
    words = context.vocabulary
    found = [w.lower() for w in _WORDS.findall(name) if w.lower() not in _EMPTY]
    if not found:
        return [name] if words.is_vacuous(name) else []
    known = all(words.value_named(w) or words.comparative(w) for w in found)
    sorts = [words.sort_of_value(w) for w in found if words.value_named(w)]
    if known and len(set(sorts)) == len(sorts):
        return found
    whole = "_".join(found)
    return [whole] if words.knows(whole, 1) or is_superlative(whole, words) else []


def plurals_of_sorts(node: ast.Node, context: Context) -> ast.Node | None:
    """``for c in colors``: over the values of Color."""
    if not isinstance(node, ast.Clause):
        return None
    items = node.iterable
    name = items.id if isinstance(items, ast.Name) else called(items)
    if not name or name in context.bound or (isinstance(items, ast.Call) and (items.args or items.keywords)):
        return None
    word = name.lower().removeprefix("all_")
    sort = context.vocabulary.sort_named(word[:-1]) if word.endswith("s") else None
    if sort is None or sort not in context.vocabulary.sorts or not context.vocabulary.values(sort):
        return None
    context.note(f"'{name}' was read as the values of {sort}", node)
    return ast.Clause(node.target, ast.Name(sort, span=items.span), node.conditions, span=node.span)


def anything(program: ast.Program, context: Context) -> ast.Program:
    """``on(x, _)``: x is on something; ``iota(Object, lambda x: _)``: any object."""
    if "_" not in context.names or "_" in context.bound or "_" not in free_names(program):
        return program
    return cast(ast.Program, _filled(program, context))


def _filled(node: ast.Node, context: Context) -> ast.Node:
    if isinstance(node, ast.Lambda):
        if "_" in node.params:
            return node
        if node.body == ast.Name("_"):
            context.note("'_' as a condition was read as true", node)
            return ast.Lambda(node.params, ast.Truth(True, span=node.body.span), span=node.span)
    made = rebuild(node, lambda child: _filled(child, context))
    if not calls_predicate(made, context.bound) or ast.Name("_") not in made.args or len(made.args) < 2:
        return made
    used = {*context.names}
    found: list[str] = []
    args = []
    for arg in made.args:
        if arg == ast.Name("_"):
            found.append(fresh("y", used))
            arg = ast.Name(found[-1], span=arg.span)
        args.append(arg)
    context.note("'_' in an object's place was read as some object", node)
    body: Expr = ast.Call(made.func, tuple(args), span=made.span)
    for var in reversed(found):
        body = call(
            "exists", ast.Name("Object", span=made.span), ast.Lambda((var,), body, span=made.span), at=made
        )
    return body
