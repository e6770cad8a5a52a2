"""The most of something: the largest of a set, the value of the largest count, superlatives of the vocabulary."""

from __future__ import annotations

from typing import cast

from dsl.normalise.context import Context
from dsl.normalise.kinds import sole_attribute
from dsl.normalise.patterns import Match, build, rule
from dsl.normalise.tree import alike, called, conjunction, conjuncts, described, free_names, fresh, rebuild, substitute
from dsl.normalise.values import group_of
from dsl.syntax import ast
from dsl.syntax.ast import Expr


@rule(
    "_largest(Object, __args)",
    "_largest(_description, __args)",
    "_smallest(Object, __args)",
    "_smallest(_description, __args)",
    note="'{called}' of objects by {sort} was read as the object that no other exceeds",
)
def extreme_objects(m: Match) -> Expr | None:
    """``max(Object, lambda x: cube(x), lambda x: size(x))``: the cube whose size no other cube exceeds."""
    among = m["description"] if "_description" in m.found else ast.Name("Object")
    group = group_of(m, (among, *m.many("args")))
    keys = [sole_attribute(arg, m.words) for arg in m.many("args")]
    if group is None or not m.words.is_ordered(m.said["sort"]) or any(key is not None and key[2] for key in keys):
        return None
    no_other = f"_attribute(_x) {'>=' if '_largest' in m.found else '<='} _attribute(_y)"
    x, whole = str(group["x"]), cast(Expr, group["all"])
    y = fresh(x, free_names(whole) | {x})
    if group["fits"]:
        m.context.copied(whole)
        no_other = f"implies(_too, {no_other})"
    too = substitute(whole, x, ast.Name(y, span=m.node.span))
    m.say(called=called(m.node))
    return m.build(f"iota(Object, lambda _x: __fits and forall(Object, lambda _y: {no_other}))", **group, y=y, too=too)


@rule("_superlative(_name, Object)", note="'{superlative}(x, Object)' was read as '{superlative}(x)'")
def superlatives_of_all(m: Match) -> Expr | None:
    """``farthest(x, Object)`` is ``farthest(x)``; with a comparative in the vocabulary it is written out below."""
    return None if m.words.comparative(m.name("superlative")) else m.build("_superlative(_name)")


@rule(
    "_superlative(_name, Object, _function)",
    note="'{superlative}(x, Object, lambda …)' was read as the {superlative} of those that fit",
)
def superlatives_of_those(m: Match) -> Expr | None:
    """``largest(x, Object, lambda y: cube(y))`` is the largest of the cubes."""
    known = m.words.comparative(m.name("superlative"))
    return m.build("_superlative(_name, iota(Object, _function))") if known else None


@rule(
    "_predicate(__before, _superlative(__domain, _group), __after)",
    "describe(__before, _superlative(__domain, _group), __after)",
    note="'{superlative}' of objects in an object's place was read as the one that is {superlative}",
)
def superlative_objects(m: Match) -> Expr | None:
    """``f(x, closest(Object, lambda y: cube(y)))``: the cube that is closest."""
    group, domain, everything = m["group"], m.many("domain"), ast.Name("Object")
    y: str = "y"
    fits: tuple[Expr, ...] = ()
    if isinstance(group, ast.Lambda) and len(group.params) == 1 and domain in ((), (everything,)):
        y, key = group.params[0], sole_attribute(group, m.words)
        if key is None or key[2]:
            fits = tuple(c for c in conjuncts(group.body) if c != ast.Truth(True))
    elif group != everything or domain:
        return None
    made = m.build("iota(Object, lambda _y: __fits and _superlative(_y))", m["superlative"], fits=fits, y=y)
    place = "_predicate" if "_predicate" in m.found else "describe"
    return m.build(f"{place}(__before, _made, __after)", made=made)


@rule("_binder(_name, lambda _x: _body)",
      note="'{word}(count(…))' as a condition was read as: no other {sort} has a {size} count")  # fmt: skip
def largest_counts(m: Match) -> Expr | None:
    """``iota(Color, lambda c: max(count(… c …)))``: the value (or object) of which no other has a larger count.

    Also where the maximum is compared with the same count: ``count(… c …) == max(count(… c …))``.
    """
    sort, x, parts = m.context.sort_of(m.name("name")), m.name("x"), list(conjuncts(m["body"]))
    if sort is None or (sort != "Object" and not m.words.values(sort)):
        return None
    peaks = {i: peak for i, part in enumerate(parts) if (peak := _peak(part, x)) is not None}
    for i, (word, total) in peaks.items():
        y = fresh(x, free_names(total) | {x})
        m.context.copied(total)
        other = substitute(total, x, ast.Name(y, span=parts[i].span))
        op, size = (">=", "larger") if word == "max" else ("<=", "smaller")
        parts[i] = m.build(f"forall(_name, lambda _y: _total {op} _other)", parts[i], y=y, total=total, other=other)
        m.say(word=word, sort=sort, size=size)
    return m.build("_binder(_name, lambda _x: _body)", body=conjunction(parts, m.node)) if peaks else None


