"""Makes the nodes of :mod:`dsl.syntax.ast`: one function for each rule or alias of the grammar.

Each takes the list of what its rule found (tokens and nodes) and returns a node. Rules of `generate` share
these functions through their aliases.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from lark import Transformer

from dsl.errors import ProgramError
from dsl.span import Span
from dsl.syntax import ast
from dsl.syntax.ast import Expr, Stmt
from dsl.syntax.lexer import Token
from dsl.syntax.strings import number_value, text_value

Found: TypeAlias = "list[Any]"


def builder() -> Transformer[Token, Any]:
    """Return the functions of this file, for Lark to call while it parses."""
    return _Builder()


def join(first: Any, last: Any) -> Span:
    """Return the span from the start of `first` to the end of `last` (tokens or nodes)."""
    a, b = first.span, last.span
    return Span(a.line, a.column, b.end_line, b.end_column)


class _Builder(Transformer[Token, Any]):
    """Builds the tree while it is parsed; a fault of meaning is a :class:`dsl.ProgramError`."""

    # --- statements ---

    def accept(self, c: Found) -> ast.Program:
        return ast.Program(tuple(c), span=join(c[0], c[-1]))

    def generate(self, c: Found) -> ast.Program:
        return self.accept(c)

    def formatted(self, c: Found) -> Expr:
        return c[0]  # type: ignore[no-any-return]

    def suite(self, c: Found) -> tuple[Stmt, ...]:
        return tuple(c)

    def expr_statement(self, c: Found) -> Stmt:
        return ast.ExprStatement(c[0], span=c[0].span)

    def assign(self, c: Found) -> Stmt:
        return ast.Assign(tuple(as_target(t) for t in c[:-1]), c[-1], span=join(c[0], c[-1]))

    def augmented(self, c: Found) -> Stmt:
        target = as_target(c[0])
        if isinstance(target, ast.TupleDisplay):
            raise ProgramError(
                "an augmented assignment has one target", c[0].span, hint="write one assignment for each name"
            )
        return ast.AugAssign(target, c[1].value.strip()[:-1], c[2], span=join(c[0], c[2]))

    def return_(self, c: Found) -> Stmt:
        return ast.Return(c[1] if len(c) > 1 else None, span=join(c[0], c[-1]))

    def pass_(self, c: Found) -> Stmt:
        return ast.Pass(span=c[0].span)

    def break_(self, c: Found) -> Stmt:
        return ast.Break(span=c[0].span)

    def continue_(self, c: Found) -> Stmt:
        return ast.Continue(span=c[0].span)

    def if_statement(self, c: Found) -> Stmt:
        word, test, body, *orelse = c
        return ast.If(test, body, orelse[0] if orelse else (), span=join(word, body[-1]))

    def elif_(self, c: Found) -> tuple[Stmt, ...]:
        return (self.if_statement(c),)

    def else_(self, c: Found) -> tuple[Stmt, ...]:
        return c[0]  # type: ignore[no-any-return]

    def for_statement(self, c: Found) -> Stmt:
        word, target, _, iterable, body = c
        return ast.For(target, iterable, body, span=join(word, body[-1]))

    def def_statement(self, c: Found) -> Stmt:
        word, name, *params, body = c
        found = params[0] if params else ()
        return ast.FunctionDef(name.value, found, body, span=join(word, name))

    def params(self, c: Found) -> tuple[ast.Param, ...]:
        return tuple(c)

    def param(self, c: Found) -> ast.Param:
        return ast.Param(c[0].value, c[1] if len(c) > 1 else None, span=c[0].span)

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

    def conditional(self, c: Found) -> Expr:
        return ast.Conditional(c[1], c[0], c[2], span=join(c[0], c[2]))

    def lambda_(self, c: Found) -> Expr:
        names = c[1] if len(c) == 3 else ()
        return ast.Lambda(names, c[-1], span=join(c[0], c[-1]))

    def names(self, c: Found) -> tuple[str, ...]:
        return tuple(t.value for t in c)

    def or_(self, c: Found) -> Expr:
        return ast.Connective("or", tuple(c), span=join(c[0], c[-1]))

    def and_(self, c: Found) -> Expr:
        return ast.Connective("and", tuple(c), span=join(c[0], c[-1]))

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

    def binary(self, c: Found) -> Expr:
        return ast.Binary(c[1].value.strip(), c[0], c[2], span=join(c[0], c[2]))

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
                    "an argument by position after one by name",
                    item.span,
                    hint="put the arguments by position first",
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

    def keyword(self, c: Found) -> ast.Keyword:
        return ast.Keyword(c[0].value, c[1], span=join(c[0], c[1]))

    def subscript(self, c: Found) -> Expr:
        return ast.Subscript(c[0], c[1], span=join(c[0], c[2]))

    def slice(self, c: Found) -> ast.Slice:
        parts: list[Expr | None] = [None, None, None]
        at = 0
        for item in c:
            if isinstance(item, Token):
                at += 1
            else:
                parts[at] = item
        return ast.Slice(*parts, span=join(c[0], c[-1]))

    def attribute(self, c: Found) -> Expr:
        return ast.Attribute(c[0], c[1].value, span=join(c[0], c[1]))

    def name(self, c: Found) -> Expr:
        return ast.Name(c[0].value, span=c[0].span)

    def number(self, c: Found) -> Expr:
        return ast.Number(number_value(c[0]), span=c[0].span)

    def strings(self, c: Found) -> Expr:
        return text_value(c)

    def true(self, c: Found) -> Expr:
        return ast.Truth(True, span=c[0].span)

    def false(self, c: Found) -> Expr:
        return ast.Truth(False, span=c[0].span)

    def none(self, c: Found) -> Expr:
        return ast.Nothing(span=c[0].span)

    def empty_tuple(self, c: Found) -> Expr:
        return ast.TupleDisplay((), span=join(c[0], c[1]))

    def group(self, c: Found) -> Expr:
        return c[1]  # type: ignore[no-any-return]

    def list_(self, c: Found) -> Expr:
        return ast.ListDisplay(tuple(c[1:-1]), span=join(c[0], c[-1]))

    def set_(self, c: Found) -> Expr:
        return ast.SetDisplay(tuple(c[1:-1]), span=join(c[0], c[-1]))

    def dict_(self, c: Found) -> Expr:
        return ast.DictDisplay(tuple(c[1:-1:2]), tuple(c[2:-1:2]), span=join(c[0], c[-1]))

    def generator(self, c: Found) -> Expr:
        return ast.Comprehension("bare", c[0], tuple(c[1:]), span=join(c[0], c[-1]))

    def generator_group(self, c: Found) -> Expr:
        return ast.Comprehension("generator", c[1], tuple(c[2:-1]), span=join(c[0], c[-1]))

    def list_comprehension(self, c: Found) -> Expr:
        return ast.Comprehension("list", c[1], tuple(c[2:-1]), span=join(c[0], c[-1]))

    def set_comprehension(self, c: Found) -> Expr:
        return ast.Comprehension("set", c[1], tuple(c[2:-1]), span=join(c[0], c[-1]))

    def dict_comprehension(self, c: Found) -> Expr:
        return ast.Comprehension("dict", c[1], tuple(c[3:-1]), c[2], span=join(c[0], c[-1]))

    def clause(self, c: Found) -> ast.Clause:
        return ast.Clause(c[1], c[3], tuple(c[4:]), span=join(c[0], c[-1]))

    def condition(self, c: Found) -> Expr:
        return c[0]  # type: ignore[no-any-return]


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
