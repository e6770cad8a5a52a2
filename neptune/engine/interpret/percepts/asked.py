"""Names of `dsl.percepts` in programs: truths are atoms, a number or a text is one as soon as it is compared.

``depth(x) < depth(y)`` is ``nearer(x, y)``, ``area(x) > 500`` a truth about x, ``text(x) == "STOP"`` too: each asked of
all objects at once, soft where the model is in doubt. Of one given object the number itself can be had.
"""

from __future__ import annotations

from typing import Any

from dsl import plan
from dsl.errors import ProgramError
from dsl.percepts import PERCEPTS, Declared, Percept
from dsl.plan import Predicate
from neptune.engine.interpret.running import RunningProgram
from neptune.engine.interpret.values import DescribedObject, Formula, Measured, ObjectRef, Variable, kind_name

SINCE = 3
"""The semantics from which on these names mean this; before, they were predicates as any other."""
_MIRROR = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "==", "!=": "!="}
_NEGATED = {">": False, ">=": True, "<": False, "<=": True}
_OBJECTS = Variable | ObjectRef | DescribedObject


def apply(run: RunningProgram, name: str, args: list[Any], node: Any) -> Formula | Measured | None:
    """Return what such a name means of its arguments; ``None`` where it is a predicate as any other.

    Raises
    ------
    dsl.ProgramError
        If an argument is nothing that it can be said of.
    """
    if name not in PERCEPTS or run.semantics < SINCE or not run.vocabulary.perceives(name, len(args)):
        return None
    declared = PERCEPTS[name]
    masks = [isinstance(a, Measured) and a.name == "mask" for a in args]
    if name == "inside" and not masks[1]:
        return None  # of two objects, the oracle is asked
    things = [a.target if is_mask else a for a, is_mask in zip(args, masks, strict=True)]
    if name == "reads":
        return _reads(run, things, declared, node)
    for thing in things:
        _check(run, thing, declared, node)
    if declared.gives != "truth":
        return Measured(name, things[0])
    if name in ("nearer", "farther"):
        return _atom(run, Percept("depth", "nearer"), things if name == "nearer" else things[::-1], node)
    return _atom(run, Percept("mask", name), things, node)


def compared(run: RunningProgram, op: str, left: Any, right: Any, node: Any) -> Formula | None:
    """Return the truth of a comparison with a number or a text that is asked of the picture.

    ``None`` where neither side is one, or where they have to be compared as the plain values that they are.
    """
    if not isinstance(left, Measured):
        if not isinstance(right, Measured):
            return None
        if op not in _MIRROR:
            return _contained(run, op, left, right, node)
        left, right, op = right, left, _MIRROR[op]
    if op in ("is", "is not"):
        op = "==" if op == "is" else "!="
    gives = PERCEPTS[left.name].gives
    if gives == "text":
        return _text_compared(run, op, left, right, node)
    if gives == "mask" or op not in _MIRROR:
        raise _no_order(left, node)
    if isinstance(right, Measured):
        return _two_numbers(run, op, left, right, node)
    if op not in _NEGATED:
        return None
    limit = float(run.number(right, node))
    if left.name == "depth":
        truth = _atom(run, Percept("depth", "closer_than", limit=limit), [left.target], node)
        return truth if op in ("<", "<=") else Formula(plan.negation(truth.node))
    truth = _atom(run, Percept("mask", "larger_than", limit=limit), [left.target], node)
    return truth if op in (">", ">=") else Formula(plan.negation(truth.node))


def plain(run: RunningProgram, value: Measured, node: Any) -> Any:
    """Return the number or the text itself, of one object.

    Raises
    ------
    dsl.ProgramError
        If it belongs to a variable that a quantifier binds, or is a mask.
    """
    declared = PERCEPTS[value.name]
    if declared.gives == "mask":
        raise ProgramError(
            "A mask is no value that can be shown or computed with",
            node.span,
            expected="area(x), inside(y, mask(x)) or overlap(x, y)",
        )
    if _is_bound(run, value):
        shown = 'text(x) == "STOP"' if declared.gives == "text" else f"{value.name}(x) < 8"
        raise ProgramError(
            f"'{value.name}' is asked here of a variable that a quantifier binds, so it has no single value",
            node.span,
            expected=f"a comparison, e.g. {shown}",
        )
    said = run.need("percept", (Percept(declared.kind, value.name), (run.pointed(value.target, node),), None), node)
    return said if declared.gives == "text" else number_of(said)


def is_truth(value: Any) -> bool:
    """Tell whether a value stands for a truth: a text does."""
    return isinstance(value, Measured) and value.name == "text"


def truth(run: RunningProgram, value: Measured, node: Any) -> plan.Node:
    """Return the truth that a text stands for: that there is any."""
    return _atom(run, Percept("text", "reads"), [value.target], node).node


