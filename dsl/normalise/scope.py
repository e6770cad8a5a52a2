"""Names that nothing binds: ``_``, a lambda's variable outside its lambda, the variables of a bare formula."""

from __future__ import annotations

from typing import cast

from dsl.builtins import BUILTINS
from dsl.normalise.context import Context
from dsl.normalise.kinds import DESCRIBING, SOME, VARIABLE
from dsl.normalise.patterns import build
from dsl.normalise.tree import at_its_end, called, conjunction, conjuncts, described, free_names, fresh, rebuild
from dsl.syntax import ast
from dsl.syntax.ast import Expr

_BINDERS = SOME | DESCRIBING | {"count"}


def anything(program: ast.Program, context: Context) -> ast.Program:
    """``on(x, _)``: x is on something; ``iota(Object, lambda x: _)``: any object."""
    if "_" not in context.names or "_" in context.bound or "_" not in free_names(program):
        return program
    return cast(ast.Program, _with_something(program, context))


def _with_something(node: ast.Node, context: Context) -> ast.Node:
    if isinstance(node, ast.Lambda):
        if "_" in node.params:
            return node
        if node.body == ast.Name("_"):
            context.note("'_' as a condition was read as true")
            return ast.Lambda(node.params, ast.Truth(True, span=node.body.span), span=node.span)
    made = rebuild(node, lambda child: _with_something(child, context))
    if not isinstance(made, ast.Call) or ast.Name("_") not in made.args or len(made.args) < 2:
        return made
    if not called(made) or called(made) in BUILTINS or called(made) in context.bound or made.keywords:
        return made
    used, found, args = {*context.names}, [], []
    for arg in made.args:
        if arg == ast.Name("_"):
            found.append(fresh("y", used))
            arg = ast.Name(found[-1], span=arg.span)
        args.append(arg)
    context.note("'_' in an object's place was read as some object")
    return _for_some(found, ast.Call(made.func, tuple(args), span=made.span))


def _for_some(variables: list[str], body: Expr) -> Expr:
    """Return the formula with the variables bound by ``exists``, the first outermost."""
    for name in reversed(variables):
        body = build("exists(Object, lambda _x: _body)", body, {}, x=name, body=body)
    return body


def early_brackets(program: ast.Program, context: Context) -> ast.Program:
    """Take variables that are used outside their lambda inside it.

    ``exists(Object, lambda x: red(x)) and cube(x)``, where nothing else binds x, is ``exists(Object, lambda x: red(x)
    and cube(x))``. Beside a description, ``same_size(iota(…x…), f(x))``, the variable stands for the object described.
    """
    free = (free_names(program) & context.parameters) - context.bound
    astray = {n for n in free if context.may_be_variable(n)}
    if not astray:
        return program
    program = cast(ast.Program, _moved(program, frozenset(), astray, context))
    return cast(ast.Program, _resolved(program, frozenset(), {}, astray, context))


def _moved(node: ast.Node, seen: frozenset[str], astray: set[str], context: Context) -> ast.Node:
    """Move conjuncts into the lambda before them that binds their variable, outermost first."""
    if isinstance(node, ast.Connective) and node.op == "and":
        parts = list(conjuncts(node))
        k = 1
        while k < len(parts):
            lost = (free_names(parts[k]) & astray) - seen
            homes = ((j, _inserted(parts[j], parts[k], lost)) for j in reversed(range(k)) if lost)
            j, home = next(((j, made) for j, made in homes if made is not None), (k, None))
            if home is None:
                k += 1
                continue
            parts[j] = home
            del parts[k]
            names = ", ".join(f"'{n}'" for n in sorted(lost))
            context.note(f"a condition on {names} outside the lambda was read as inside it")
        node = conjunction(parts, node) if len(parts) < len(conjuncts(node)) else node
    inner = seen | set(node.params) if isinstance(node, ast.Lambda) else seen
    return rebuild(node, lambda child: _moved(child, inner, astray, context))


def _inserted(place: Expr, part: Expr, lost: set[str]) -> Expr | None:
    """Return `place` with `part` added to the lambda at its right end that binds all of `lost`, or ``None``."""
    missing = set(lost)

    def change(node: Expr) -> Expr | None:
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[-1], ast.Lambda):
            return None
        function = node.args[-1]
        missing.difference_update(function.params)
        if not missing and (node.keywords or called(node) not in _BINDERS):
            missing.add("")  # what binds them takes no condition, and no lambda further in is meant
        if missing:
            return None
        whole = ast.Lambda(function.params, conjunction([function.body, part], function.body), span=function.span)
        return ast.Call(node.func, (*node.args[:-1], whole), span=node.span)

    return at_its_end(place, change, _BINDERS | {"describe"})


def _resolved(
    node: ast.Node, seen: frozenset[str], before: dict[str, list[Expr]], astray: set[str], context: Context
) -> ast.Node:
    """Return the node with each variable astray replaced by the one description before it that binds it.

    It is read from left to right; `before` collects the descriptions, by their variable.
    """
    if isinstance(node, ast.Name):
        found = before.get(node.id, []) if node.id in astray and node.id not in seen else []
        if len(found) != 1 or (free_names(found[0]) & astray) - seen:
            return node
        context.note(f"'{node.id}' outside its lambda was read as the object described there")
        context.copied(found[0])
        return found[0]
    inner = seen | set(node.params) if isinstance(node, ast.Lambda) else seen
    made = rebuild(node, lambda child: _resolved(child, inner, before, astray, context))
    if isinstance(made, ast.Call) and (function := described(made)) is not None:
        known = before.setdefault(function.params[0], [])
        if made not in known:
            known.append(made)
    return made


def free_variables(program: ast.Program, context: Context) -> ast.Program:
    """Bind the free variables of a formula that is the whole program by ``exists``.

    ``cube(x) and same_color(x, y)`` alone on a line: the engine binds the variables of a returned formula so too.
    Only one-letter names (with digits) that no lambda binds are variables; of the rest the checker speaks.
    """
    if len(program.body) != 1 or not isinstance(program.body[0], ast.ExprStatement):
        return program
    formula = program.body[0].value
    if not isinstance(formula, ast.Connective) or formula.op != "and":
        return program
    nodes = ast.walk(formula)
    names = {n for n in free_names(formula) if VARIABLE.match(n) and context.words.sort_of_value(n) is None}
    if not names or any(names.intersection(n.params) for n in nodes if isinstance(n, ast.Lambda)):
        return program
    said: set[Expr] = set()
    for part in conjuncts(formula):
        inner = part.operand if isinstance(part, ast.Unary) and part.op == "not" else part
        if isinstance(inner, ast.Call) and called(inner) not in BUILTINS:
            said.update(inner.args)
    if not names <= {a.id for a in said if isinstance(a, ast.Name)}:
        return program
    order = list(dict.fromkeys(n.id for n in nodes if isinstance(n, ast.Name) and n.id in names))
    shown = ", ".join(f"'{n}'" for n in order)
    context.note(f"the free variables {shown} of the formula were bound by 'exists'")
    return ast.Program((ast.ExprStatement(_for_some(order, formula), span=formula.span),), span=program.span)
