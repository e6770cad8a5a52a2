"""A plan as lines of text, parents first."""

from __future__ import annotations

from dsl import plan
from dsl.plan import Atom, Node, Not, Same
from neptune.engine.evaluate.ends.axes import sorted_axes

MOST_NODES = 48
"""So many nodes of a run's plans are shown at most."""

_NAMES = "xyzwuvst"

_LABELS: dict[type[Node], str] = {
    plan.Const: "{node.value:g}",
    Not: "¬",
    plan.And: "all of",
    plan.Or: "any of",
    plan.Xor: "one of",
    plan.Exists: "∃{var}",
    plan.Forall: "∀{var}",
    plan.Description: "ι{var}  the one that is",
    plan.Count: "#{var}  how many are",
    plan.ExpectationOver: "of the {var} meant",
    plan.Compare: "compare {node.op}",
    plan.CountTrue: "how many hold",
    plan.Describe: "which fits best",
}
"""Node class → what its line says; the text of any other node is its line."""


def parts_of(node: Node, depth: int, names: dict[str, str], seen: set[Node]) -> list[tuple[int, Node, str]]:
    """Return (depth, node, label) of a plan, parents first, as many as are shown; a negated atom is one line.

    A description that occurs again, as for each colour that is weighed, is one line: its parts are `seen` above.
    """
    found: list[tuple[int, Node, str]] = []
    _add_parts(node, depth, names, seen, found)
    return found


def _add_parts(
    node: Node, depth: int, names: dict[str, str], seen: set[Node], found: list[tuple[int, Node, str]]
) -> None:
    for var in node.free if len(node.free) < 2 else sorted_axes(node.free):
        if var not in names:
            _name(var, names)
    atom = node.body if isinstance(node, Not) else node
    if isinstance(atom, Atom | Same):
        found.append((depth, node, _said(atom, node is not atom, names)))
        return
    variable = node.schema.variable(node)
    for var in variable:
        if var not in names:
            _name(var, names)
    template = _LABELS.get(type(node))
    label = template.format(node=node, var="".join([names[v] for v in variable])) if template else str(node)
    found.append((depth, node, label))
    if isinstance(node, plan.Description):
        if node in seen:
            return
        seen.add(node)
    for k, child in enumerate(node.children):
        at = len(found)
        if at >= MOST_NODES:
            return
        _add_parts(child, depth + 1, names, seen, found)
        if isinstance(node, plan.Describe):
            first = found[at]
            found[at] = first[0], first[1], f"{node.values[k]}: {first[2]}"


def _name(var: str, names: dict[str, str]) -> None:
    taken = names.values()
    names[var] = next((c for c in _NAMES if c not in taken), var) if var.startswith("@") else var


def _said(atom: Atom | Same, negated: bool, names: dict[str, str]) -> str:
    """Return an atom as text, as that of the node with its variables renamed."""
    terms = [names.get(t, t) if isinstance(t, str) else f"object {t}" for t in atom.terms]
    if isinstance(atom, Same):
        return (" ≠ " if negated else " = ").join(terms)
    return f"{'¬' if negated else ''}{atom.predicate}({', '.join(terms)})"
