"""Makes the nodes of :mod:`dsl.syntax.ast`: one function for each rule or alias of the grammar.

Each takes the list of what its rule found (tokens and nodes) and returns a node. Rules of `generate` share
these functions through their aliases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lark import Transformer

from dsl.errors import ProgramError
from dsl.span import Span, join
from dsl.syntax import ast
from dsl.syntax.ast import Expr, Stmt
from dsl.syntax.lexer import Token
from dsl.syntax.strings import number_value, text_value

Found: TypeAlias = "list[Any]"


def builder() -> Transformer[Token, Any]:
    """Return the functions of this file, for Lark to call while it parses."""
    return _Builder()


def _node(make: Callable[[Found, Span], Any]) -> Callable[[Any, Found], Any]:
    """Return the function of a rule whose node is made of what the rule found and of where all of it stands."""
    return lambda self, c: make(c, join(c[0], c[-1]))


class _Builder(Transformer[Token, Any]):
    """Builds the tree while it is parsed; a fault of meaning is a :class:`dsl.ProgramError`."""

    # --- statements ---

    def formatted(self, c: Found) -> Any:
        return c[0]

    def suite(self, c: Found) -> tuple[Any, ...]:
        return tuple(c)

    condition = else_ = formatted
    params = suite
    accept = generate = _node(lambda c, span: ast.Program(tuple(c), span=span))
    expr_statement = _node(lambda c, span: ast.ExprStatement(c[0], span=span))
    assign = _node(lambda c, span: ast.Assign(tuple(as_target(t) for t in c[:-1]), c[-1], span=span))

    def augmented(self, c: Found) -> Stmt:
        target = as_target(c[0])
        if isinstance(target, ast.TupleDisplay):
            raise ProgramError(
                "an augmented assignment has one target", c[0].span, hint="write one assignment for each name"
            )
        return ast.AugAssign(target, c[1].value.strip()[:-1], c[2], span=join(c[0], c[2]))

    return_ = _node(lambda c, span: ast.Return(c[1] if len(c) > 1 else None, span=span))
    pass_ = _node(lambda c, span: ast.Pass(span=span))
    break_ = _node(lambda c, span: ast.Break(span=span))
    continue_ = _node(lambda c, span: ast.Continue(span=span))

    def import_(self, c: Found) -> Stmt:
        _, module, *alias = c[0].value.split()
        return ast.Import(module, alias[-1] if alias else "", span=c[0].span)

    def annotated(self, c: Found) -> Stmt:
        target = as_target(c[0])
        return ast.Assign((target,), c[-1], span=join(c[0], c[-1]))

    def annotation(self, c: Found) -> _Type:
        return _Type()

    result_type = annotation

    def if_statement(self, c: Found) -> Stmt:
        word, test, body, *orelse = c
        return ast.If(test, body, orelse[0] if orelse else (), span=join(word, body[-1]))

    def elif_(self, c: Found) -> tuple[Stmt, ...]:
        return (self.if_statement(c),)

    def for_statement(self, c: Found) -> Stmt:
        word, target, _, iterable, body, *orelse = c
        return ast.For(target, iterable, body, orelse[0] if orelse else (), span=join(word, body[-1]))

    def def_statement(self, c: Found) -> Stmt:
        word, name, *params, body = _untyped(c)
        found = params[0] if params else ()
        return ast.FunctionDef(name.value, found, body, span=join(word, name))

    def param(self, c: Found) -> ast.Param:
        name, *default = _untyped(c)
        return ast.Param(name.value, default[0] if default else None, span=name.span)

    def targets(self, c: Found) -> Expr:
        return as_target(self.expressions(c))

    def name_targets(self, c: Found) -> Expr:
        return self.expressions([self.name([t]) for t in c])

    # --- expressions ---

    def implication(self, c: Found) -> Expr:
        name = ast.Name("implies", span=c[1].span)
        return ast.Call(name, (c[0], c[2]), span=join(c[0], c[2]))

    def expressions(self, c: Found) -> Expr:
        if len(c) == 1:
            return c[0]  # type: ignore[no-any-return]
        items = c[:-1] if c[-1].__class__ is Token else c
        return ast.TupleDisplay(tuple(items), span=join(items[0], items[-1]))

    index = expressions

    conditional = _node(lambda c, span: ast.Conditional(c[1], c[0], c[2], span=span))

    def lambda_(self, c: Found) -> Expr:
        names = c[1] if len(c) == 3 else ()
        return ast.Lambda(names, c[-1], span=join(c[0], c[-1]))

    def names(self, c: Found) -> tuple[str, ...]:
        return tuple(t.value for t in c)

    or_ = _node(lambda c, span: ast.Connective("or", tuple(c), span=span))
    and_ = _node(lambda c, span: ast.Connective("and", tuple(c), span=span))

    def unary(self, c: Found) -> Expr:
        op = "not" if c[0].type.endswith("NOT") else c[0].value.strip()
        return ast.Unary(op, c[1], span=join(c[0], c[1]))

    def compare(self, c: Found) -> Expr:
        ops: list[str] = []
        rights: list[Expr] = []
        word = ""
        for item in c[1:]:
            if isinstance(item, Token):
                value = "not" if item.type == "NOT" else item.value.strip()
                word = f"{word} {value}" if word else value
            else:
                ops.append(word)
                rights.append(item)
                word = ""
        return ast.Comparison(c[0], tuple(ops), tuple(rights), span=join(c[0], c[-1]))

    binary = _node(lambda c, span: ast.Binary(c[1].value.strip(), c[0], c[2], span=span))

    def call(self, c: Found) -> Expr:
        args: list[Expr] = []
        keywords: list[ast.Keyword] = []
        for item in c[1:-1]:
            if isinstance(item, ast.Keyword):
                if any(k.name == item.name for k in keywords):
                    raise ProgramError(
                        f"the argument '{item.name}' is given twice", item.span, hint="leave one of them out"
                    )
                keywords.append(item)
            elif keywords:
                raise ProgramError(
                    "an argument by position after one by name", item.span, hint="put the arguments by position first"
                )
            else:
                args.append(item)
        if len(c) > 3 and any(isinstance(a, ast.Comprehension) and a.kind == "bare" for a in args):
            raise ProgramError("a comprehension beside other arguments needs brackets", c[1].span,
                               hint="write [… for … in …]")  # fmt: skip
        if args and isinstance(args[0], ast.Comprehension) and args[0].kind == "bare":
            bare = args[0]
            args[0] = ast.Comprehension("generator", bare.element, bare.clauses, span=bare.span)
        return ast.Call(c[0], tuple(args), tuple(keywords), span=join(c[0], c[-1]))

    keyword = _node(lambda c, span: ast.Keyword(c[0].value, c[1], span=span))

    def sort_statement(self, c: Found) -> Stmt:
        value = ast.Name(c[0].value, span=c[0].span)
        function = ast.Attribute(value, "sort", span=join(c[0], c[1]))
        call = ast.Call(function, (), tuple(c[2:-1]), span=join(c[0], c[-1]))
        return ast.ExprStatement(call, span=call.span)

    def strict_keyword(self, c: Found) -> ast.Keyword:
        return ast.Keyword(c[0].value.rstrip("="), c[1], span=join(c[0], c[1]))

    def strict_switch(self, c: Found) -> ast.Keyword:
        value = ast.Truth(c[1].type == "TRUE", span=c[1].span)
        return ast.Keyword(c[0].value.rstrip("="), value, span=join(c[0], c[1]))

    subscript = _node(lambda c, span: ast.Subscript(c[0], c[1], span=span))

    def slice(self, c: Found) -> ast.Slice:
        parts: list[Expr | None] = [None, None, None]
        at = 0
        for item in c:
            if isinstance(item, Token):
                at += 1
            else:
                parts[at] = item
        return ast.Slice(*parts, span=join(c[0], c[-1]))

    attribute = _node(lambda c, span: ast.Attribute(c[0], c[1].value, span=span))
    name = _node(lambda c, span: ast.Name(c[0].value, span=span))
    number = _node(lambda c, span: ast.Number(number_value(c[0]), span=span))
    strings = _node(lambda c, span: text_value(c, span))
    true = _node(lambda c, span: ast.Truth(True, span=span))
    false = _node(lambda c, span: ast.Truth(False, span=span))
    none = _node(lambda c, span: ast.Nothing(span=span))
    empty_tuple = _node(lambda c, span: ast.TupleDisplay((), span=span))

    def group(self, c: Found) -> Expr:
        return c[1]  # type: ignore[no-any-return]

    list_ = _node(lambda c, span: ast.ListDisplay(tuple(c[1:-1]), span=span))
    set_ = _node(lambda c, span: ast.SetDisplay(tuple(c[1:-1]), span=span))
    dict_ = _node(lambda c, span: ast.DictDisplay(tuple(c[1:-1:2]), tuple(c[2:-1:2]), span=span))
    generator = _node(lambda c, span: ast.Comprehension("bare", c[0], tuple(c[1:]), span=span))
    generator_group = _node(lambda c, span: ast.Comprehension("generator", c[1], tuple(c[2:-1]), span=span))
    list_comprehension = _node(lambda c, span: ast.Comprehension("list", c[1], tuple(c[2:-1]), span=span))
    set_comprehension = _node(lambda c, span: ast.Comprehension("set", c[1], tuple(c[2:-1]), span=span))
    dict_comprehension = _node(lambda c, span: ast.Comprehension("dict", c[1], tuple(c[3:-1]), c[2], span=span))
    clause = _node(lambda c, span: ast.Clause(c[1], c[3], tuple(c[4:]), span=span))


class _Type:
    """The type that is written beside a name: read, and left out."""


def _untyped(c: Found) -> Found:
    return [item for item in c if not isinstance(item, _Type)]


def as_target(node: Expr) -> Expr:
    """Return `node` as the target of an assignment.

    Raises
    ------
    ProgramError
        If it is not a name, an item of a named value, or a tuple of these.
    """
    if isinstance(node, ast.Name):
        return node
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Subscript):
        if not isinstance(node.index, ast.Slice):
            return node
    elif isinstance(node, ast.TupleDisplay | ast.ListDisplay) and node.items:
        return ast.TupleDisplay(tuple(as_target(i) for i in node.items), span=node.span)
    raise ProgramError(
        "this can not be assigned to",
        node.span,
        expected="a name, an item such as found[0], or several names",
        hint="use == to compare, or give the value a name",
    )