def read_off(run: RunningProgram, value: Any, last: Any) -> Any:
    """Return a result with what models tell of objects made plain, in lists too; a mask is its object."""
    match value:
        case Measured(name="mask"):
            return value.target
        case Measured():
            return plain(run, value, last)
        case list() | tuple() if any(isinstance(v, Measured) for v in value):
            return type(value)(read_off(run, v, last) for v in value)
        case dict() if any(isinstance(v, Measured) for v in value.values()):
            return {k: read_off(run, v, last) for k, v in value.items()}
    return value


def number_of(said: str) -> float:
    """Return a number as a model's answer says it."""
    return float(said)


# --- inside ---------------------------------------------------------------------------------------


def _atom(run: RunningProgram, percept: Percept, things: list[Any], node: Any) -> Formula:
    symmetric = percept.what == "overlap"
    predicate = Predicate(percept.name, len(things), "", symmetric, percept=percept)
    places = [run.atoms.place(thing, node, percept.what) for thing in things]
    return run.made(run.atoms.about(places, lambda terms: run.atoms.atom(predicate, terms), run.argmax), node)


def _check(run: RunningProgram, thing: Any, declared: Declared, node: Any) -> None:
    if isinstance(thing, _OBJECTS) or (isinstance(thing, str) and run.atoms.is_variable(thing)):
        return
    raise ProgramError(
        f"'{declared.name}' is applied to {kind_name(thing)}",
        node.span,
        expected=f"{declared.signature}: an object is a quantifier's variable or iota(…)",
    )


def _reads(run: RunningProgram, things: list[Any], declared: Declared, node: Any) -> Formula:
    first, second = things
    if isinstance(first, str) and not run.atoms.is_variable(first) and isinstance(second, _OBJECTS):
        first, second = second, first
    _check(run, first, declared, node)
    if isinstance(second, _OBJECTS | Formula | Measured):
        raise ProgramError(
            f"'reads' is asked for {kind_name(second)}", node.span, expected='the words looked for: reads(x, "STOP")'
        )
    return _atom(run, Percept("text", "reads", " ".join(run.text(second, node).split())), [first], node)


def _is_bound(run: RunningProgram, value: Measured) -> bool:
    """Tell whether a value belongs to no single object: to a variable, or a description that has one."""
    target = value.target
    return not (isinstance(target, ObjectRef) or (isinstance(target, DescribedObject) and not target.description.free))


def _two_numbers(run: RunningProgram, op: str, left: Measured, right: Measured, node: Any) -> Formula | None:
    if left.name != right.name or op not in _NEGATED:
        if _is_bound(run, left) or _is_bound(run, right):
            raise _no_order(left, node)
        return None
    first, second = left.target, right.target
    # x < y of depths: x is nearer; of areas: y is larger. What is equal is neither.
    strict = op.rstrip("=") == "<"
    smaller, larger = (first, second) if strict else (second, first)
    if op.endswith("="):
        smaller, larger = larger, smaller
    percept, things = (
        (Percept("depth", "nearer"), [smaller, larger])
        if left.name == "depth"
        else (Percept("mask", "larger"), [larger, smaller])
    )
    found = _atom(run, percept, things, node)
    return Formula(plan.negation(found.node)) if _NEGATED[op] else found


def _text_compared(run: RunningProgram, op: str, left: Measured, right: Any, node: Any) -> Formula | None:
    if isinstance(right, Measured) and not (_is_bound(run, left) or _is_bound(run, right)):
        return None
    if not _is_bound(run, left) and op in ("in", "not in"):
        return None
    if op not in ("==", "!=") or isinstance(right, Measured | Formula | DescribedObject | Variable | ObjectRef):
        raise ProgramError(
            "A text read in the picture is compared with a text by == or in",
            node.span,
            expected='text(x) == "STOP", or reads(x, "STOP")',
        )
    words = " ".join(run.text(right, node).split())
    found = _atom(run, Percept("text", "says" if words else "reads", words), [left.target], node)
    return found if (op == "==") == bool(words) else Formula(plan.negation(found.node))


def _contained(run: RunningProgram, op: str, left: Any, right: Measured, node: Any) -> Formula | None:
    """Return the truth of ``"STOP" in text(x)``."""
    if right.name != "text" or op not in ("in", "not in"):
        raise _no_order(right, node)
    words = " ".join(run.text(left, node).split())
    found = _atom(run, Percept("text", "reads", words), [right.target], node)
    return found if op == "in" else Formula(plan.negation(found.node))


def _no_order(value: Measured, node: Any) -> ProgramError:
    expected = {
        "mask": "area(x) > area(y), inside(x, mask(y)) or overlap(x, y)",
        "text": 'text(x) == "STOP", or reads(x, "STOP")',
    }.get(value.name, f"{value.name}(x) < {value.name}(y), or a number beside < or >")
    return ProgramError(f"'{value.name}(…)' is not compared so", node.span, expected=expected)
