"""What the normaliser's rules may know of a program, and where they report."""

from __future__ import annotations

from dsl.builtins import BUILTINS
from dsl.errors import LimitError
from dsl.limits import Limits
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary


class Context:
    """What the rules may know, and where they report.

    Parameters
    ----------
    program
        The program as it was written.
    words
        The domain's vocabulary.
    limits
        ``nodes`` bounds how much copying may add.

    Attributes
    ----------
    bound
        Names that the program gives a meaning of its own by assignments, loops and functions.
    names, parameters
        All names that occur in the program, and those of them that lambdas bind.
    notes
        What was changed, in words, each once.
    left
        Calls of names that no rule changes, each as its names.
    """

    def __init__(self, program: ast.Program, words: Vocabulary, limits: Limits) -> None:
        nodes = ast.walk(program)
        self.words, self.limits = words, limits
        self.bound = _bound(nodes)
        self.parameters = frozenset(p for n in nodes if isinstance(n, ast.Lambda) for p in n.params)
        self.names = self.parameters.union(n.id for n in nodes if isinstance(n, ast.Name))
        self.notes: dict[str, None] = {}
        self.left: set[tuple[str, ...]] = set()
        self._copied = 0

    def note(self, text: str) -> None:
        """Report a change."""
        self.notes.setdefault(text)

    def copied(self, node: ast.Node) -> None:
        """Count the nodes of a copy.

        Raises
        ------
        LimitError
            If the copies are so many that the normal form is far larger than the program.
        """
        self._copied += len(ast.walk(node))
        allowed = self.limits.nodes // 60
        if self._copied > allowed:
            raise LimitError("nodes", allowed, self._copied, node.span, what="copying in the normal form")

    def sort_of(self, name: str) -> str | None:
        """Return the sort that a name stands for; ``None`` if it names none, or the program binds the name."""
        return None if name in self.bound else self.words.sort_named(name)

    def value_sort(self, name: str) -> str | None:
        """Return the sort that a name stands for, if the vocabulary knows its values."""
        sort = self.sort_of(name)
        return sort if sort is not None and self.words.values(sort) else None

    def may_be_variable(self, name: str) -> bool:
        """Tell whether a name is neither built in nor one of the vocabulary's sorts and values."""
        return name not in BUILTINS and self.words.sort_named(name) is None and self.words.value_named(name) is None


def _bound(nodes: list[ast.Node]) -> frozenset[str]:
    """Return the names bound anywhere by an assignment, a loop, a comprehension or a function."""
    targets: list[ast.Node] = []
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Assign):
            targets.extend(node.targets)
        elif isinstance(node, ast.AugAssign | ast.For | ast.Clause):
            targets.append(node.target)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
            found.update(p.name for p in node.params)
    found.update(n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
    return frozenset(found)
