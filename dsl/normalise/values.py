"""Questions about the values of a sort: described, the commonest, how many different, all the same."""

from __future__ import annotations

from dsl.normalise.kinds import sole_attribute
from dsl.normalise.patterns import Match, rewriting, rule
from dsl.normalise.tree import called, conjunction, described, free_names, fresh, name_of, substitute
from dsl.syntax import ast
from dsl.syntax.ast import Expr


@rule(
    "describe(_name, lambda _k: _of(_k, _o))",
    "describe(_name, lambda _k: _of(_o, _k))",
    note="'{name}' has no known values: describe asks openly for it",
)
def described_sorts(m: Match) -> Expr | None:
    """``describe(Finish, lambda k: Finish(k, o))`` is ``describe(Finish, o)`` where Finish has no known values."""
    sort = m.words.sort_named(m.name("name"))
    if m.words.values(sort or "") or m.name("k") in free_names(m["o"]):
        return None
    if m["of"] != m["name"] and (sort is None or m.words.sort_named(m.name("of")) != sort):
        return None
    named = m["name"] if sort else ast.Text(m.name("name"), span=m["name"].span)
    return m.build("describe(_named, _o)", named=named)


@rule("describe(_sort, _parameter, _parameter2)", note="'describe({sort}, a, b)' was read as '{attribute}(a, b)'")
def describe_of_three(m: Match) -> Expr | None:
    """``describe(Color, c, x)`` with two variables says that c is the colour of x."""
    sort = str(m.context.sort_of(m.name("sort")))
    m.say(sort=sort, attribute=m.words.attribute(sort))
    return m.build("_attribute(_parameter, _parameter2)", attribute=m.words.attribute(sort))


@rule(
    "_counting(_different(__args), Object)",
    "_counting(_different(__args), __more)",
    "_counting(_different, __args)",
    "_counting(_sort, Object)",
    "_count_different(__args)",
    note="the number of different {sort}s was read as: of how many of them there is an object",
)
def distinct_values(m: Match) -> Expr | None:
    """``count(Distinct(Color), Object)``, ``count_distinct(Object, lambda x: color(x))``: how many colours occur."""
    args = (*((m["sort"],) if "_sort" in m.found else ()), *m.many("args", "more"))
    if "Object" in m.pattern or ("__more" in m.found and not m.many("more")):
        args = (*args, ast.Name("Object"))
    elif len(args) == 1 and "_different" in m.found:
        key = sole_attribute(args[0], m.words)
        if key is not None and any(isinstance(n, ast.Lambda) for part in key[2] for n in ast.walk(part)):
            return None
    group = group_of(m, args)
    template = "count(_sort, lambda _v: exists(Object, lambda _x: __fits and _attribute(_x, _v)))"
    return m.build(template, **group) if group is not None else None


def group_of(
    m: Match, args: tuple[Expr, ...], only: str | None = None
) -> dict[str, Expr | tuple[Expr, ...] | str] | None:
    """Return what the arguments say of a group of objects and of one sort, as holes of templates; or ``None``.

    The sort is named itself (``Color``) or by ``lambda x: color(x)``; the group, in any order, is ``Object``, a
    lambda, or a description; a variable alone says nothing.

    The holes: the ``sort``, its ``attribute``, what ``fits`` (the group's conditions) and ``all`` of them joined, ``x``
    (the variable that they speak of), ``v`` (another one).
    """
    sorts: set[str] = set()
    groups: list[tuple[str, Expr]] = []
    keys: list[tuple[str, list[Expr]]] = []
    whole = False
    for arg in args:
        sort, group = m.context.value_sort(name_of(arg)), described(_members(arg)) or arg
        key = sole_attribute(arg, m.words)
        if sort is not None:
            sorts.add(sort)
        elif key is not None and key[0] == (only or key[0]):
            sorts.add(key[0])
            keys.append((key[1], key[2]))
        elif isinstance(group, ast.Lambda) and len(group.params) == 1:
            groups.append((group.params[0], group.body))
        elif name_of(arg) in ("Object", "objects"):
            whole = True
        else:
            return None
    if len(sorts) != 1 or len(keys) > 1 or not (keys or groups or whole):
        return None
    x, sort = groups[0][0] if groups else keys[0][0] if keys else "x", sorts.pop()
    conditions = [*groups, *((old, part) for old, rest in keys for part in rest)]
    said = [(old, part) for old, part in conditions if part not in (ast.Truth(True), ast.Name("Object"))]
    fits = tuple(substitute(part, old, ast.Name(x, span=part.span)) for old, part in said)
    m.say(sort=sort, attribute=m.words.attribute(sort))
    return {
        "sort": sort,
        "attribute": m.words.attribute(sort),
        "fits": fits,
        "all": conjunction(fits or (ast.Truth(True, span=m.node.span),), m.node),
        "x": x,
        "v": fresh("v", {x}.union(*(free_names(f) for f in fits))),
    }


