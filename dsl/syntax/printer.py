"""Tree to text: one canonical form, with ``parse(print_program(tree)) == tree``."""

from __future__ import annotations

from dsl.syntax import ast
from dsl.syntax.ast import Expr, Stmt

_INDENT = "    "

# Precedence levels, loosest first; an operand is bracketed if it is looser than its place.
_TUPLE, _EXPR, _OR, _AND, _NOT, _COMPARE, _BAR, _CARET = range(8)
_AMPERSAND, _SHIFT, _SUM, _TERM, _FACTOR, _POWER, _PRIMARY = range(8, 15)
_BINARY = {
    "|": _BAR, "^": _CARET, "&": _AMPERSAND, ">>": _SHIFT, "+": _SUM, "-": _SUM,
    "*": _TERM, "/": _TERM, "//": _TERM, "%": _TERM,
}  # fmt: skip


def print_program(tree: ast.Program) -> str:
    """Return the program's canonical text, which parses to an equal tree; it ends with a line break.

    Raises
    ------
    TypeError
        If `tree` holds something that is no node of the language.
    """
    return "\n".join(line for node in tree.body for line in _statement(node, "")) + "\n"


def print_expression(node: Expr) -> str:
    """Return the canonical text of one expression."""
    return _expr(node, _EXPR)


# --- statements ----------------------------------------------------------------------------------


def _block(body: tuple[Stmt, ...], indent: str) -> list[str]:
    return [line for node in body for line in _statement(node, indent + _INDENT)]


def _statement(node: Stmt, indent: str) -> list[str]:
    match node:
        case ast.ExprStatement():
            return [indent + _expr(node.value, _TUPLE)]
        case ast.Assign():
            return [indent + " = ".join(_expr(part, _TUPLE) for part in (*node.targets, node.value))]
        case ast.AugAssign():
            return [f"{indent}{_expr(node.target, _TUPLE)} {node.op}= {_expr(node.value, _TUPLE)}"]
        case ast.Return():
            return [f"{indent}return {_expr(node.value, _TUPLE)}" if node.value is not None else f"{indent}return"]
        case ast.If():
            return _if(node, indent)
        case ast.For():
            head = f"{indent}for {_expr(node.target, _TUPLE)} in {_expr(node.iterable, _TUPLE)}:"
            orelse = [f"{indent}else:", *_block(node.orelse, indent)] if node.orelse else []
            return [head, *_block(node.body, indent), *orelse]
        case ast.FunctionDef():
            params = ", ".join(
                p.name if p.default is None else f"{p.name}={_expr(p.default, _EXPR)}" for p in node.params
            )
            return [f"{indent}def {node.name}({params}):", *_block(node.body, indent)]
        case ast.Pass() | ast.Break() | ast.Continue():
            return [indent + type(node).__name__.lower()]
        case ast.Import():
            return [f"{indent}import {node.module}" + (f" as {node.alias}" if node.alias else "")]
    raise TypeError(f"{type(node).__name__} is no statement")


def _if(node: ast.If, indent: str) -> list[str]:
    lines = [f"{indent}if {_expr(node.test, _EXPR)}:", *_block(node.body, indent)]
    while len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
        node = node.orelse[0]
        lines += [f"{indent}elif {_expr(node.test, _EXPR)}:", *_block(node.body, indent)]
    if node.orelse:
        lines += [f"{indent}else:", *_block(node.orelse, indent)]
    return lines


# --- expressions ---------------------------------------------------------------------------------


def _expr(node: ast.Node, place: int) -> str:
    """Return the text of a node for a place that needs at least the precedence `place`."""
    text, level = _render(node)
    return f"({text})" if level < place else text


def _items(items: tuple[Expr, ...]) -> str:
    return ", ".join(_expr(i, _EXPR) for i in items)


