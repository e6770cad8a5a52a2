"""The checks of programs over regions: their functions, and attributes and methods by the sort that has them."""

from __future__ import annotations

from dsl.builtins import BINDERS, BUILTINS, RESERVED
from dsl.check.scopes import Binding, Scope
from dsl.check.statements import Statements
from dsl.errors import ProgramError, any_of, closest, did_you_mean
from dsl.limits import Limits
from dsl.patches import words
from dsl.patches.declared import (
    ANY,
    ATTRIBUTES,
    FUNCTIONS,
    INPUTS,
    LIST,
    METHODS,
    MODULES,
    PLAIN_BUILTINS,
    REGION,
    TEXT,
    Function,
    base,
    members,
    sorts_with,
)  # fmt: skip
from dsl.patches.formats import Field, pieces
from dsl.patches.sorts import Sorts, module_of
from dsl.syntax import ast
from dsl.vocabulary import OBJECT, Vocabulary

_INSIDES = "leave it out: a program can not reach into Python's objects"
_MIXED = "a program over regions has no quantifiers: write a loop, or any(… for p in patches), or len(…)"
_FITS = {LIST: {"List", "Set", "Tuple", "Dict"}, "Number": {"Number", "Bool"}, "Bool": {"Bool", "Number", "Text"}}


