"""Compilation: a plan becomes a flat list of tensor operations on carrier values.

Everything that depends on the formula alone is decided here, once for each plan template: the order of the axes, which
axes a table misses, which quantifier takes part in which join. What is left to run is one closure for each tensor
operation. How a node is computed, and what its bounds are, is said by one rule a class of nodes
(:mod:`neptune.engine.compile.rules`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsl.plan import Atom, Node
from neptune.engine.compile.program import ArrayOperation, Operation, Program, Register, Vars

Rule = Callable[["Compiler", Any], Register]
"""Emits the operations of a node and returns where its value is: a truth's table, or the cells that a number counts."""


class Compiler:
    """Compiles nodes to operations; nodes that several share are computed once.

    Parameters
    ----------
    rules
        For each class of nodes its rule. A node of another class is compiled as what its ``expand()`` returns.
    as_written
        Each node is one operation on the joint table of its operands, in their order; else tables are joined small
        ones first, and quantifiers are reduced together.
    searched
        A block of variables that must all differ is searched instead of joined (quantifiers are max and min).
    empty
        The scene has no objects.
    """

    def __init__(
        self, rules: Mapping[type[Node], Rule], *, as_written: bool, searched: bool, empty: bool = False
    ) -> None:
        self.rules, self.as_written, self.searched, self.empty = rules, as_written, searched, empty
        self.program = Program()
        self.probabilities: dict[int, int] = {}
        """For the register of an expectation, that of its probability."""
        self.inputs: dict[Atom, int] = {}
        self.together: dict[tuple[int, bool], list[int]] = {}
        """For a description, by its register and whether one object is picked, the inputs that say something of what it
        describes alone: on arrays their expectations are computed at once."""
        self.filled: dict[tuple[int, bool], int] = {}
        """For a table of pairs, and whether pairs of one object with itself are true there, the register of that."""
        self.axes: list[int] = []
        """For each register the number of its axes that have N cells."""
        self._known: dict[Node, Register] = {}

    def finish(self, atoms: Sequence[Atom], outputs: Sequence[Node]) -> Program:
        """Return the program that computes the outputs from the tables of all atoms that occur in them."""
        # One input for all atoms that differ in the names of variables only.
        tables: dict[tuple[Any, ...], list[Atom]] = {}
        for atom in atoms:
            key = atom.predicate, tuple(t if isinstance(t, int) else None for t in atom.terms)
            tables.setdefault(key, []).append(atom)
        self.program.atoms = [named[0] for named in tables.values()]
        self.axes = [len(atom.free) for atom in self.program.atoms]
        for slot, named in enumerate(tables.values()):
            for atom in named:
                self.inputs[atom] = slot
                self._known[atom] = self.sorted_axes(slot, tuple(t for t in atom.terms if isinstance(t, str)))
        self.program.outputs = [self.value(node) for node in outputs]
        self.program.probabilities = [self.probabilities.get(slot) for slot, _ in self.program.outputs]
        self.program.axes = max([self.program.axes, *self.axes])
        self.program.tables = Counter(self.axes)
        return self.program

    def value(self, node: Node) -> Register:
        """Return the register of a truth (its axes sorted), or of the cells that a number counts (along the last)."""
        found = self._known.get(node)
        if found is None:
            rule = self.rules.get(type(node))
            if rule is not None:
                found = rule(self, node)
            elif type(node).expand is not Node.expand:
                found = self.value(node.expand())
            else:
                raise TypeError(f"{type(node).__name__} is no truth of a compiled plan")
            self._known[node] = found
        return found

    def is_compiled(self, node: Node) -> bool:
        """Tell whether the value of a node is computed already."""
        return node in self._known

    def emit(
        self, vars: Vars, operation: Operation, axes: int | None = None, arrays: ArrayOperation | None = None
    ) -> Register:
        """Add an operation, which fills a new register over these variables (`axes` of them of N cells; else all).

        `arrays` is the same operation on NumPy arrays; without it, it runs on tensors there too.
        """
        self.program.operations.append(operation)
        self.program.arrays.append(arrays)
        self.axes.append(len(vars) if axes is None else axes)
        return len(self.axes) - 1, vars

    def sorted_axes(self, slot: int, have: Vars) -> Register:
        """Return a table over `have` with its axes in the order of their names."""
        want = tuple(sorted(have))
        if have == want:
            return slot, have
        order = [0, *(1 + have.index(v) for v in want)]
        return self.emit(
            want, lambda context, r: r[slot].permute(order), arrays=lambda context, r: r[slot].transpose(order)
        )
