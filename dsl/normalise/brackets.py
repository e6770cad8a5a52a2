"""Brackets closed too early or too late, predicates inside predicates, two conditions for one."""

from __future__ import annotations

from itertools import pairwise

from dsl.normalise.kinds import DESCRIBING, EVERY, takes
from dsl.normalise.patterns import Match, rewriting, rule
from dsl.normalise.tree import at_its_end, called, conjunction, conjuncts, described, free_names, substitute
from dsl.syntax import ast
from dsl.syntax.ast import Expr

_ORDERS = ("==", "!=", "<", ">", "<=", ">=")
_TOO_LATE = {
    f"describe(_s, lambda _k: _of(_k, _o) {op} _value)": f"describe(_s, lambda _k: _of(_k, _o)) {op} _value"
    for op in _ORDERS
} | {f"describe(_s, _description {op} _word)": f"describe(_s, _description) {op} _word" for op in ("==", "!=")}


@rule(*_TOO_LATE, note="a comparison inside 'describe' was read as one of the value described")
def comparisons_inside(m: Match) -> Expr | None:
    """``describe(Color, iota(…) == "red")`` has its bracket too late: ``describe(Color, iota(…)) == "red"``."""
    if "_value" in m.found:
        plain = isinstance(m["value"], ast.Number | ast.Truth | ast.Nothing)
        if plain or m.name("k") in free_names(m["value"]):
            return None
    return m.build(_TOO_LATE[m.pattern])


@rule(
    *(f"_formula {op} _number" for op in _ORDERS),
    note="a number compared with a formula was read as compared with the count at its end",
)
def counts_compared_outside(m: Match) -> Expr | None:
    """``f(x, iota(… count(…))) == 2``: only the count can be compared with a number, the bracket is too late."""
    whole = m.node
    assert isinstance(whole, ast.Comparison)

    def compared(node: Expr) -> Expr | None:
        return ast.Comparison(node, whole.ops, whole.rights, span=node.span) if called(node) == "count" else None

    return at_its_end(m["formula"], compared)


sorts_as_conditions = rewriting(
    {"lambda _x: Object": "lambda _x: True", "__before and Object and __after": "__before and __after"},
    "'Object' as a condition was read as true",
)
"""``Object and red(x)`` is ``red(x)``, ``lambda x: Object`` true: everything is an object."""


@rule(
    "_restricted(_over, lambda _x: _body, _first, __more)",
    "_restricted(lambda _x: _body, _first, __more)",
    note="an argument after a lambda was read as the last one of 'between'",
)
def arguments_after_lambda(m: Match) -> Expr | None:
    """``iota(Object, lambda x: between(x, a), b)`` has its bracket too early: ``between(x, a, b)``."""
    rest = (m["first"], *m.many("more"))
    parts = list(conjuncts(m["body"]))
    short = [i for i, p in enumerate(parts) if isinstance(p, ast.Call) and "between" in called(p) and len(p.args) == 2]
    if len(short) != 1 or len(rest) > 2 or any(isinstance(a, ast.Lambda) for a in rest):
        return None
    between = parts[short[0]]
    assert isinstance(between, ast.Call)
    parts[short[0]] = ast.Call(between.func, (*between.args, *rest), span=between.span)
    head = "_over, " if "_over" in m.found else ""
    return m.build(f"_restricted({head}lambda _x: _body)", body=conjunction(parts, m["body"]))


@rule(
    "_restricted(Object, _condition, _condition2)",
    "_restricted(_condition, _condition2)",
    note="'{restricted}' with two conditions was read as{reading}",
)
def restricted_quantifiers(m: Match) -> Expr | None:
    """``all(lambda x: p(x), lambda y: q(y))`` says that every p is q; ``exists(iota(…p…), lambda y: q(y))`` too."""
    name, first, second = m.name("restricted"), m["condition"], m["condition2"]
    if described(second) is not None:  # all(lambda x: blue(x), iota(Object, lambda x: cube(x)))
        first, second = second, first
    inner = described(first) or first
    if not isinstance(inner, ast.Lambda) or not isinstance(second, ast.Lambda):
        return None
    if name in DESCRIBING and (inner is not first or inner.params != second.params):
        return None
    var = second.params[0]
    if var in free_names(inner):
        return None
    body = substitute(inner.body, inner.params[0], ast.Name(var, span=inner.span))
    m.context.copied(body)
    every = name in EVERY
    m.say(reading=": all that fit the first fit the second" if every else " both of them")
    return m.build(
        f"_restricted(Object, lambda _x: {'implies(_p, _q)' if every else '_p and _q'})", x=var, p=body, q=second.body
    )


plurals = rewriting(
    {"_same(_description)": "_same(_description, _description)"},
    "'{same}' of one description was read as a plural: of all objects that fit",
)
"""``same_color(iota(…))`` is a plural: ``same_color(iota(…), iota(…))``."""


@rule("_same(_a, _b, _c, __more)", note="'{same}' of {count} objects was read pairwise")
def many_same(m: Match) -> Expr | None:
    """``same_color(a, b, c)`` compares neighbours."""
    args = (m["a"], m["b"], m["c"], *m.many("more"))
    if any(isinstance(a, ast.Lambda) for a in args):
        return None
    for arg in args[1:-1]:
        m.context.copied(arg)
    m.say(count=str(len(args)))
    return conjunction([m.build("_same(_a, _b)", a=a, b=b) for a, b in pairwise(args)], m.node)


@rule(
    "_property(_saying)",
    note="a predicate inside a predicate, as in small(red(x)), was read as both of the same object",
)
def nested_predicates(m: Match) -> Expr | None:
    """``small(red(x))`` is ``small(x) and red(x)``."""
    subjects: set[str] = set()
    for part in conjuncts(m["saying"]):
        if not isinstance(part, ast.Call) or not part.args or not takes("property", part.func, m.context):
            return None
        if m.words.closed and not m.words.knows(called(part), len(part.args)):
            return None  # an unknown word: whether an object or a condition is meant, nobody can tell
        subject = part.args[0]
        if not isinstance(subject, ast.Name) or not m.context.may_be_variable(subject.id):
            return None
        subjects.add(subject.id)
    if len(subjects) != 1:  # `and_()` joins nothing: it says nothing of anybody
        return None
    return m.build("_property(_x) and _saying", x=ast.Name(subjects.pop(), span=m["saying"].span))


@rule(
    "_predicate(__before, _first and __rest, __after)",
    note="a condition joined to an argument by 'and' was read as joined to the whole predicate",
)
def conjuncts_in_arguments(m: Match) -> Expr | None:
    """``p(x, iota(…) and q)`` is ``p(x, iota(…)) and q``: the bracket was closed too late."""
    among_others = bool(m.many("before", "after"))
    if described(m["first"]) is None and not (among_others and takes("property", m["first"], m.context)):
        return None
    return m.build("_predicate(__before, _first, __after) and __rest")