class RegionChecker(Statements):
    """Checks one program over regions, in normal form.

    Parameters
    ----------
    tree
        The program, for the sorts of its names.
    vocabulary, limits
        As for every checker.
    """

    def __init__(self, tree: ast.Program, vocabulary: Vocabulary, limits: Limits) -> None:
        super().__init__(vocabulary, limits)
        self.sorts = Sorts(tree)

    # --- names ---

    def bind(self, scope: Scope, name: str, node: ast.Node, binding: Binding) -> None:
        """Bind a name; a program may take any but those of Python that reach outside."""
        if name.startswith("__"):
            self.fault(f"'{name}' is reserved", node, hint=_INSIDES)
        elif name in RESERVED and name not in words.FREE:
            self.fault(
                f"'{name}' can not be given another meaning",
                node,
                expected="a name of your own",
                hint=f"rename it, e.g. '{name}_found'",
            )
        self.bound_somewhere.add(name)
        scope.bind(name, binding)

    def parameter(self, scope: Scope, param: ast.Param) -> None:
        """Bind a parameter; one that is called as a function of the dialect stands for that function."""
        if param.name not in FUNCTIONS:
            super().parameter(scope, param)

    def result(self, node: ast.Expr, scope: Scope) -> None:
        """Check what a program gives: it has no sorts, and a name that nothing binds is unknown already."""

    def _name(self, node: ast.Name, scope: Scope) -> None:
        name = node.id
        if scope.find(name) is not None or name in FUNCTIONS or name in INPUTS or name in PLAIN_BUILTINS:
            return
        if name in MODULES:
            self.fault(f"'{name}' alone is no value", node, expected=f"{name}.{next(iter(MODULES[name]))}(…)",
                       hint="name the function of it that you mean")  # fmt: skip
            return
        if self._of_formulas(name):
            self._mixed(name, node)
            return
        if self._reserved(node):
            return
        if name in self.bound_somewhere:
            hint = f"'{name}' is known only inside the function or loop that binds it; use it there"
        else:
            known = [*scope.visible(), *FUNCTIONS, *INPUTS, *PLAIN_BUILTINS]
            hint = did_you_mean(name, known) or f'give it a value first, or write it as a text: "{name}"'
        self.fault(f"unknown name '{name}'", node, expected="a variable or an input, such as image", hint=hint)

    def _of_formulas(self, name: str) -> bool:
        """Tell whether a name is one of the other dialects: a quantifier, another built-in, a sort."""
        return (name in BUILTINS and name not in PLAIN_BUILTINS) or name == OBJECT or name in self.vocabulary.sorts

    def _mixed(self, name: str, node: ast.Node) -> None:
        if name in BINDERS or name == OBJECT or name in self.vocabulary.sorts:
            what = f"'{name}' of the quantifiers with lambdas does not mix with regions"
        else:
            what = f"'{name}' is not in the dialect of regions"
        self.fault(what, node, expected="one dialect in one program", hint=words.INSTEAD.get(name, _MIXED))

    # --- attributes and methods ---

    def _attribute(self, node: ast.Attribute, scope: Scope, *, called: bool) -> None:
        module = module_of(node, self.sorts)
        if module:
            self._of_module(node, module, called)
            return
        self.expression(node.value, scope)
        name, sort = node.name, base(self.sorts.of(node.value))
        having = sorts_with(name) if sort == ANY else [sort]
        if name.startswith("_"):
            self.fault(f"'.{name}' is not in the language", node, hint=_INSIDES)
        elif any(name in (METHODS if called else ATTRIBUTES).get(s, ()) for s in having):
            return
        elif any(name in METHODS.get(s, ()) for s in having):
            self.fault(f"'.{name}' is a method", node, expected=f".{name}(…)", hint="call it, with ()")
        elif any(name in ATTRIBUTES.get(s, ()) for s in having):
            self.fault(f"'.{name}' is an attribute", node, expected=f".{name}", hint="leave the () after it out")
        else:
            self._no_member(node, sort)

    def _of_module(self, node: ast.Attribute, module: str, called: bool) -> None:
        found = MODULES[module].get(node.name)
        if found is None:
            known = any_of(closest(node.name, MODULES[module], 3))
            self.fault(f"there is no '{module}.{node.name}'", node, expected=f"one of {', '.join(MODULES[module])}",
                       hint=known or "compute it with + - * / and the built-ins")  # fmt: skip
        elif called != isinstance(found, Function):
            hint = "leave the () after it out" if called else "call it, with ()"
            self.fault(f"'{module}.{node.name}' is a {'number' if called else 'function'}", node, hint=hint)

    def _no_member(self, node: ast.Attribute, sort: str) -> None:
        """Report an attribute or method that no sort has, or that the value's sort has not."""
        name = node.name
        others = sorts_with(name)
        if sort != ANY and others:
            owner = words.A_SORT[others[0]]
            one = sort == LIST and others[0] == REGION
            hint = "take one of its regions first: [0], or a loop" if one else words.instead(name)
            self.fault(f"{words.A_SORT[sort]} has no '.{name}'", node, expected=f"{owner} before .{name}",
                       hint=hint or f"'.{name}' is of {owner}")  # fmt: skip
            return
        known = members(sort) if members(sort) else [m for s in (REGION, LIST, TEXT) for m in members(s)]
        near = closest(name, known, 3, 0.7)
        what = f"{words.A_SORT[sort]} has no '.{name}'" if sort != ANY else f"there is no '.{name}'"
        self.fault(
            what,
            node,
            expected="an attribute or method such as .find, .simple_query or .left",
            hint=words.instead(name) or any_of(near) or words.asking(name),
        )

    # --- calls ---

    def _call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        if not isinstance(function, ast.Attribute):
            super()._call(node, scope)
            return
        self._attribute(function, scope, called=True)
        self._arguments(node, scope)
        module = module_of(function, self.sorts)
        if module:
            found = MODULES[module].get(function.name)
            fitting = [found] if isinstance(found, Function) else []
        else:
            sort = base(self.sorts.of(function.value))
            having = METHODS if sort == ANY else {sort: METHODS.get(sort, {})}
            fitting = [methods[function.name] for methods in having.values() if function.name in methods]
        self._fits(node, fitting)
        if function.name == "format" and isinstance(function.value, ast.Text):
            self._template(node, function.value)

    def _named_call(self, node: ast.Call, function: ast.Name, scope: Scope) -> None:
        name = function.id
        quantified = name in BINDERS and any(isinstance(a, ast.Lambda) or a == ast.Name(OBJECT) for a in node.args)
        if scope.find(name) is not None:
            super()._named_call(node, function, scope)
        elif quantified or (name not in PLAIN_BUILTINS and self._of_formulas(name)):
            self._mixed(name, node)
        elif name in FUNCTIONS:
            self._arguments(node, scope)
            self._fits(node, [FUNCTIONS[name]])
        elif name in PLAIN_BUILTINS:
            self._builtin(node, BUILTINS[name], scope)
        elif not self._reserved(function):
            near = did_you_mean(name, [*FUNCTIONS, *PLAIN_BUILTINS, *scope.visible()])
            self.fault(
                f"there is no function '{name}'",
                function,
                expected=f"a function such as {', '.join(list(FUNCTIONS)[:4])}, or one that the program defines",
                hint=words.INSTEAD.get(name) or near or words.asking(name),
            )
            self._arguments(node, scope)

    def _fits(self, node: ast.Call, functions: list[Function]) -> None:
        """Check arguments against the functions that are meant: one by its sort, or all of that name."""
        keywords = [k.name for k in node.keywords]
        problems = [function.misfit(len(node.args), keywords) for function in functions]
        if problems and all(problems):
            self.fault(
                problems[0],
                node,
                expected=functions[0].signature,
                hint=words.ARGUMENTS.get(functions[0].name) or f"write {functions[0].signature}",
            )
        elif len(functions) == 1 and not functions[0].many:
            self._sorts_fit(node, functions[0])

    def _sorts_fit(self, node: ast.Call, function: Function) -> None:
        given: list[ast.Expr | None] = function.arrange(node.args, {k.name: k.value for k in node.keywords})
        for parameter, value in zip(function.parameters, given, strict=True):
            if not isinstance(value, ast.Node):
                continue
            sort = base(self.sorts.of(value))
            if sort == ANY or any(s in (ANY, sort) or sort in _FITS.get(s, ()) for s in parameter.sorts):
                continue
            meant = " or ".join(words.A_SORT[s] for s in parameter.sorts)
            self.fault(
                f"'{function.name}' takes {meant} as '{parameter.name}', not {words.A_SORT[sort]}",
                value,
                expected=function.signature,
                hint=words.given_instead(sort, parameter.sorts),
            )

    def _template(self, node: ast.Call, text: ast.Text) -> None:
        """Check the places of a template that is written out against the values that it is given."""
        try:
            places = [p.name for p in pieces(text.value, text.span) if isinstance(p, Field)]
        except ProgramError as fault:
            self.errors.append(fault)
            return
        keywords = {k.name for k in node.keywords}
        for name in places:
            if (name >= len(node.args)) if isinstance(name, int) else (name not in keywords):
                self.fault(f"the text for .format has a place '{name}' without a value", node,
                           hint="give .format one value for each place")  # fmt: skip
                return
