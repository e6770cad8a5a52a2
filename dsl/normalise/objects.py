"""What stands in an object's or a sort's place: names of things, predicates, numbers, variables, pairs."""

from __future__ import annotations

from typing import cast

from dsl.normalise.kinds import EVERY, SOME, VARIABLE, is_predicate, is_superlative, nouns_of
from dsl.normalise.patterns import Match, build, rule
from dsl.normalise.tree import called, conjunction, described, free_names, fresh, name_of, rebuild
from dsl.syntax import ast
from dsl.syntax.ast import Expr


@rule(
    "_predicate(__before, _named, __after)",
    "describe(_s, _named)",
    note="'{shown}' in an object's place was read as the object that is {nouns}",
)
def named_objects(m: Match) -> Expr | None:
    """``behind(x, red_cube)``, ``describe(Color, rightmost_cylinder())``: the object that the name describes."""
    name = m["named"]
    nouns = nouns_of(name, m.context)
    m.say(shown=f"{called(name)}()" if isinstance(name, ast.Call) else m.name("named"), nouns=" and ".join(nouns))
    conditions = conjunction([build("_noun(_y)", name, {}, noun=noun, y="y") for noun in nouns], name)
    meant = build("iota(Object, lambda _y: _all)", name, {}, y="y", all=conditions)
    return m.build(
        "_predicate(__before, _meant, __after)" if "__before" in m.found else "describe(_s, _meant)", meant=meant
    )


@rule("_predicate(_name)", note="'{predicate}' was read as {words}")
def compound_words(m: Match) -> Expr | None:
    """``big_red_cube(x)`` is ``big(x) and red(x) and cube(x)``, where each word is a value of the vocabulary."""
    name = m.name("predicate")
    parts = name.split("_")
    if len(parts) < 2 or m.words.knows(name, 1) or not all(p and m.words.value_named(p) for p in parts):
        return None
    m.say(words=" and ".join(parts))
    return conjunction([m.build("_part(_name)", part=part) for part in parts], m.node)


@rule(
    "_iota(_sort, lambda _x: _body)",
    "describe(_sort, lambda _x: _body)",
    note="'{called}({sort}, …)' of an object was read as the {meant} of the object",
)
def objects_of_value_sorts(m: Match) -> Expr | None:
    """``iota(Material, lambda x: cube(x))`` speaks of an object: ``describe(Material, iota(Object, …))``.

    Only if the variable can not be a value of the sort anywhere, and can be an object everywhere.
    """
    sort, var, nodes = str(m.context.sort_of(m.name("sort"))), m["x"], ast.walk(m["body"])
    places = [n for n in nodes if isinstance(n, ast.Call) and var in n.args]
    if sum(n.args.count(var) for n in places) != nodes.count(var):
        return None  # it stands somewhere else too, as in x == "red"
    readings = {_reading(n, sort, m) for n in places}
    if "value" in readings or "object" not in readings:
        return None
    m.say(called=called(m.node), meant=sort)
    return m.build("describe(_sort, iota(Object, lambda _x: _body))")


def _reading(node: ast.Call, sort: str, m: Match) -> str:
    """Tell what an argument of this call is: a ``value`` of the sort, an ``object``, or ``either``."""
    name, words = called(node), m.words
    if name == "describe" and len(node.args) == 2 and isinstance(node.args[0], ast.Name):
        return "either" if words.sort_named(node.args[0].id) == sort else "object"
    if not is_predicate(name, m.context):
        return "value"
    named = words.sort_named(name)
    if named is not None and named != "Object":
        return "either" if len(node.args) == 1 else "value" if named == sort else "object"
    if len(node.args) == 1:
        known = words.knows(name, 1) or words.is_vacuous(name)
        return "object" if known and words.sort_of_value(name) != sort else "either"
    same = words.same(name)
    if same is not None and same != "object":
        return "value" if words.sort_named(same) == sort else "object"
    return "object" if words.knows(name, 2) else "either"


@rule(
    "_property(__before, _property2(_description), __after)",
    "describe(__before, _property2(_description), __after)",
    note="'{property2}(iota(…))' in an object's place was read as the {meant}",
)
def properties_of_descriptions(m: Match) -> Expr | None:
    """``p(x, left(iota(…)))``: the object left of it; ``p(x, red(iota(…)))``: the described object that is red."""
    name, words, inner = m.name("property2"), m.words, described(m["description"])
    assert inner is not None
    if words.knows(name, 2) and words.comparative(name) is None:
        m.say(meant=f"object that is {name} of it")
        z = fresh("z", free_names(m["description"]) | {name})
        made = m.build("iota(Object, lambda _z: _property2(_z, _description))", m["description"], z=z)
    elif words.knows(name, 1) or words.is_vacuous(name) or is_superlative(name, words):
        m.say(meant=f"one described that is {name}")
        made = m.build(
            "iota(Object, lambda _x: _body and _property2(_x))", m["description"], x=inner.params[0], body=inner.body
        )
    else:
        return None
    place = "_property" if "_property" in m.found else "describe"
    return m.build(f"{place}(__before, _made, __after)", made=made)


