"""The checker's half for expressions: names, calls, methods, predicates."""

from __future__ import annotations

import re

from dsl.builtins import BUILTINS, METHODS, METHODS_MISSED, RESERVED, Builtin
from dsl.check.scopes import Binding, Scope
from dsl.check.sorts import Sorts
from dsl.errors import LimitError, any_of, closest, did_you_mean
from dsl.limits import Limits
from dsl.syntax import ast
from dsl.syntax.ast import Expr
from dsl.vocabulary import OBJECT, Vocabulary

_INSIDES = "leave it out: a program can not reach into Python's objects"


class Expressions(Sorts):
    """Checks expressions and collects faults, predicates and notes.

    Parameters
    ----------
    vocabulary
        The domain's words.
    limits
        ``predicate_arity`` is checked.
    """

    def __init__(self, vocabulary: Vocabulary, limits: Limits) -> None:
        super().__init__(vocabulary)
        self.limits = limits
        self.predicates: set[tuple[str, int]] = set()
        self.notes: list[str] = []
        self.bound_somewhere: set[str] = set()

    # --- binding ---

    def bind(self, scope: Scope, name: str, node: ast.Node, binding: Binding) -> None:
        """Bind a name, unless it is not free to take."""
        if name.startswith("__"):
            self.fault(f"'{name}' is reserved", node, hint=_INSIDES)
        elif name in RESERVED or (name in BUILTINS and not BUILTINS[name].shadowable):
            self.fault(
                f"'{name}' is a built-in and can not be given another meaning",
                node,
                expected="a name of your own",
                hint=f"rename it, e.g. '{name}_found'",
            )
        elif name == OBJECT or name in self.vocabulary.sorts:
            self.fault(
                f"'{name}' is a sort and can not be given another meaning",
                node,
                expected="a name of your own",
                hint=f"rename it, e.g. '{name.lower()}_found'",
            )
        self.bound_somewhere.add(name)
        scope.bind(name, binding)

    def target(self, node: Expr, scope: Scope, binding: Binding | None = None) -> None:
        """Bind the names of an assignment's or a loop's target."""
        if isinstance(node, ast.Name):
            self.bind(scope, node.id, node, binding or Binding("value"))
        elif isinstance(node, ast.TupleDisplay):
            for item in node.items:
                self.target(item, scope, binding)
        else:
            self.expression(node, scope)

    # --- expressions ---

    def expression(self, node: ast.Node, scope: Scope) -> None:
        """Check an expression and all inside it."""
        if isinstance(node, ast.Name):
            self._name(node, scope)
        elif isinstance(node, ast.Call):
            self._call(node, scope)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, scope, called=False)
        elif isinstance(node, ast.Lambda):
            self._lambda(node, scope)
        elif isinstance(node, ast.Comprehension):
            self._comprehension(node, scope)
        elif not isinstance(node, ast.Text | ast.Number | ast.Truth | ast.Nothing):
            for child in ast.children(node):
                self.expression(child, scope)

    def _name(self, node: ast.Name, scope: Scope) -> None:
        name = node.id
        if scope.find(name) is not None or name in BUILTINS:
            return
        words = self.vocabulary
        if self._reserved(node) or name == "objects" or words.value_named(name) is not None:
            return
        sort = words.sort_named(name)
        if sort is not None:
            if name != sort:
                self.notes.append(f"'{name}' was read as the sort {sort}")
            return
        if words.knows(name, 1) or words.knows(name, 2):
            self.predicates.update((words.canonical(name, n), n) for n in (1, 2) if words.knows(name, n))
            return
        if name in self.bound_somewhere:
            hint = f"'{name}' is known only inside the lambda, function or loop that binds it; use it there"
        else:
            known = [*scope.visible(), *words.words(), *words.sort_names(), *BUILTINS]
            hint = did_you_mean(name, known) or _unbound(name, scope, words.closed)
        self.fault(f"unknown name '{name}'", node, expected="a variable, a value or a sort", hint=hint)

    def _reserved(self, node: ast.Name) -> bool:
        hint = _INSIDES if node.id.startswith("__") else RESERVED.get(node.id)
        if hint is not None:
            self.fault(f"'{node.id}' is not in the language", node, hint=hint)
        return hint is not None

    def _lambda(self, node: ast.Lambda, scope: Scope, sort: str = "") -> None:
        inner = Scope(scope)
        for name in node.params:
            if name in inner.names:
                self.fault(f"the parameter '{name}' occurs twice", node, hint="give it another name")
            self.bind(inner, name, node, Binding("variable", sort=sort))
        self.expression(node.body, inner)

    def _comprehension(self, node: ast.Comprehension, scope: Scope) -> None:
        inner = scope
        for clause in node.clauses:
            self.expression(clause.iterable, inner)
            inner = Scope(inner)
            self.target(clause.target, inner, self.member_of(clause.iterable, scope))
            for condition in clause.conditions:
                self.expression(condition, inner)
        self.expression(node.element, inner)
        if node.value is not None:
            self.expression(node.value, inner)

    def _attribute(self, node: ast.Attribute, scope: Scope, *, called: bool) -> None:
        self.expression(node.value, scope)
        if called and node.name in METHODS:
            return
        if node.name.startswith("_"):
            self.fault(f"'.{node.name}' is not in the language", node, hint=_INSIDES)
        elif node.name in METHODS:
            self.fault(f"'.{node.name}' is a method", node, expected=f".{node.name}(…)", hint="call it, with ()")
        else:
            near = closest(node.name, METHODS, 3, 0.75) if called and not self._is_word(node.name) else []
            bound = isinstance(node.value, ast.Name) and scope.find(node.value.id) is not None
            of = node.value.id if bound and isinstance(node.value, ast.Name) else "x"
            self.fault(
                f"there is no '.{node.name}'",
                node,
                expected="a method such as .exists, .count or .lower",
                hint=any_of(near)
                or (METHODS_MISSED.get(node.name, "") if called else "")
                or f"ask for a property with a predicate or describe: {node.name}({of})",
            )

    def _is_word(self, name: str) -> bool:
        """Tell whether the vocabulary knows a name: as a sort, a value or a predicate."""
        words = self.vocabulary
        return words.sort_named(name) is not None or words.knows(name, 1) or words.knows(name, 2)

    # --- calls ---

    def _call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        if isinstance(function, ast.Name):
            self._named_call(node, function, scope)
            return
        if isinstance(function, ast.Attribute):
            self._attribute(function, scope, called=True)
            if function.name in METHODS:
                method = METHODS[function.name]
                self._count(f".{function.name}", method.least, method.most, node)
                for keyword in node.keywords:
                    if keyword.name not in method.keywords and "*" not in method.keywords:
                        self.fault(
                            f"'.{function.name}' has no argument '{keyword.name}'",
                            keyword,
                            hint="give the arguments by position",
                        )
        elif isinstance(function, ast.Lambda):
            self.expression(function, scope)
            self._count("the lambda", len(function.params), len(function.params), node)
        elif isinstance(function, ast.Number | ast.Text | ast.Truth | ast.Nothing | ast.FString):
            self.fault("a plain value can not be called", function, hint="put a function's name before '('")
        else:
            self.expression(function, scope)
        self._arguments(node, scope)

    def _arguments(self, node: ast.Call, scope: Scope) -> None:
        for arg in node.args:
            if not self.word_with(node, arg, scope):
                self.expression(arg, scope)
        for keyword in node.keywords:
            self.expression(keyword.value, scope)

    def _named_call(self, node: ast.Call, function: ast.Name, scope: Scope) -> None:
        name = function.id
        binding = scope.find(name)
        if binding is not None:
            if binding.kind == "function":
                self._defined_function(node, name, binding)
            self._arguments(node, scope)
        elif name in BUILTINS:
            builtin = BUILTINS[name]
            if builtin.also_predicate and self._about_variable(node, scope):
                self.predicates.add((self.vocabulary.canonical(name, len(node.args)), len(node.args)))
                self._arguments(node, scope)
            else:
                self._builtin(node, builtin, scope)
        elif not self._reserved(function):
            self._predicate(node, function, scope)

    def _about_variable(self, node: ast.Call, scope: Scope) -> bool:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Name):
            return False
        found = scope.find(node.args[0].id)
        return found is not None and found.kind == "variable"

    def _defined_function(self, node: ast.Call, name: str, binding: Binding) -> None:
        self._count(f"'{name}'", binding.least, binding.most, node)
        for keyword in node.keywords:
            if keyword.name not in binding.params:
                self.fault(
                    f"'{name}' has no parameter '{keyword.name}'",
                    keyword,
                    expected=", ".join(binding.params),
                    hint=did_you_mean(keyword.name, binding.params),
                )
            elif keyword.name in binding.params[: len(node.args)]:
                self.fault(f"'{name}' gets its argument '{keyword.name}' twice", keyword, hint="leave one of them out")

    def _builtin(self, node: ast.Call, builtin: Builtin, scope: Scope) -> None:
        self._count(f"'{builtin.name}'", builtin.least, builtin.most, node, builtin.signature)
        for keyword in node.keywords:
            if keyword.name not in builtin.keywords and "*" not in builtin.keywords:
                self.fault(
                    f"'{builtin.name}' has no argument '{keyword.name}'",
                    keyword,
                    expected=builtin.signature,
                    hint=did_you_mean(keyword.name, builtin.keywords) or "give the arguments by position",
                )
        for i, arg in enumerate(node.args):
            if builtin.binds and i == len(node.args) - 1 and self._bare_predicate(arg, scope):
                continue
            if builtin.binds and isinstance(arg, ast.Lambda) and not arg.params:
                self.fault(
                    f"this lambda gives '{builtin.name}' no variable to bind",
                    arg,
                    expected=builtin.signature,
                    hint="name the variable: lambda x: …",
                )
                continue
            if builtin.binds and i == 0 and len(node.args) > 1 and self.no_sort(node, arg, scope):
                continue
            if builtin.binds and isinstance(arg, ast.Lambda):
                self._lambda(arg, scope, self.ranged_over(node, scope))
            else:
                self.expression(arg, scope)
        for keyword in node.keywords:
            self.expression(keyword.value, scope)
        if builtin.name == "describe" and len(node.args) == 2:
            self.has_values(node.args[1], self.sort_asked(node, scope), scope)

    def _bare_predicate(self, arg: Expr, scope: Scope) -> bool:
        """Take ``exists(Object, dog)`` for ``exists(Object, lambda x: dog(x))``."""
        if not isinstance(arg, ast.Name) or len(arg.id) < 3 or scope.find(arg.id) is not None:
            return False
        words = self.vocabulary
        if arg.id in BUILTINS or arg.id in RESERVED or arg.id.startswith("__") or words.closed:
            return False
        if words.sort_named(arg.id) or arg.id == "objects" or closest(arg.id, scope.visible(), 1, 0.7):
            return False
        self.predicates.add((words.canonical(arg.id, 1), 1))
        return True

    def _predicate(self, node: ast.Call, function: ast.Name, scope: Scope) -> None:
        """Check the call of a name that the program does not bind: a predicate, or a misspelt built-in."""
        name, arity, words = function.id, len(node.args), self.vocabulary
        self.inside.update(id(a) for a in node.args if isinstance(a, ast.Call))
        if self._like_a_builtin(node, scope):
            near = did_you_mean(name, [*BUILTINS, *scope.visible()])
            self.fault(
                f"there is no built-in '{name}'",
                function,
                expected="a built-in such as exists, count or iota before a sort or a lambda",
                hint=near or f"a predicate takes objects: {name}(x)",
            )
        elif arity > self.limits.predicate_arity:
            self.errors.append(
                LimitError(
                    "predicate_arity",
                    self.limits.predicate_arity,
                    arity,
                    function.span,
                    what=f"the predicate '{name}'",
                    hint="split it into predicates of fewer objects",
                )
            )
        elif arity == 0:
            self.fault(
                f"'{name}' is applied to nothing",
                node,
                expected=f"an object, as in {name}(x)",
                hint=f'to ask about the whole picture write score("is it {name.replace("_", " ")}?", 0)',
            )
        elif node.keywords:
            self.fault(
                f"the predicate '{name}' takes objects by position only",
                node.keywords[0],
                hint=f"write {name}(x), without names",
            )
        elif words.perceives(name, arity):
            pass  # whoever sees masks, depths and words is asked, in any vocabulary
        elif words.closed and not words.knows(name, arity) and words.sort_named(name) is None:
            other = [str(n) for n in range(1, 5) if words.knows(name, n)]
            takes = f"'{name}' with {' or '.join(other)} argument(s)" if other else ""
            self.fault(
                f"unknown predicate '{name}' of {_range(arity, arity)}",
                function,
                expected=takes or f"a predicate of the vocabulary '{words.name}'",
                hint=words.suggest(name, arity) or self.meant_by(node, scope) or "use a word of the vocabulary",
            )
        else:
            if words.sort_named(name) is None:
                self.predicates.add((words.canonical(name, arity), arity))
            self.arguments_of_sorts(node, name, scope)
        self._arguments(node, scope)

    def _like_a_builtin(self, node: ast.Call, scope: Scope) -> bool:
        """Tell whether a call has arguments that no predicate can take: a lambda, or a sort first."""
        if any(isinstance(a, ast.Lambda) for a in node.args):
            return True
        if len(node.args) < 2 or not isinstance(node.args[0], ast.Name):
            return False
        first = node.args[0].id
        return scope.find(first) is None and (first == OBJECT or first in self.vocabulary.sorts)

    def _count(self, what: str, least: int, most: int, node: ast.Call, signature: str = "") -> None:
        given = len(node.args) + len(node.keywords)
        if not least <= given <= most:
            self.fault(
                f"{what} takes {_range(least, most)}, not {given}",
                node,
                expected=signature or _range(least, most),
                hint=f"write {signature}" if signature else "give it the arguments it takes",
            )


def _unbound(name: str, scope: Scope, closed: bool) -> str:
    """Return a hint for a name that nothing binds and that looks like no other."""
    if not re.fullmatch(r"[a-z]\d*", name) and closed:
        return "use a word of the vocabulary, or assign the name first"
    if not re.fullmatch(r"[a-z]\d*", name):
        return f'assign it first, or write it as a text: "{name}"'
    variables = scope.variables()
    if variables:
        return any_of(variables[:3])
    return f"assign it first, or bind it: exists(Object, lambda {name}: …)"


def _range(least: int, most: int) -> str:
    if most > 100:
        return f"at least {least} argument{'s' if least != 1 else ''}"
    if least == most:
        return f"{least} argument{'s' if least != 1 else ''}" if least else "no arguments"
    return f"{least} to {most} arguments"