def _members(arg: Expr) -> Expr:
    """Return what is inside ``set(…)``, or the argument itself."""
    if isinstance(arg, ast.Call) and called(arg) in ("set", "list", "Group", "group") and len(arg.args) == 1:
        return arg.args[0]
    return arg


_COMMONEST = "mode(_sort, lambda _v: count(Object, lambda _x: __fits and _attribute(_x, _v)))"
_COMMONEST_NOTE = "the commonest {sort} was read as the one of which there are most objects"


@rule("_mode(__args)", "_mode(describe(__args))", note=_COMMONEST_NOTE)
def attribute_modes(m: Match) -> Expr | None:
    """``mode(describe(Color, Object))``, ``most_common(Object, lambda x: color(x))``: the colour of most objects."""
    args = m.many("args")
    over_sort = len(args) == 2 and m.context.value_sort(name_of(args[0])) and isinstance(args[1], ast.Lambda)
    if over_sort and m.name("mode") == "mode":
        return None  # mode(Color, lambda c: count(…))
    if m.name("mode") in ("majority", "most") and len(args) > 1:
        return None  # of a described group: see majorities
    group = group_of(m, args)
    return m.build(_COMMONEST, **group) if group is not None else None


modes_described = rewriting({"describe(_sort, mode(_sort, __more))": "mode(_sort, __more)"}, "")
"""The commonest colour is a colour."""


@rule("describe(_sort, majority(__args))", "describe(_sort, most(__args))", note=_COMMONEST_NOTE)
def majorities(m: Match) -> Expr | None:
    """``describe(Color, majority(Object, lambda x: cube(x)))``: the commonest colour of the cubes."""
    group = group_of(m, (m["sort"], *m.many("args")), m.context.sort_of(m.name("sort")))
    return m.build(_COMMONEST, **group) if group is not None else None


@rule("_all_same(__args)", "_same(Object)", note="'{called}' was read as: all that fit have the same {attribute}")
def all_the_same(m: Match) -> Expr | None:
    """``all_same(Material, lambda x: cube(x))``: the plural, ``same_material`` of all that fit."""
    args = m.many("args")
    if "_same" in m.found:
        args = (ast.Name("Object"), ast.Text(m.name("same").removeprefix("same_")))
    args = tuple(_sort_named(a.value, m) if isinstance(a, ast.Text) else a for a in args)
    group = group_of(m, args)
    if group is None:
        return None
    described_group = m.build("iota(Object, lambda _x: _all)", **group)
    m.context.copied(described_group)
    m.say(called=called(m.node))
    return m.build("_same(_group, _group)", same=f"same_{group['attribute']}", group=described_group)


def _sort_named(attribute: str, m: Match) -> Expr:
    name = attribute.title()
    return ast.Name(name if m.words.values(m.words.sort_named(name) or "") else name.rstrip("s"), span=m.node.span)
