"""Hypothesis strategies for trees of the language: every node, nested."""

from __future__ import annotations

from hypothesis import strategies as st

from dsl.syntax import ast
from dsl.syntax.keywords import KEYWORDS

names = st.one_of(
    st.sampled_from(["x", "y", "cube", "left_of", "Object", "_", "iota", "e1", "f", "rb", "notx"]),
    st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n not in KEYWORDS),
)
numbers = st.one_of(
    st.integers(0, 10**20), st.floats(min_value=0, allow_nan=False, allow_infinity=False, max_value=1e30)
)
texts = st.text(
    st.one_of(st.sampled_from(list("ab \"'\\{}\n\t\r#:")), st.characters(exclude_categories=("Cs",))), max_size=12
)
formats = st.sampled_from(["", "", ".2f", "d", ">5"])


def _fstrings(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.FString]:
    """F-strings whose inner expressions hold no texts (quotes inside quotes are tested apart)."""
    parts = st.lists(st.one_of(texts.filter(bool).map(ast.Text), st.builds(ast.Formatted, inner, formats)), max_size=4)
    return parts.map(_apart).map(ast.FString)


def _apart(parts: list[ast.Text | ast.Formatted]) -> tuple[ast.Text | ast.Formatted, ...]:
    out: list[ast.Text | ast.Formatted] = []
    for part in parts:
        if not (out and isinstance(out[-1], ast.Text) and isinstance(part, ast.Text)):
            out.append(part)
    return tuple(out)


def _tuples(inner: st.SearchStrategy, least: int = 0, most: int = 3) -> st.SearchStrategy[tuple]:
    return st.lists(inner, min_size=least, max_size=most).map(tuple)


targets = st.recursive(names.map(ast.Name), lambda t: _tuples(t, 1).map(ast.TupleDisplay), max_leaves=3)
leaves = st.one_of(
    names.map(ast.Name),
    numbers.map(ast.Number),
    texts.map(ast.Text),
    st.booleans().map(ast.Truth),
    st.just(ast.Nothing()),
)
plain = st.one_of(names.map(ast.Name), numbers.map(ast.Number), st.booleans().map(ast.Truth))
OPS = ["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", ">>"]
COMPARE = ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"]


def _grow(e: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    keywords = st.lists(st.builds(ast.Keyword, names, e), max_size=2, unique_by=lambda k: k.name).map(tuple)
    maybe = st.none() | e
    clauses = _tuples(st.builds(ast.Clause, targets, e, _tuples(e, 0, 2)), 1, 2)
    pairs = _tuples(st.tuples(e, e), 0, 2)
    comparison = _tuples(st.tuples(st.sampled_from(COMPARE), e), 1, 2)
    return st.one_of(
        _tuples(e).map(ast.ListDisplay),
        _tuples(e).map(ast.TupleDisplay),
        _tuples(e, 1).map(ast.SetDisplay),
        pairs.map(lambda p: ast.DictDisplay(tuple(k for k, _ in p), tuple(v for _, v in p))),
        st.builds(ast.Subscript, e, e | st.builds(ast.Slice, maybe, maybe, maybe)),
        st.builds(ast.Attribute, e, names),
        st.builds(ast.Lambda, _tuples(names), e),
        st.builds(ast.Call, e, _tuples(e), keywords),
        st.builds(ast.Unary, st.sampled_from(["not", "~", "-", "+"]), e),
        st.builds(ast.Binary, st.sampled_from(OPS), e, e),
        st.builds(ast.Connective, st.sampled_from(["and", "or"]), _tuples(e, 2, 3)),
        st.builds(lambda a, r: ast.Comparison(a, tuple(o for o, _ in r), tuple(x for _, x in r)), e, comparison),
        st.builds(ast.Conditional, e, e, e),
        st.builds(ast.Comprehension, st.sampled_from(["list", "set", "generator"]), e, clauses),
        st.builds(ast.Comprehension, st.just("dict"), e, clauses, e),
    )


expressions = st.recursive(leaves | _fstrings(st.recursive(plain, _grow, max_leaves=4)), _grow, max_leaves=12)
assigned = st.recursive(
    names.map(ast.Name) | st.builds(ast.Subscript, names.map(ast.Name), expressions),
    lambda t: _tuples(t, 1).map(ast.TupleDisplay),
    max_leaves=3,
)
single = names.map(ast.Name) | st.builds(ast.Subscript, names.map(ast.Name), expressions)
params = st.lists(st.builds(ast.Param, names, st.none() | expressions), max_size=3).map(tuple)
simple = st.one_of(
    st.builds(ast.Assign, _tuples(assigned, 1, 2), expressions),
    st.builds(ast.AugAssign, single, st.sampled_from(OPS), expressions),
    st.builds(ast.ExprStatement, expressions),
    st.builds(ast.Return, st.none() | expressions),
    st.sampled_from([ast.Pass(), ast.Break(), ast.Continue()]),
)


def _nest(s: st.SearchStrategy[ast.Stmt]) -> st.SearchStrategy[ast.Stmt]:
    body = _tuples(s, 1, 2)
    return st.one_of(
        st.builds(ast.If, expressions, body, _tuples(s, 0, 2)),
        st.builds(ast.For, targets, expressions, body),
        st.builds(ast.FunctionDef, names, params, body),
    )


statements = st.recursive(simple, _nest, max_leaves=4)
programs = _tuples(statements, 1, 4).map(ast.Program)
