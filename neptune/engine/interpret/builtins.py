"""What the built-in functions do: those of logic here, those on plain data in `plain_builtins`.

Which there are and what they take is declared in :mod:`dsl.builtins`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from dsl import plan
from dsl.builtins import BUILTINS
from dsl.errors import ProgramError
from dsl.plan import make
from dsl.syntax import ast
from neptune.engine.interpret import operators, plain_builtins, quantifiers, values
from neptune.engine.interpret.running import Args, Function, Keywords, RunningProgram


def call(run: RunningProgram, name: str, args: Args, keywords: Keywords, node: ast.Expr) -> Any:
    """Call a built-in.

    Raises
    ------
    dsl.ProgramError
        If the arguments do not fit.
    """
    if name != "len":
        run.charge(args, node)
    try:
        return FUNCTIONS[name](run, args, keywords, node)
    except (IndexError, TypeError, ValueError, KeyError, OverflowError) as error:
        raise ProgramError(
            f"'{name}' can not take these arguments: {error}", node.span, expected=BUILTINS[name].signature
        ) from error


# --- describing and asking -----------------------------------------------------------------------


def _describe(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    sorts = [a for a in args if isinstance(a, values.SortRef)]
    names = [a.name for a in args if isinstance(a, values.PredicateRef)] + [a for a in args if isinstance(a, str)]
    rest = [a for a in args if not isinstance(a, values.SortRef | values.PredicateRef | str)]
    if len(rest) != 1 or len(sorts) + len(names) > 1:
        raise ProgramError(
            "'describe' takes a sort and an object, or a sort and a lambda",
            node.span,
            expected="describe(Color, iota(…))",
            hint="write describe(Color, iota(Object, lambda x: …))",
        )
    target = rest[0]
    if isinstance(target, values.AttributeOf):
        return run.attribute_value(target.sort, target.target, node)
    sort = sorts[0].name if sorts else (names[0] if names else "")
    if sort != "Object" and sorts and run.vocabulary.is_of_things(sort):
        if isinstance(target, values.Closure):
            return quantifiers.iota(False)(run, [*sorts, target], {}, node)
        raise ProgramError(
            f"'describe' names a value, and {sort} has none",
            node.span,
            expected=f"the one that is meant: iota({sort}, lambda b: …)",
            hint=f"write iota({sort}, lambda b: …) with what makes it the one",
        )
    if isinstance(target, values.Closure):
        if not sorts or sort == "Object":
            raise ProgramError(
                "'describe' needs the sort of a value", node.span, expected="describe(Color, lambda c: …)"
            )
        return quantifiers.choice(run, sorts[0], target, node)
    if not sort:
        return run.need("query", ("what is the object in the red box?", "", (run.pointed(target, node),)), node)
    if sort == "Object":
        return target
    return run.attribute_value(sort, target, node)


def _score(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    """``score(question, n=1)``: n variables named x1 … xn; ``n=0`` speaks of the whole picture."""
    text = run.text(args[0], node)
    arity = args[1] if len(args) > 1 else keywords.get("n", keywords.get("arity", 1))
    if not isinstance(arity, int) or not 0 <= arity <= run.limits.predicate_arity:
        raise ProgramError(
            f"'score' is asked for {arity!r} objects", node.span, expected=f"0 to {run.limits.predicate_arity}"
        )
    predicate = plan.Predicate("", arity, " ".join(text.split()))
    return run.made(make(plan.Atom, predicate, tuple(f"x{i + 1}" for i in range(arity))), node)


def _query(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> str:
    """``query(question, object, …)``: an open question about given objects, or the whole picture."""
    texts = [a for a in args if isinstance(a, str)]
    if len(texts) != 1:
        raise ProgramError("'query' takes one question", node.span, expected='query("what color is it?", object)')
    objects = tuple(run.pointed(a, node) for a in args if not isinstance(a, str))
    return run.need("query", (texts[0], "", objects), node)  # type: ignore[no-any-return]


# --- connectives and relations -------------------------------------------------------------------


def _connective(op: str) -> Function:
    def apply(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
        given = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else args
        if not given:
            raise ProgramError("A connective needs operands", node.span)
        result, *others = given
        for value in others:
            result = operators.binary(run, op, result, value, node)
        return result

    return apply


def _not(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    (value,) = args
    return (not value) if isinstance(value, bool) else values.Formula(plan.negation(run.formula(value, node)))


def _compared(op: str) -> Function:
    def apply(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
        first, second = args
        return operators.compare(run, op, first, second, node)

    return apply


def _distinct(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    """``distinct(x, y, …)``: all of them are different objects (or values)."""
    if len(args) == 1 and isinstance(args[0], list | tuple):
        args = list(args[0])
    run.spend(len(args) ** 2 // 16, node)
    pairs = [(a, b) for i, a in enumerate(args) for b in args[i + 1 :]]
    results = [operators.equality(run, True, a, b, node) for a, b in pairs]
    return quantifiers.joined(run, plan.conjunction, results, node)


def _among(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    first, *rest = args
    items = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], list | tuple | set) else rest
    return operators.compare(run, "in", first, items, node)


def _topk(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> list[values.ObjectRef]:
    """``topk(φ, k)``: the k most probable objects, best first."""
    if not isinstance(args[0], values.Formula | values.DescribedObject):
        raise ProgramError(
            f"'topk' is asked of {values.kind_name(args[0])}",
            node.span,
            expected="a formula, e.g. topk(score(…), 2), or iota(…)",
        )
    formula, k = args[0], int(run.number(args[1] if len(args) > 1 else keywords.get("k", 1), node))
    if isinstance(formula, values.Formula):
        formula = quantifiers.description(run, formula, False, node)
    scores = run.need("ranking", formula.description.body, node)
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [values.ObjectRef(i) for i in best[: max(k, 0)]]


def _mode(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    """``mode(Color, lambda c: count(…))``: the value with the largest count, the first among equals, which is said."""
    if len(args) == 1 and isinstance(args[0], list | tuple | set):
        counted = Counter(run.key(a, node) for a in run.iterate(args[0], node))
        members, counts = list(counted), [*map(float, counted.values())]
    else:
        domain, function = quantifiers.parts(run, args, node)
        if function is None:
            said = "mode(Color, lambda c: count(…))"
            raise ProgramError("'mode' needs a sort and a lambda", node.span, expected=said)
        members = list(run.iterate(domain, node))
        counts = [run.number(run.call_value(function, [m], node), node) for m in members]
    if not members:
        raise ProgramError("'mode' of nothing", node.span, expected="at least one item, or value of the sort")
    most = max(counts)
    equals = [m for m, n in zip(members, counts, strict=True) if n == most]
    if most <= 0:
        run.note(
            f"'mode' found nothing to count: of {len(members)} values none occurs, and {_named(members[0])} is first"
        )
    elif len(equals) > 1:
        shown = ", ".join(map(_named, equals[:4])) + (", …" if len(equals) > 4 else "")
        run.note(f"'mode' is a tie: {shown} occur {most:g} times each, and {_named(equals[0])} is the first")
    return equals[0]


def _named(value: Any) -> str:
    """Return a value as a note shows it."""
    return str(value)[:40] if isinstance(value, str | int | float) else values.kind_name(value)


FUNCTIONS: dict[str, Function] = {
    **plain_builtins.FUNCTIONS,
    "exists": quantifiers.quantifier(plan.Exists),
    "some": quantifiers.quantifier(plan.Exists),
    "any": quantifiers.quantifier(plan.Exists),
    "forall": quantifiers.quantifier(plan.Forall),
    "all": quantifiers.quantifier(plan.Forall),
    "every": quantifiers.quantifier(plan.Forall),
    "no": quantifiers.none,
    "none": quantifiers.none,
    "iota": quantifiers.iota(False),
    "the": quantifiers.iota(False),
    "point": quantifiers.iota(True),
    "best": quantifiers.iota(True),
    "argmax": quantifiers.iota(True),
    "count": quantifiers.count,
    "describe": _describe,
    "score": _score,
    "query": _query,
    "and_": _connective("&"),
    "or_": _connective("|"),
    "xor": _connective("^"),
    "implies": _connective(">>"),
    "not_": _not,
    "equal": _compared("=="),
    "different": _compared("!="),
    "greater_than": _compared(">"),
    "less_than": _compared("<"),
    "distinct": _distinct,
    "among": _among,
    "topk": _topk,
    "mode": _mode,
}
