"""The built-in functions of the language. `dsl.builtins` says which there are; this file says what they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dsl import ast, plan
from dsl.builtins import BUILTINS
from dsl.errors import ProgramError
from dsl.plan import Node, make
from neptune.execute import arithmetic, plainbuiltins
from neptune.execute.values import (
    AttributeOf,
    BuiltinRef,
    Closure,
    Described,
    Description,
    Formula,
    ObjectRef,
    PredicateRef,
    Quantity,
    SortRef,
    Variable,
    kind_name,
)

if TYPE_CHECKING:
    from neptune.execute.interpreter import Interpreter

Function = Callable[["Interpreter", list[Any], dict[str, Any], Any], Any]


def known(name: str) -> bool:
    """Return whether the name is a built-in that this file or `plainbuiltins` defines."""
    return name in FUNCTIONS or name in plainbuiltins.FUNCTIONS


def call(run: Interpreter, name: str, args: list[Any], keywords: dict[str, Any], node: ast.Expr) -> Any:
    """Call a built-in.

    Raises
    ------
    dsl.ProgramError
        If the arguments do not fit.
    """
    function = FUNCTIONS.get(name)
    try:
        if function is not None:
            return function(run, args, keywords, node)
    except (IndexError, ValueError) as error:
        raise _misfit(name, node, error) from error
    try:
        return plainbuiltins.FUNCTIONS[name](run, args, keywords, node)
    except (IndexError, TypeError, ValueError, KeyError) as error:
        raise _misfit(name, node, error) from error


def _misfit(name: str, node: ast.Expr, error: Exception) -> ProgramError:
    return ProgramError(
        f"'{name}' can not take these arguments: {error}", node.span, expected=BUILTINS[name].signature
    )


# --- quantifiers ---------------------------------------------------------------------------------


def bind(run: Interpreter, function: Any, node: ast.Expr) -> tuple[list[str], Node]:
    """Apply a one- or many-place function to fresh object variables; return them with the formula."""
    arity = len(function.params) if isinstance(function, Closure) else 1
    names = [f"@{run.binders + i}" for i in range(arity)]
    run.binders += arity
    try:
        body = run.formula(run.call_value(function, [Variable(n) for n in names], node), node)
    finally:
        run.binders -= arity
    return names, body


def _parts(run: Interpreter, args: list[Any], node: Any) -> tuple[Any, Any]:
    """Return (domain, function): a missing domain is Object; a missing function is 'all of them' (None)."""
    # A bare predicate's name is a value of the vocabulary too: exists(Object, cube).
    args = [PredicateRef(a) if isinstance(a, str) and run.vocabulary.knows(a, 1) else a for a in args]
    functions = [a for a in args if isinstance(a, Closure | PredicateRef | BuiltinRef)]
    domains = [a for a in args if isinstance(a, SortRef | list | tuple | set)]
    if len(functions) > 1 or len(domains) > 1 or len(functions) + len(domains) != len(args) or not args:
        found = ", ".join(kind_name(a) for a in args) or "nothing"
        raise ProgramError(
            f"A quantifier got {found}",
            node.span,
            expected="a sort and a lambda",
            mend="write exists(Object, lambda x: …)",
        )
    if not domains:
        run.note("a quantifier without a sort was read as one over Object")
    return (domains[0] if domains else SortRef("Object")), (functions[0] if functions else None)


def _is_object(domain: Any) -> bool:
    return isinstance(domain, SortRef) and domain.name == "Object"


def _bodies(run: Interpreter, domain: Any, function: Any, node: Any) -> list[Node]:
    """Return one formula for each member of a finite domain."""
    members = list(run.iterate(domain, node))
    if isinstance(domain, SortRef) and not members and domain.name != "Object":
        raise ProgramError(
            f"the values of {domain.name} are not known",
            node.span,
            expected=f"Object, or one of {', '.join(run.vocabulary.sorts) or 'the sorts of a vocabulary'}",
            mend="write Object, or give the values as a list",
        )
    if function is None:
        return [plan.const(1.0)] * len(members)
    return [run.formula(run.call_value(function, [m], node), node) for m in members]


def _quantifier(kind: type[plan.Exists] | type[plan.Forall]) -> Function:
    def apply(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Description):
            return Formula(run.formula(args[0], node))
        if len(args) == 1 and isinstance(args[0], Formula):
            body = args[0].node
            for var in sorted(args[0].node.free):
                body = make(kind, var, body)
            return run.made(body, node)
        if len(args) == 1 and isinstance(args[0], list | tuple) and all(_truth_like(a) for a in args[0]):
            join = plan.disjunction if kind is plan.Exists else plan.conjunction
            return _joined(run, join, list(args[0]), node)
        domain, function = _parts(run, args, node)
        if not _is_object(domain):
            bodies = _bodies(run, domain, function, node)
            return run.made((plan.disjunction if kind is plan.Exists else plan.conjunction)(bodies), node)
        names, body = (
            ([f"@{run.binders}"], plan.const(1.0)) if function is None else bind(run, function, node)
        )
        if run.distinct_variables == "true":
            apart = plan.distinct((*names, *(f"@{i}" for i in range(run.binders) if f"@{i}" in body.free)))
            body = (
                plan.conjunction([apart, body])
                if kind is plan.Exists
                else plan.disjunction([plan.negation(apart), body])
            )
        for name, label in reversed(list(zip(names, _labels(function, names), strict=True))):
            body = make(kind, name, body)
            run.variable_names[body] = label
        return run.made(body, node)

    return apply


def _labels(function: Any, names: list[str]) -> list[str]:
    return [p.name for p in function.params] if isinstance(function, Closure) else names


def _truth_like(value: Any) -> bool:
    return isinstance(value, Formula | bool | Quantity | Description)


def _joined(run: Interpreter, join: Callable[[list[Node]], Node], values: list[Any], node: Any) -> Any:
    if all(isinstance(v, bool) for v in values):
        return all(values) if join is plan.conjunction else any(values)
    return run.made(join([run.formula(v, node) for v in values]), node)


def _none(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    found = FUNCTIONS["exists"](run, args, keywords, node)
    return (not found) if isinstance(found, bool) else Formula(plan.negation(found.node))


def _iota(pick: bool) -> Function:
    def apply(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Description):
            return Description(args[0].iota, pick or args[0].pick)
        if len(args) == 1 and isinstance(args[0], ObjectRef | Variable):
            return args[0]
        if len(args) == 1 and isinstance(args[0], Formula):
            return description(run, args[0], pick, node)
        domain, function = _parts(run, args, node)
        if not _is_object(domain):
            return _choice(run, domain, function, node)
        names, body = (
            ([f"@{run.binders}"], plan.const(1.0)) if function is None else bind(run, function, node)
        )
        for inner in names[1:]:
            body = make(plan.Exists, inner, body)
        made = make(plan.Iota, names[0], body)
        run.atoms.check_size(made, node)
        return Description(made, pick)

    return apply


def description(
    run: Interpreter, formula: Formula, pick: bool, node: Any, var: str | None = None
) -> Description:
    """Return the description of the object of `var` (by default the only free variable) in a formula."""
    free = sorted(formula.node.free)
    if var is None and len(free) != 1:
        raise ProgramError(
            f"The formula has {len(free)} free variables",
            node.span,
            expected="one",
            mend='say which: .iota("x")',
        )
    return Description(make(plan.Iota, var or free[0], formula.node), pick)


def _choice(run: Interpreter, domain: Any, function: Any, node: Any) -> Any:
    """``iota`` over a value sort or a list: the member whose formula is truest."""
    members = list(run.iterate(domain, node))
    if not members or function is None:
        what = (
            f"the values of {domain.name} are not known"
            if isinstance(domain, SortRef)
            else "nothing to choose from"
        )
        raise ProgramError(
            what if function is not None else "A choice among values needs a condition",
            node.span,
            expected="a sort with known values and a lambda, e.g. describe(Color, lambda c: color(x, c))",
            mend="ask openly instead: describe(…, iota(Object, lambda x: …))"
            if not members
            else "add the lambda",
        )
    if not all(isinstance(m, str) for m in members):
        index = max(
            range(len(members)),
            key=lambda i: run.forcer.probability(
                run.formula(run.call_value(function, [members[i]], node), node), run.line(node)
            ),
        )
        return members[index]
    run.picking += 1
    try:
        bodies = _bodies(run, members, function, node)
    finally:
        run.picking -= 1
    if len(set(bodies)) == 1 and len(members) > 1:
        raise ProgramError(
            "The condition is the same for every value: it does not depend on the lambda's variable",
            node.span,
            expected="a condition on the value, e.g. color(x, c)",
            mend="to ask for a value at an object write describe(Color, iota(Object, lambda x: …))",
        )
    name = domain.name if isinstance(domain, SortRef) else "value"
    return Described(make(plan.Describe, tuple(members), tuple(bodies)), name)


def _count(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], list | tuple | set | dict):
        if not any(isinstance(a, Formula) for a in args[0]):
            return len(args[0])
        return Quantity(make(plan.Tally, tuple(run.formula(a, node) for a in args[0])))
    if len(args) == 1 and isinstance(args[0], Quantity | int):
        return args[0]
    if len(args) == 1 and isinstance(args[0], Description):
        args = [Formula(args[0].iota.body)]
    if len(args) == 1 and isinstance(args[0], Formula):
        free = sorted(args[0].node.free)
        if len(free) != 1:
            raise ProgramError(
                f"The formula has {len(free)} free variables", node.span, expected="one to count over"
            )
        return Quantity(make(plan.Count, free[0], args[0].node))
    domain, function = _parts(run, args, node)
    if not _is_object(domain):
        return Quantity(make(plan.Tally, tuple(_bodies(run, domain, function, node))))
    names, body = ([f"@{run.binders}"], plan.const(1.0)) if function is None else bind(run, function, node)
    for inner in names[1:]:
        body = make(plan.Exists, inner, body)
    made = make(plan.Count, names[0], body)
    run.atoms.check_size(made, node)
    return Quantity(made)


# --- describing and asking -----------------------------------------------------------------------


def describe_attribute(run: Interpreter, sort: str, target: Any, node: Any) -> Any:
    """Return the value of a sort at an object: by the vocabulary's values, or by an open question."""
    if not isinstance(target, Variable | ObjectRef | Description | str):
        raise ProgramError(
            f"The {run.vocabulary.attribute(sort)} of {kind_name(target)} is asked for",
            node.span,
            expected="an object: describe(Color, iota(Object, lambda x: …))",
            mend="put the condition inside an iota" if isinstance(target, Formula) else "",
        )
    values = run.vocabulary.values(sort)
    if values:
        run.picking += 1
        try:
            bodies = [run.formula(run.predicate(v, [target], node), node) for v in values]
        finally:
            run.picking -= 1
        return Described(make(plan.Describe, tuple(values), tuple(bodies)), sort)
    attribute = run.vocabulary.attribute(sort)
    return run.forcer.query("", attribute, (run.pointed(target, node),), run.line(node))


