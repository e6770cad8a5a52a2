"""Limits: what a program may cost. Reaching one is a :class:`dsl.LimitError` that names it."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one program may have or use.

    Parameters
    ----------
    source_chars
        Characters of program text.
    nesting
        Brackets, or indented blocks, inside one another.
    depth
        Levels of the syntax tree (chains such as ``a + a + …`` count too). Keeps every recursive walk safe.
    statements
        Statements executed in one run.
    nodes
        Formula nodes built in one run.
    predicate_arity
        Arguments of a predicate.
    oracle_calls
        Cells asked of the oracle in one run.
    tensor_cells
        Cells of the largest tensor that a plan may build.
    table_bytes
        Bytes of all tables that a plan holds at once.
    work_units
        Work of one run, in units of about a microsecond (:mod:`dsl.work`); more where a large program is run on many
        objects.
    iterations
        Turns of all loops and comprehensions in one run.
    text_chars
        Characters of one text made while running.
    regions
        Regions of a picture that one run makes: found, cut out, constructed.
    number_digits
        Digits of a number, written or made while running.

    Raises
    ------
    ValueError
        If a limit is not positive.
    """

    source_chars: int = 20_000
    nesting: int = 50
    depth: int = 150
    statements: int = 10_000
    nodes: int = 20_000
    predicate_arity: int = 4
    oracle_calls: int = 1_000_000
    tensor_cells: int = 50_000_000
    table_bytes: int = 400_000_000
    work_units: int = 1_600_000
    iterations: int = 100_000
    text_chars: int = 20_000
    number_digits: int = 40
    regions: int = 10_000

    def __post_init__(self) -> None:
        for f in fields(self):
            if getattr(self, f.name) < 1:
                raise ValueError(f"limit {f.name} must be at least 1, not {getattr(self, f.name)}")


DEFAULT_LIMITS = Limits()