def _render(node: ast.Node) -> tuple[str, int]:
    """Return the text of a node and its precedence."""
    match node:
        case ast.Name():
            return node.id, _PRIMARY
        case ast.Number():
            return repr(node.value), _PRIMARY
        case ast.Text():
            return quoted(node.value), _PRIMARY
        case ast.Truth():
            return str(node.value), _PRIMARY
        case ast.Nothing():
            return "None", _PRIMARY
        case ast.FString():
            return _fstring(node), _PRIMARY
        case ast.Call():
            args = [_expr(a, _EXPR) for a in node.args] + [f"{k.name}={_expr(k.value, _EXPR)}" for k in node.keywords]
            return f"{_primary(node.func)}({', '.join(args)})", _PRIMARY
        case ast.Subscript():
            return f"{_primary(node.value)}[{_index(node.index)}]", _PRIMARY
        case ast.Attribute():
            return f"{_primary(node.value)}.{node.name}", _PRIMARY
        case ast.Lambda():
            names = " " + ", ".join(node.params) if node.params else ""
            return f"lambda{names}: {_expr(node.body, _EXPR)}", _EXPR
        case ast.Conditional():
            then, test = _expr(node.then, _OR), _expr(node.test, _OR)
            return f"{then} if {test} else {_expr(node.otherwise, _EXPR)}", _EXPR
        case ast.Connective():
            level = _OR if node.op == "or" else _AND
            return f" {node.op} ".join(_expr(o, level + 1) for o in node.operands), level
        case ast.Comparison():
            parts = [_expr(node.left, _BAR)]
            for op, right in zip(node.ops, node.rights, strict=True):
                parts += [op, _expr(right, _BAR)]
            return " ".join(parts), _COMPARE
        case ast.Unary():
            if node.op == "not":
                return f"not {_expr(node.operand, _NOT)}", _NOT
            return f"{node.op}{_expr(node.operand, _FACTOR)}", _FACTOR
        case ast.Binary(op="**"):
            return f"{_expr(node.left, _PRIMARY)} ** {_expr(node.right, _FACTOR)}", _POWER
        case ast.Binary():
            level = _BINARY[node.op]
            return f"{_expr(node.left, level)} {node.op} {_expr(node.right, level + 1)}", level
    return _display(node), _TUPLE if isinstance(node, ast.TupleDisplay) and node.items else _PRIMARY


def _primary(node: Expr) -> str:
    text = _expr(node, _PRIMARY)
    return f"({text})" if isinstance(node, ast.Number) else text


def _index(node: Expr | ast.Slice) -> str:
    if not isinstance(node, ast.Slice):
        return _expr(node, _TUPLE)
    lower, upper, step = ("" if p is None else _expr(p, _EXPR) for p in (node.lower, node.upper, node.step))
    return f"{lower}:{upper}" + (f":{step}" if step else "")


def _display(node: ast.Node) -> str:
    match node:
        case ast.TupleDisplay():
            if len(node.items) == 1:
                return f"{_expr(node.items[0], _EXPR)},"
            return _items(node.items) if node.items else "()"
        case ast.ListDisplay():
            return f"[{_items(node.items)}]"
        case ast.SetDisplay():
            return f"{{{_items(node.items)}}}"
        case ast.DictDisplay():
            pairs = zip(node.keys, node.values, strict=True)
            return "{" + ", ".join(f"{_expr(k, _EXPR)}: {_expr(v, _EXPR)}" for k, v in pairs) + "}"
        case ast.Comprehension():
            return _comprehension(node)
    raise TypeError(f"{type(node).__name__} is no expression")


def _comprehension(node: ast.Comprehension) -> str:
    text = _expr(node.element, _EXPR)
    if node.value is not None:
        text += f": {_expr(node.value, _EXPR)}"
    for clause in node.clauses:
        text += f" for {_expr(clause.target, _TUPLE)} in {_expr(clause.iterable, _OR)}"
        text += "".join(f" if {_expr(c, _OR)}" for c in clause.conditions)
    if node.kind == "list":
        return f"[{text}]"
    return f"({text})" if node.kind == "generator" else f"{{{text}}}"


def quoted(text: str, quote: str = '"') -> str:
    """Return `text` as a literal of the language, between double quotes."""
    return quote + escaped(text, quote) + quote


def escaped(text: str, quote: str = '"') -> str:
    """Return `text` with a backslash before what a literal can not hold as it is."""
    return "".join(
        "\\" + c if c == quote else c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode()
        for c in text
    )


def _fstring(node: ast.FString) -> str:
    """Return an f-string between quotes that occur in none of the expressions inside it."""
    pieces: list[tuple[bool, str]] = []
    for part in node.parts:
        if isinstance(part, ast.Text):
            pieces.append((False, part.value))
        else:
            form = f":{part.format}" if part.format else ""
            pieces.append((True, f"{{{_inside(part)}{form}}}"))
    codes = "".join(text for code, text in pieces if code)
    quote = next((q for q in ('"', "'", '"""', "'''") if q not in codes), None)
    if quote is None:
        raise TypeError("f-strings inside one another too deeply to print")
    parts = [text if code else escaped(text, quote[0]).replace("{", "{{").replace("}", "}}") for code, text in pieces]
    return f"f{quote}{''.join(parts)}{quote}"


def _inside(part: ast.Formatted) -> str:
    text = _expr(part.value, _TUPLE)
    # A brace first would read as an escaped brace; a lambda's or a slice's colon as the start of the format.
    return f"({text})" if text[0] == "{" or _bare_colon(text) else text


def _bare_colon(text: str) -> bool:
    depth, quote = 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == ":" and depth == 0:
            return True
    return False