def _describe(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    sorts = [a for a in args if isinstance(a, SortRef)]
    names = [a.name for a in args if isinstance(a, PredicateRef)] + [a for a in args if isinstance(a, str)]
    rest = [a for a in args if not isinstance(a, SortRef | PredicateRef | str)]
    if len(rest) != 1 or len(sorts) + len(names) > 1:
        raise ProgramError(
            "'describe' takes a sort and an object, or a sort and a lambda",
            node.span,
            expected="describe(Color, iota(…))",
        )
    target = rest[0]
    if isinstance(target, AttributeOf):
        return describe_attribute(run, target.sort, target.target, node)
    sort = sorts[0].name if sorts else (names[0] if names else "")
    if isinstance(target, Closure):
        if not sorts or sort == "Object":
            raise ProgramError(
                "'describe' needs the sort of a value", node.span, expected="describe(Color, lambda c: …)"
            )
        return _choice(run, sorts[0], target, node)
    if not sort:
        return run.forcer.query(
            "what is the object in the red box?", "", (run.pointed(target, node),), run.line(node)
        )
    if sort == "Object":
        return target
    return describe_attribute(run, sort, target, node)


def _score(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    """``score(question, n=1)``: n variables named x1 … xn; ``n=0`` speaks of the whole picture."""
    text = run.text(args[0], node)
    arity = args[1] if len(args) > 1 else keywords.get("n", keywords.get("arity", 1))
    if not isinstance(arity, int) or not 0 <= arity <= run.limits.predicate_arity:
        raise ProgramError(
            f"'score' is asked for {arity!r} objects",
            node.span,
            expected=f"0 to {run.limits.predicate_arity}",
        )
    predicate = plan.Predicate("", arity, " ".join(text.split()))
    return run.made(make(plan.Leaf, predicate, tuple(f"x{i + 1}" for i in range(arity))), node)


def _query(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> str:
    """``query(question, object, …)``: an open question about given objects, or the whole picture."""
    texts = [a for a in args if isinstance(a, str)]
    if len(texts) != 1:
        raise ProgramError(
            "'query' takes one question", node.span, expected='query("what color is it?", object)'
        )
    objects = tuple(run.pointed(a, node) for a in args if not isinstance(a, str))
    return run.forcer.query(texts[0], "", objects, run.line(node))


# --- connectives and relations -------------------------------------------------------------------


def _connective(op: str) -> Function:
    def apply(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        values = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else args
        if not values:
            raise ProgramError("A connective needs operands", node.span)
        result = values[0]
        if len(values) == 1:
            return result
        for value in values[1:]:
            result = run.binary(op, result, value, node)
        return result

    return apply


def _not(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    (value,) = args
    return (not value) if isinstance(value, bool) else Formula(plan.negation(run.formula(value, node)))


def _equal(negated: bool) -> Function:
    def apply(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        first, second = args
        return arithmetic.equality(run, negated, first, second, node)

    return apply


def _order(op: str) -> Function:
    def apply(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
        first, second = args
        return arithmetic.compare(run, op, first, second, node)

    return apply


def _distinct(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    """``distinct(x, y, …)``: all of them are different objects (or values)."""
    if len(args) == 1 and isinstance(args[0], list | tuple):
        args = list(args[0])
    pairs = [(a, b) for i, a in enumerate(args) for b in args[i + 1 :]]
    results = [arithmetic.equality(run, True, a, b, node) for a, b in pairs]
    return _joined(run, plan.conjunction, results, node)


def _among(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    first, *rest = args
    items = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], list | tuple | set) else rest
    return arithmetic.compare(run, "in", first, items, node)


def _topk(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> list[ObjectRef]:
    """``topk(φ, k)``: the k most probable objects, best first."""
    if not isinstance(args[0], Formula | Description):
        raise ProgramError(
            f"'topk' is asked of {kind_name(args[0])}",
            node.span,
            expected="a formula, e.g. topk(score(…), 2), or iota(…)",
        )
    formula, k = args[0], int(run.number(args[1], node)) if len(args) > 1 else 1
    body = description(run, formula, False, node).iota if isinstance(formula, Formula) else formula.iota
    scores = run.forcer.ranking(body.body, run.line(node))
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return [ObjectRef(i) for i in best[: max(k, 0)]]


def _mode(run: Interpreter, args: list[Any], keywords: dict[str, Any], node: Any) -> Any:
    """``mode(Color, lambda c: count(…))``: the value with the largest count (the first among equals)."""
    if len(args) == 1 and isinstance(args[0], list | tuple) and args[0]:
        items = [run.plain(a, node) for a in args[0]]
        return max(items, key=items.count)
    domain, function = _parts(run, args, node)
    members = list(run.iterate(domain, node))
    if function is None or not members:
        raise ProgramError(
            "'mode' needs a sort and a lambda", node.span, expected="mode(Color, lambda c: count(…))"
        )
    counts = [run.number(run.call_value(function, [m], node), node) for m in members]
    return members[counts.index(max(counts))]


FUNCTIONS: dict[str, Function] = {
    "exists": _quantifier(plan.Exists),
    "some": _quantifier(plan.Exists),
    "any": _quantifier(plan.Exists),
    "forall": _quantifier(plan.Forall),
    "all": _quantifier(plan.Forall),
    "every": _quantifier(plan.Forall),
    "no": _none,
    "none": _none,
    "iota": _iota(False),
    "the": _iota(False),
    "point": _iota(True),
    "best": _iota(True),
    "argmax": _iota(True),
    "count": _count,
    "describe": _describe,
    "score": _score,
    "query": _query,
    "and_": _connective("&"),
    "or_": _connective("|"),
    "xor": _connective("^"),
    "implies": _connective(">>"),
    "not_": _not,
    "equal": _equal(False),
    "different": _equal(True),
    "greater_than": _order(">"),
    "less_than": _order("<"),
    "distinct": _distinct,
    "among": _among,
    "topk": _topk,
    "mode": _mode,
}