@rule(
    "_property(__before, _predicate(_variable), __after)",
    note="'{predicate}(x)' in an object's place was read as {meant}",
)
def properties_of_variables(m: Match) -> Expr | None:
    """``behind(cube(x), y)`` is ``behind(x, y) and cube(x)``; ``same_size(x, left(y))`` means the object left of y."""
    name, words = m.name("predicate"), m.words
    others = m.many("before", "after")
    if not others or m["variable"] in others:
        return None
    if words.sort_of_value(name) is not None:
        m.say(meant="a condition on x")
        return m.build("_property(__before, _variable, __after) and _predicate(_variable)")
    if words.knows(name, 2) and words.comparative(name) is None and words.sort_named(name) is None:
        m.say(meant=f"the object that is {name} of x")
        z = fresh("z", {m.name("variable")})
        return m.build("_property(__before, iota(Object, lambda _z: _predicate(_z, _variable)), __after)", z=z)
    return None


@rule(
    "_property(__before, _number, __after)",
    note="a number beside the objects of '{property}' was read as part of the predicate: '{property} {numbers}'",
)
def numbers_in_predicates(m: Match) -> Expr | None:
    """``row(x, 3)``: a number beside objects belongs to the words of an open predicate, as a text does: "row 3"."""
    name, words = m.name("property"), m.words
    args = (*m.many("before"), m["number"], *m.many("after"))
    numbers = [str(a.value) for a in args if isinstance(a, ast.Number) and isinstance(a.value, int)]
    objects = [a for a in args if not isinstance(a, ast.Number)]
    if not objects or len(args) > 3 or len(numbers) + len(objects) < len(args) or words.closed:
        return None
    if words.is_vacuous(name) or words.comparative(name) is not None or any(words.knows(name, n) for n in (1, 2, 3)):
        return None
    if not all(described(a) is not None or VARIABLE.match(name_of(a)) for a in objects):
        return None
    m.say(numbers=", ".join(numbers))
    texts = tuple(ast.Text(str(a.value), span=a.span) if isinstance(a, ast.Number) else a for a in args)
    return m.build("_property(__texts)", texts=texts)


@rule(
    "_ranging(_variable, __more, lambda _x: _body)",
    note="a variable in the place of a sort was read as one over Object",
)
def variables_as_sorts(m: Match) -> Expr | None:
    """``iota(x, lambda x: red(x))`` ranges over objects; ``exists(x, y, lambda x: …)`` binds both variables."""
    names = [name_of(h) for h in (m["variable"], *m.many("more"))]
    var, body = m.name("x"), m["body"]
    others = [n for n in names if n not in ("Object", var)]
    if len(set(names)) < len(names):
        return None
    if not all(VARIABLE.match(n) and m.words.value_named(n) is None for n in (*others, var)):
        return None
    if others and (m.name("ranging") not in SOME or not set(others) <= free_names(body)):
        return None
    if m.context.parameters.union(m.context.bound).intersection(others):
        return None  # an enclosing lambda's variable is no sort
    for inner in (var, *reversed(others)):
        body = m.build("_ranging(Object, lambda _x: _body)", x=inner, body=body)
    return body


@rule(
    "_quantifier(Object, Object, _function)",
    "_quantifier(_pair, _function)",
    "_quantifier(_pair(Object, Object), _function)",
    "_paired(_function)",
    "_paired(Object, _function)",
    "_paired(Object, Object, _function)",
    note="'{called}' over pairs was read as one of two different objects",
)
def pairs_of_objects(m: Match) -> Expr | None:
    """``exists(Pair, lambda p: f(p[0], p[1]))``, ``exists_pair(Object, lambda x, y: …)``: two different objects."""
    two, name = _of_two(cast(ast.Lambda, m["function"])), called(m.node)
    if two is None:
        return None
    m.say(called=name)
    x, y = two.params
    whole = "implies(distinct(_x, _y), _body)" if name in EVERY else "distinct(_x, _y) and _body"
    quantifier = "exists" if "_paired" in m.found else name
    return m.build(f"{quantifier}(Object, lambda _x, _y: {whole})", x=x, y=y, body=two.body)


def _of_two(function: ast.Lambda) -> ast.Lambda | None:
    """Return the lambda with two variables; ``p[0]`` and ``p[1]`` of one variable become two."""
    if len(function.params) != 1:
        return function if len(function.params) == 2 else None
    pair, nodes = ast.Name(function.params[0]), ast.walk(function.body)
    items = [n for n in nodes if isinstance(n, ast.Subscript) and n.value == pair]
    if {n.index for n in items} != {ast.Number(0), ast.Number(1)} or nodes.count(pair) != len(items):
        return None
    used = {pair.id}.union(*(n.params for n in nodes if isinstance(n, ast.Lambda)))
    used |= {n.id for n in nodes if isinstance(n, ast.Name)}
    names = (fresh(pair.id, used), fresh(pair.id, used))

    def change(inner: ast.Node) -> ast.Node:
        if isinstance(inner, ast.Subscript) and inner.value == pair and isinstance(inner.index, ast.Number):
            return ast.Name(names[int(inner.index.value)], span=inner.span)
        if isinstance(inner, ast.Lambda) and pair.id in inner.params:
            return inner
        return rebuild(inner, change)

    return ast.Lambda(names, cast(Expr, change(function.body)), span=function.span)
