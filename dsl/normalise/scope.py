"""Normal forms of scope: a bracket closed too early leaves a lambda's variable outside its lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dsl.builtins import BUILTINS
from dsl.normalise.tree import called, conjunction, conjuncts, described, free_names, rebuild
from dsl.syntax import ast
from dsl.syntax.ast import Expr

if TYPE_CHECKING:
    from dsl.normalise.normaliser import Context

_BINDERS = frozenset({"exists", "some", "any", "iota", "the", "point", "count"})


def early_parentheses(program: ast.Program, context: Context) -> ast.Program:
    """Put right variables used outside their lambda.

    ``exists(Object, lambda x: red(x)) and cube(x)``, where nothing else binds x, is
    ``exists(Object, lambda x: red(x) and cube(x))``. Beside a description, ``same_size(iota(…x…), f(x))``, the
    variable stands for the object described.
    """
    astray = {n for n in free_names(program) & context.parameters if _is_variable(n, context)}
    if not astray:
        return program
    program = cast(ast.Program, _moved(program, frozenset(), astray, context))
    return cast(ast.Program, _Anaphora(astray, context).change(program, frozenset()))


def _is_variable(name: str, context: Context) -> bool:
    words = context.vocabulary
    if name in context.bound or name in BUILTINS or words.value_named(name) is not None:
        return False
    return words.sort_named(name) is None


def _moved(node: ast.Node, seen: frozenset[str], astray: set[str], context: Context) -> ast.Node:
    """Move conjuncts into the lambda before them that binds their variable, outermost first."""
    if isinstance(node, ast.Connective) and node.op == "and":
        parts = list(conjuncts(node))
        k = 1
        while k < len(parts):
            lost = (free_names(parts[k]) & astray) - seen
            home = None
            for j in range(k - 1, -1, -1):
                if lost:
                    home = _inserted(parts[j], parts[k], lost)
                if home is not None:
                    parts[j] = home
                    del parts[k]
                    names = ", ".join(f"'{n}'" for n in sorted(lost))
                    context.note(f"a condition on {names} outside the lambda was read as inside it", node)
                    break
            if home is None:
                k += 1
        node = conjunction(parts, node) if len(parts) < len(conjuncts(node)) else node
    inner = seen | set(node.params) if isinstance(node, ast.Lambda) else seen
    return rebuild(node, lambda child: _moved(child, inner, astray, context))


def _inserted(place: Expr, part: Expr, lost: set[str]) -> Expr | None:
    """Return `place` with `part` added to the lambda at its right end that binds all of `lost`, or ``None``."""
    if isinstance(place, ast.Connective) and place.op == "and":
        last = _inserted(place.operands[-1], part, lost)
        return None if last is None else ast.Connective("and", (*place.operands[:-1], last), span=place.span)
    if not isinstance(place, ast.Call) or place.keywords or not place.args:
        return None
    last_arg = place.args[-1]
    if isinstance(last_arg, ast.Lambda):
        if called(place) not in _BINDERS and called(place) != "describe":
            return None
        deeper = (
            _inserted(last_arg.body, part, lost - set(last_arg.params))
            if lost - set(last_arg.params)
            else None
        )
        if deeper is None and lost <= set(last_arg.params) and called(place) in _BINDERS:
            deeper = conjunction([last_arg.body, part], last_arg.body)
        if deeper is None:
            return None
        new: Expr = ast.Lambda(last_arg.params, deeper, span=last_arg.span)
    else:
        found = _inserted(last_arg, part, lost)
        if found is None:
            return None
        new = found
    return ast.Call(place.func, (*place.args[:-1], new), span=place.span)


class _Anaphora:
    """Replaces a variable that is left over by the one description before it that binds it."""

    def __init__(self, astray: set[str], context: Context) -> None:
        self.astray, self.context = astray, context
        self.before: dict[str, list[Expr]] = {}

    def change(self, node: ast.Node, seen: frozenset[str]) -> ast.Node:
        """Return the node with left-over variables replaced, reading from left to right."""
        if isinstance(node, ast.Name) and node.id in self.astray and node.id not in seen:
            found = self.before.get(node.id, [])
            usable = [d for d in found if not (free_names(d) & self.astray) - seen]
            if len(usable) == 1 and len(found) == 1:
                self.context.note(
                    f"'{node.id}' outside its lambda was read as the object described there", node
                )
                self.context.copied(usable[0])
                return usable[0]
            return node
        inner = seen | set(node.params) if isinstance(node, ast.Lambda) else seen
        made = rebuild(node, lambda child: self.change(child, inner))
        if isinstance(made, ast.Call) and (function := described(made)) is not None:
            known = self.before.setdefault(function.params[0], [])
            if made not in known:
                known.append(made)
        return made
