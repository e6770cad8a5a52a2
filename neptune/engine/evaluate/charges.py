"""What the evaluation of a plan costs, counted beforehand: the same for every schedule and every planner."""

from __future__ import annotations

from dsl import work
from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.plan import Count, CountTrue, Describe, Description, Number
from dsl.rewrites import Laws
from dsl.work import Work
from neptune.engine.compile import plan_cache as plans
from neptune.engine.compile.program import Program
from neptune.engine.evaluate.outline import Outline

NARROW = 3
"""Tables of so many variables are small, whatever the plan: they are counted without making one."""
FEW_CELLS = 4_000_000


def charge(spent: Work, plan: Outline, objects: int, laws: Laws, cell_bytes: int, limits: Limits) -> None:
    """Count the work of one decision.

    Parameters
    ----------
    spent
        The work of the run, which is added to.
    plan
        What is decided: guarded, and the objects it points to settled.
    objects
        N.
    laws, cell_bytes
        What rewrites may rely on, and the size of a cell.
    limits
        What a plan may hold at once.

    Raises
    ------
    LimitError
        If the run has done too much, or the tables of the plan are too large to be held at once.
    """
    node = plan.node
    spent.spend(work.DECISIONS, 1)
    spent.spend(work.PLANNED, plan.nodes)
    spent.spend(work.ATOMS, sum([number * objects**free for free, number in plan.spread]))
    if isinstance(node, Number):
        return
    variables = node.width
    cells = plan.nodes * objects ** min(variables, NARROW)
    if objects and (variables > NARROW or cells > FEW_CELLS):
        kind: plans.Kind = "truth"
        if isinstance(node, Description | Count | CountTrue):
            kind = "cells"
        elif isinstance(node, Describe):
            kind = "parts"
        program = plans.plan(plans.template(node).node, kind, laws)
        cells = check_held(program, objects, limits, cell_bytes)
    spent.spend(work.CELLS, cells)


def check_held(program: Program, objects: int, limits: Limits, cell_bytes: int) -> int:
    """Return the cells of all tables of a plan on one scene, which are held until it is done.

    Raises
    ------
    LimitError
        If they are larger than ``limits.table_bytes``.
    """
    cells = program.held_cells(objects)
    if cells * cell_bytes > limits.table_bytes:
        raise LimitError("table_bytes", limits.table_bytes, cells * cell_bytes, what="a formula, as planned,")
    return cells
