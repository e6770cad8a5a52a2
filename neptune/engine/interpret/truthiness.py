"""Plain values where a truth is meant: ``cube(x) or sphere``, ``color(x) == "red" or "blue"``, ``not cube``.

Python takes any text for true, which no writer of a program about a picture means. Such a value is an error that
says what was probably meant; a list or a number that a variable holds keeps Python's meaning, and a note tells it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dsl.errors import ProgramError
from dsl.syntax import ast
from dsl.syntax.printer import print_expression
from dsl.vocabulary import Vocabulary
from neptune.engine.interpret import values

_DISPLAYS = ast.ListDisplay | ast.TupleDisplay | ast.SetDisplay | ast.DictDisplay


def is_written(scope: values.Scope, operand: ast.Node) -> bool:
    """Tell whether a plain value stands in the program itself: a literal, or a value's word such as ``cube``."""
    if isinstance(operand, ast.Name):
        return scope.find(operand.id) is None
    return isinstance(operand, ast.Text | ast.Number | ast.Nothing | _DISPLAYS)


def check_kind(value: Any, node: ast.Node) -> None:
    """Check that a value may be a truth, by its kind.

    Raises
    ------
    dsl.ProgramError
        For a described value, a sort, a function, a variable.
    """
    if isinstance(value, values.DescribedValue):
        raise ProgramError("A described value is no truth value", node.span, hint='compare it: describe(…) == "red"')
    if isinstance(value, values.SortRef | values.PredicateRef | values.BuiltinRef | values.Closure | values.Variable):
        raise ProgramError(f"{values.kind_name(value).capitalize()} is no truth value", node.span, expected="a formula")


def check_letters(vocabulary: Vocabulary, value: Any, node: ast.Node) -> None:
    """Check that a value is no value of a sort, where a list, or a text as a list of letters, is meant.

    Raises
    ------
    dsl.ProgramError
        For ``len(c)``, ``c[0]`` or a loop over the letters of a colour c.
    """
    if isinstance(value, values.Value):
        sort = vocabulary.sort_of_value(value) or ""
        about = f'count(Object, lambda x: {vocabulary.attribute(sort)}(x, "{value}"))' if sort else "count(…)"
        raise ProgramError(
            f"'{value}' is a value of {sort or 'a sort'}, and no list: its letters mean nothing",
            node.span,
            expected="a list, a text or a sort",
            hint=f"to count what has this value write {about}",
        )


def no_members(vocabulary: Vocabulary, right: Any, node: ast.Node) -> ProgramError:
    """Return the error for ``x in b`` where b is an object or a value: neither has members; a predicate is meant."""
    what, hint = "an object is no list", f"for one thing inside another write {_containing(vocabulary)}(x, b)"
    if isinstance(right, values.Value):
        sort = vocabulary.sort_of_value(right) or ""
        attribute = vocabulary.attribute(sort)
        what, hint = f"'{right}' is a value of {sort}", f'to ask for the {attribute} write {attribute}(x, "{right}")'
    return ProgramError(
        f"'in' asks whether a list has an item, and {what}", node.span, expected="a list, a text or a sort", hint=hint
    )


def _containing(vocabulary: Vocabulary) -> str:
    """Return the relation of a thing to what it is in, as the vocabulary calls it."""
    derived = ((name, known.derived) for name, known in vocabulary.predicates.items())
    return next((name for name, d in derived if d is not None and (d.kind, d.of) == ("boxes", "inside")), "inside")


def no_truth(
    vocabulary: Vocabulary, scope: values.Scope, value: Any, operand: ast.Expr, others: Iterable[ast.Expr] = ()
) -> ProgramError:
    """Return the error for a value that is no truth, with what was probably meant; `others` stand beside it."""
    hint = "compare it with something"
    compared = [o for o in others if isinstance(o, ast.Comparison) and o.ops[0] in ("==", "!=")]
    word = operand.id if isinstance(operand, ast.Name) else value
    if isinstance(value, str) and compared:
        hint = f'did you mean {print_expression(compared[0].left)} {compared[0].ops[0]} "{value}"?'
    elif isinstance(value, str) and vocabulary.knows(word, 1):
        variable = _innermost(scope)
        meant = f"{word}({variable})" if variable else f"exists(Object, lambda x: {word}(x))"
        hint = f"did you mean {meant}?"
    return ProgramError(
        f"{values.kind_name(value).capitalize()} is no truth value",
        operand.span,
        expected="a formula, e.g. red(x) or count(…) > 2",
        hint=hint,
    )


def _innermost(scope: values.Scope | None) -> str:
    """Return the name of the innermost variable that stands for an object, or ``""``."""
    while scope is not None:
        for name, value in reversed(scope.names.items()):
            if isinstance(value, values.Variable | values.ObjectRef):
                return name
        scope = scope.outer
    return ""
