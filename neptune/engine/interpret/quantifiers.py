"""Quantifiers and the other binders: exists, forall, iota, count, over objects and over finite sorts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dsl import plan
from dsl.check.checker import definition_of
from dsl.errors import ProgramError
from dsl.plan import Compare, Forall, Node, make
from dsl.syntax import ast
from neptune.engine.interpret import values
from neptune.engine.interpret.running import Args, Function, Keywords, RunningProgram

Binder = TypeVar("Binder", plan.Description, plan.Count)


# --- what is ranged over -------------------------------------------------------------------------


def defined(run: RunningProgram, name: str, args: list[Any], node: Any) -> Any:
    """Return what a name that the vocabulary defines stands for, of its arguments: a truth, a number, an object, …

    Of a description a truth is the expectation, as of every predicate: it is said of one object throughout.
    """
    meant = definition_of(run.vocabulary, name, len(args))
    function = values.Closure(name, tuple(ast.Param(p) for p in meant.params), meant.body, values.Scope({}))
    described = [a for a in args if isinstance(a, values.DescribedObject)]
    if not described:
        return run.call_value(function, args, node)
    with run.fresh(len(described)) as names:
        rest = iter(names)
        places = [values.Variable(next(rest)) if isinstance(a, values.DescribedObject) else a for a in args]
        value = run.call_value(function, places, node)
    if not isinstance(value, values.Formula):
        return run.call_value(function, args, node)
    body = value.node
    for var, place in reversed(list(zip(names, described, strict=True))):
        body = make(plan.ExpectationOver, var, place.description, body, place.argmax or run.argmax)
    return run.made(body, node)


def member(run: RunningProgram, sort: str, thing: Any, node: Any) -> Node:
    """Return the formula that a thing is of a sort of things: an object, a container, or a part of either."""
    if isinstance(thing, values.DescribedObject):
        with run.fresh(1) as (var,):
            body = member(run, sort, values.Variable(var), node)
        return make(plan.ExpectationOver, var, thing.description, body, thing.argmax or run.argmax)
    known = run.vocabulary.sorts.get(sort)
    if known is not None and known.of:
        return plan.conjunction(
            [member(run, known.of, thing, node), run.formula(defined(run, sort, [thing], node), node)]
        )
    place = thing.index if isinstance(thing, values.ObjectRef) else thing.name
    return run.atoms.of_kind(sort, place)


def _conditions(run: RunningProgram, domain: Any, names: list[str], node: Any) -> list[Node]:
    """Return the formulas that variables are of the sort that is ranged over; none where all things are."""
    found = (member(run, domain.name, values.Variable(n), node) for n in names)
    return [c for c in found if c is not plan.const(1.0)]


def kind_of(run: RunningProgram, body: Node, var: str) -> list[Node]:
    """Return that a variable without a sort, as of ``formula.exists("y")``, is a container if all that is said of it is
    said of such, and else an object; nothing where the world has no containers."""
    if not run.vocabulary.containers:
        return []
    said: set[str] = set()
    for inner in plan.walk(body):
        if isinstance(inner, plan.Atom) and var in inner.terms:
            places = run.vocabulary.of(inner.predicate.name, len(inner.terms))
            said.update(s for s, t in zip(places, inner.terms, strict=False) if t == var)
    kinds = {run.vocabulary.kind(s) for s in said}
    return [
        run.atoms.of_kind(kinds.pop() if len(kinds) == 1 and kinds <= {*run.vocabulary.containers} else "Object", var)
    ]


def bind(
    run: RunningProgram, function: Any, node: ast.Expr, domain: Any, *, choosing: bool = False
) -> tuple[list[str], Node, list[Node]]:
    """Apply a one- or many-place function to fresh variables; return them with the formula, and with what is true of
    the things that they range over.

    No function (``None``) is true of every object. With `choosing`, a count stands for "no other object has a larger
    one".
    """
    if function is None:
        with run.fresh(1) as names:
            return names, plan.const(1.0), _conditions(run, domain, names, node)
    arity = len(function.params) if isinstance(function, values.Closure) else 1
    with run.fresh(arity) as names:
        kind = run.vocabulary.kind(domain.name) if isinstance(domain, values.SortRef) else ""
        value = run.call_value(function, [values.Variable(n, kind) for n in names], node)
        conditions = _conditions(run, domain, names, node)
        if choosing and isinstance(value, values.Quantity) and arity == 1:
            body = _largest_of_objects(run, names[0], value, conditions, node)
        else:
            body = run.formula(value, _body_of(function, node))
    _check_free(run, function, body, node)
    return names, body, conditions


def _body_of(function: Any, node: ast.Expr) -> ast.Expr:
    """Return where a function's value is written, for errors: a lambda's body, else the call that asks for it."""
    written = isinstance(function, values.Closure) and not isinstance(function.body, tuple)
    return function.body if written and function.body.span is not None else node


def _check_free(run: RunningProgram, function: Any, body: Node, node: ast.Expr) -> None:
    """Report variables given as texts, which a lambda does not bind; refuse one of the name of a lambda's parameter.

    Raises
    ------
    dsl.ProgramError
        For ``exists(Object, lambda x: red("x"))``.
    """
    for name in sorted(v for v in body.free if not v.startswith("@")):
        if isinstance(function, values.Closure):
            around = function.scope.find(name)
            if name in (p.name for p in function.params) or (
                around is not None and isinstance(around.names[name], values.Variable)
            ):
                raise ProgramError(
                    f'"{name}" is a text, and names another variable than the lambda\'s {name}',
                    _body_of(function, node).span,
                    expected=f"the lambda's variable: {name}",
                    hint=f"write {name} without quotes; a formula by name is applied to it, e.g. hit({name})",
                )
        run.note(f'"{name}" inside a lambda is a variable that no lambda binds')


def parts(run: RunningProgram, args: list[Any], node: Any) -> tuple[Any, Any]:
    """Return (domain, function): a missing domain is Object; a missing function is 'all of them' (None)."""
    # A bare predicate's name is a value of the vocabulary too: exists(Object, cube).
    args = [values.PredicateRef(a) if isinstance(a, str) and run.vocabulary.knows(a, 1) else a for a in args]
    functions = [a for a in args if isinstance(a, values.Closure | values.PredicateRef | values.BuiltinRef)]
    domains = [a for a in args if isinstance(a, values.SortRef | list | tuple | set)]
    if len(functions) > 1 or len(domains) > 1 or len(functions) + len(domains) != len(args) or not args:
        found = ", ".join(values.kind_name(a) for a in args) or "nothing"
        raise ProgramError(
            f"A quantifier got {found}",
            node.span,
            expected="a sort and a lambda",
            hint="write exists(Object, lambda x: …)",
        )
    if not domains:
        run.note("a quantifier without a sort was read as one over Object")
    return (domains[0] if domains else values.SortRef("Object")), (functions[0] if functions else None)


def _of_things(run: RunningProgram, domain: Any) -> bool:
    return isinstance(domain, values.SortRef) and run.vocabulary.is_of_things(domain.name)


def bodies_of(run: RunningProgram, domain: Any, function: Any, node: Any, *, choosing: bool = False) -> list[Node]:
    """Return one formula for each member of a finite domain; with `choosing`, a count stands for the largest."""
    members = list(run.iterate(domain, node))
    if isinstance(domain, values.SortRef) and not members and not _of_things(run, domain):
        raise ProgramError(
            f"the values of {domain.name} are not known",
            node.span,
            expected=f"Object, or one of {', '.join(run.vocabulary.sorts) or 'the sorts of a vocabulary'}",
            hint="write Object, or give the values as a list",
        )
    if function is None:
        return [plan.const(1.0)] * len(members)
    given = [run.call_value(function, [m], node) for m in members]
    if choosing and given and all(isinstance(v, values.Quantity) for v in given):
        return _largest_of_values(run, given, node)
    where = _body_of(function, node)
    return [run.formula(v, where) for v in given]


def quantifier(kind: type[plan.Exists] | type[plan.Forall]) -> Function:
    """Return the built-in ``exists`` or ``forall``, by the kind of its node."""

    def apply(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], values.DescribedObject):
            return values.Formula(run.formula(args[0], node))
        if len(args) == 1 and isinstance(args[0], values.Formula):
            body = args[0].node
            for var in sorted(args[0].node.free):
                body = make(kind, var, among(kind, plan.conjunction(kind_of(run, body, var)), body))
            return run.made(body, node)
        join = plan.disjunction if kind is plan.Exists else plan.conjunction
        truths = values.Formula | bool | values.Quantity | values.DescribedObject
        if len(args) == 1 and isinstance(args[0], list | tuple) and all(isinstance(a, truths) for a in args[0]):
            return joined(run, join, list(args[0]), node)
        domain, function = parts(run, args, node)
        if not _of_things(run, domain):
            return run.made(join(bodies_of(run, domain, function, node)), node)
        names, body, conditions = bind(run, function, node, domain)
        if conditions:
            body = among(kind, plan.conjunction(conditions), body)
        if run.distinct_variables == "true":
            around = (f"@{i}" for i in range(run.binders) if f"@{i}" in body.free)
            body = among(kind, plan.distinct((*names, *around)), body)
        labels = [p.name for p in function.params] if isinstance(function, values.Closure) else names
        for name, label in zip(names[::-1], labels[::-1], strict=True):
            body = make(kind, name, body)
            run.variable_names[body] = label
        return run.made(body, node)

    return apply


def among(kind: type[plan.Exists] | type[plan.Forall], condition: Node, body: Node) -> Node:
    """Return the body of a quantifier over the objects that meet a condition."""
    if condition is plan.const(1.0):
        return body
    if kind is plan.Exists:
        return plan.conjunction([condition, body])
    return plan.disjunction([plan.negation(condition), body])


def joined(run: RunningProgram, join: Callable[[list[Node]], Node], given: list[Any], node: Any) -> Any:
    """Join truths by "and" or "or": a plain truth if all are plain, else a formula."""
    if all(isinstance(v, bool) for v in given):
        return all(given) if join is plan.conjunction else any(given)
    return run.made(join([run.formula(v, node) for v in given]), node)


def none(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    """``no(Object, …)``: not one of them."""
    found = quantifier(plan.Exists)(run, args, keywords, node)
    return (not found) if isinstance(found, bool) else values.Formula(plan.negation(found.node))


def iota(argmax: bool) -> Function:
    """Return the built-in ``iota``, or with `argmax` ``point``: the object itself, not a distribution."""

    def apply(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], values.DescribedObject):
            return values.DescribedObject(args[0].description, argmax or args[0].argmax)
        if len(args) == 1 and isinstance(args[0], values.ObjectRef | values.Variable):
            return args[0]
        if len(args) == 1 and isinstance(args[0], values.Formula):
            return description(run, args[0], argmax, node)
        domain, function = parts(run, args, node)
        if not _of_things(run, domain):
            return choice(run, domain, function, node)
        return values.DescribedObject(_over_first(run, plan.Description, function, node, domain, choosing=True), argmax)

    return apply


def description(
    run: RunningProgram, formula: values.Formula, argmax: bool, node: Any, var: str | None = None
) -> values.DescribedObject:
    """Return the description of the object of `var` (by default the only free variable) in a formula."""
    free = sorted(formula.node.free)
    if var is None and len(free) != 1:
        raise ProgramError(
            f"The formula has {len(free)} free variables", node.span, expected="one", hint='say which: .iota("x")'
        )
    var = var or free[0]
    body = plan.conjunction([*kind_of(run, formula.node, var), formula.node])
    return values.DescribedObject(make(plan.Description, var, body), argmax)


def choice(run: RunningProgram, domain: Any, function: Any, node: Any) -> Any:
    """``iota`` over a value sort or a list: the member whose formula is truest."""
    members = list(run.iterate(domain, node))
    if not members or function is None:
        what = "A choice among values needs a condition"
        if function is not None:
            known = f"the values of {domain.name} are not known" if isinstance(domain, values.SortRef) else ""
            what = known or "nothing to choose from"
        raise ProgramError(
            what,
            node.span,
            expected="a sort with known values and a lambda, e.g. describe(Color, lambda c: color(x, c))",
            hint="ask openly instead: describe(…, iota(Object, lambda x: …))" if not members else "add the lambda",
        )
    if not all(isinstance(m, str) for m in members):
        return _chosen_member(run, members, bodies_of(run, members, function, node, choosing=True), node)
    with run.describing():
        bodies = bodies_of(run, members, function, node, choosing=True)
    if len(set(bodies)) == 1 and len(members) > 1:
        raise ProgramError(
            "The condition is the same for every value: it does not depend on the lambda's variable",
            node.span,
            expected="a condition on the value, e.g. color(x, c)",
            hint="to ask for a value at an object write describe(Color, iota(Object, lambda x: …))",
        )
    name = domain.name if isinstance(domain, values.SortRef) else "value"
    return values.DescribedValue(make(plan.Describe, tuple(members), tuple(bodies), not _of_one_object(bodies)), name)


def _of_one_object(bodies: list[Node]) -> bool:
    """Tell whether formulas say something of one object each, the same one: everything has a colour."""
    meant = {
        (b.var, b.description) if isinstance(b, plan.ExpectationOver) else b.terms if isinstance(b, plan.Atom) else b
        for b in bodies
    }
    return len(meant) == 1 and not isinstance(meant.pop(), Node)


def _chosen_member(run: RunningProgram, members: list[Any], bodies: list[Node], node: Any) -> Any:
    """Return the member of a list of anything whose formula is truest: it is chosen by its place."""
    if run.semantics == 1:
        chances = [run.need("probability", values.bound(b), node) for b in bodies]
        return members[max(range(len(members)), key=chances.__getitem__)]
    places = tuple(f"item {k}" for k in range(len(members)))
    chosen = run.need("text", make(plan.Describe, places, tuple(map(values.bound, bodies)), True), node)
    return members[places.index(chosen)]


def count(run: RunningProgram, args: Args, keywords: Keywords, node: Any) -> Any:
    """``count``: how many objects, members of a sort or items."""
    if len(args) == 1 and isinstance(args[0], list | tuple | set | dict):
        if not any(isinstance(a, values.Formula) for a in args[0]):
            return len(args[0])
        return values.Quantity(make(plan.CountTrue, tuple(run.formula(a, node) for a in args[0])))
    if len(args) == 1 and isinstance(args[0], values.Quantity | int):
        return args[0]
    if len(args) == 1 and isinstance(args[0], values.DescribedObject):
        args = [values.Formula(args[0].description.body)]
    if len(args) == 1 and isinstance(args[0], values.Formula):
        free = sorted(args[0].node.free)
        if len(free) != 1:
            raise ProgramError(f"The formula has {len(free)} free variables", node.span, expected="one to count over")
        body = plan.conjunction([*kind_of(run, args[0].node, free[0]), args[0].node])
        return values.Quantity(make(plan.Count, free[0], body))
    domain, function = parts(run, args, node)
    if not _of_things(run, domain):
        return values.Quantity(make(plan.CountTrue, tuple(bodies_of(run, domain, function, node))))
    return values.Quantity(_over_first(run, plan.Count, function, node, domain))


def _over_first(
    run: RunningProgram, kind: type[Binder], function: Any, node: Any, domain: Any, *, choosing: bool = False
) -> Binder:
    """Return the node that binds a function's first variable; its other ones are bound by ∃."""
    found: tuple[list[str], Node, list[Node]] = bind(run, function, node, domain, choosing=choosing)
    names, body = found[0], plan.conjunction([*found[2], found[1]])
    for inner in names[1:]:
        body = make(plan.Exists, inner, body)
    made = make(kind, names[0], body)
    run.atoms.check_size(made, node)
    return made