def _peak(part: Expr, var: str) -> tuple[str, Expr] | None:
    """Return (max or min, count) of a condition ``max(count)`` or ``count == max(count)``."""
    sides: tuple[Expr, ...] = (part,)
    if isinstance(part, ast.Comparison) and part.ops == ("==",):
        sides = (part.left, part.rights[0])
    elif isinstance(part, ast.Call) and called(part) == "equal":
        sides = part.args
    for peak, same in zip(sides, sides[::-1], strict=True):
        word = {"maximum": "max", "minimum": "min"}.get(called(peak), called(peak))
        if word not in ("max", "min") or not isinstance(peak, ast.Call) or len(peak.args) != 1:
            continue
        total, plain = peak.args[0], all(k.name == "default" for k in peak.keywords)
        counted = called(total) == "count" and var in free_names(same)
        if plain and counted and (same is peak or alike(total, same)):
            return word, total
    return None


_Fits = dict[str, tuple[Expr, ...]]
"""Variable → the conditions beside its superlatives."""


def superlatives(program: ast.Program, context: Context) -> ast.Program:
    """Write superlatives out with the comparatives that the vocabulary names for them.

    ``largest(x)`` beside other conditions ψ(x) is ``ψ(x) and ∀y (ψ(y) → larger(x, y))``; in
    ``largest(x, iota(Object, lambda y: ψ(y)))`` the description is the set compared with. A superlative without a
    comparative in the vocabulary stays a plain predicate.
    """
    if not context.words.superlatives or not any(_comparative(n, context) for n in ast.walk(program)):
        return program
    return cast(ast.Program, _change(program, {}, context))


def _comparative(node: ast.Node, context: Context) -> str | None:
    if not isinstance(node, ast.Call) or node.keywords or not called(node) or called(node) in context.bound:
        return None
    return context.words.comparative(called(node))


def _change(node: ast.Node, fits: _Fits, context: Context) -> ast.Node:
    if isinstance(node, ast.Lambda):
        fits = {k: v for k, v in fits.items() if k not in node.params}
        if len(node.params) == 1:
            fits[node.params[0]] = _conditions(node.params[0], node.body, context)
    made = rebuild(node, lambda child: _change(child, fits, context))
    relation = _comparative(node, context)
    if relation is None or not isinstance(made, ast.Call):
        return made
    return _written_out(made, relation, fits, context) or made


def _conditions(var: str, body: Expr, context: Context) -> tuple[Expr, ...]:
    """Return the conjuncts that say something of the variable, without its superlatives and without 'object'."""
    out = []
    for part in conjuncts(body):
        inner = [n for n in ast.walk(part) if isinstance(n, ast.Call)]
        if any(_comparative(n, context) and n.args and n.args[0] == ast.Name(var) for n in inner):
            continue
        if not context.words.is_vacuous(called(part)) and var in free_names(part):
            out.append(part)
    return tuple(out)


def _written_out(node: ast.Call, relation: str, fits: _Fits, context: Context) -> Expr | None:
    """Return a superlative as a formula with its comparative, or ``None`` if its arguments have no clear meaning."""
    name = called(node)
    if not node.args or len(node.args) > 2 or isinstance(node.args[0], ast.Lambda):
        return None
    target, *among = node.args
    members: tuple[Expr, ...] = ()
    if among and not _everything(among[0]):
        inner = among[0] if isinstance(among[0], ast.Lambda) and len(among[0].params) == 1 else described(among[0])
        if inner is None or not isinstance(target, ast.Name):
            return None
        var, conditions = inner.params[0], conjuncts(inner.body)
        said = [c for c in conditions if target.id == var or target.id not in free_names(c)]
        members = tuple(substitute(c, var, target) for c in said if not context.words.is_vacuous(called(c)))
        context.note(f"'{name}(x, …)' was read as the {name} of the objects described")
    elif isinstance(target, ast.Name) and target.id in fits:
        outside = {k: v for k, v in fits.items() if k != target.id}
        var = target.id
        # As they were written: what they say of other variables may be superlatives too.
        conditions = tuple(cast(Expr, _change(c, outside, context)) for c in fits[var])
        rest = "that fit the other conditions" if conditions else "of the picture"
        context.note(f"'{name}({target.id})' was read as the {name} of the objects {rest}")
    else:
        var, conditions = "y", ()
        context.note(f"'{name}(…)' was read as the {name} of the objects of the picture")
    y = fresh(var, free_names(node).union(*(free_names(c) for c in conditions), fits))
    for condition in conditions:
        context.copied(condition)
    other = build("_relation(_x, _y)", node, {}, relation=relation, x=target, y=y)
    if conditions:
        fits_too = conjunction([substitute(c, var, ast.Name(y, span=node.span)) for c in conditions], node)
        other = build("implies(_p, _q)", node, {}, p=fits_too, q=other)
    return build("__members and forall(Object, lambda _y: _other)", node, {}, members=members, y=y, other=other)


def _everything(node: Expr) -> bool:
    """Tell whether an argument is ``Object``, or ``set(Object)``."""
    if isinstance(node, ast.Call) and called(node) in ("set", "list") and len(node.args) == 1:
        node = node.args[0]
    return isinstance(node, ast.Name) and node.id in ("Object", "objects")