# --- a count where a choice needs a truth --------------------------------------------------------

# ``argmax(Object, lambda x: count(…))`` is the object of which no other has a larger count. The choice stays soft, so
# that it works inside quantifiers and costs one round of questions.
LARGEST = "a count as what is chosen by was read as: no other has a larger one"


def _largest_of_objects(
    run: RunningProgram, var: str, total: values.Quantity, conditions: list[Node], node: ast.Node
) -> Node:
    """Return the formula that no object that meets the conditions has a larger count than the object `var`."""
    run.note(LARGEST)
    other = plan.fresh(total.node, make(plan.Same, (var, var)))
    rival = plan.substitute(total.node, {var: other})
    rivals = plan.conjunction(plan.substitute(c, {var: other}) for c in conditions)
    return run.made(make(Forall, other, among(Forall, rivals, make(Compare, ">=", total.node, rival))), node).node


def _largest_of_values(run: RunningProgram, totals: list[values.Quantity], node: ast.Node) -> list[Node]:
    """Return for each count the formula that none of the others is larger."""
    run.note(LARGEST)

    def no_less(mine: values.Quantity, other: values.Quantity) -> Node:
        return run.made(make(Compare, ">=", mine.node, other.node), node).node

    return [plan.conjunction([no_less(mine, o) for o in totals if o is not mine]) for mine in totals]
