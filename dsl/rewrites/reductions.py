"""What a rewritten plan reduces, and in which order: the elimination order in words, for ``explain``."""

from __future__ import annotations

from dataclasses import dataclass

from dsl.plan import Exists, Forall, Node, prefix, show
from dsl.rewrites.all_different import block_of
from dsl.rewrites.elimination import by_scope


@dataclass(frozen=True, slots=True)
class Reduction:
    """One reduction of a plan.

    Parameters
    ----------
    text
        What is reduced.
    reduced, kept
        The variables that go, and those of the outcome.
    joined
        The number of variables of the largest table that it holds; a product of two tables holds no joint one.
    searched
        The variables must be different objects: relaxed, checked, branched.
    """

    text: str
    reduced: tuple[str, ...]
    kept: tuple[str, ...]
    joined: int
    searched: bool = False

    def __str__(self) -> str:
        to = f"a table over {', '.join(self.kept)}" if self.kept else "a number"
        how = f"tables of N^{self.joined}"
        if self.searched:
            how = f"different objects: relaxed, checked, branched; {how}, N^{len(self.reduced + self.kept)} if dense"
        return f"reduce {', '.join(self.reduced)} to {to} ({how}): {self.text}"


def order_of(node: Node, crisp: bool = True) -> list[Reduction]:
    """Return the reductions of a rewritten plan in the order in which they run, each once.

    Parameters
    ----------
    node
        The plan after all stages (:func:`dsl.rewrites.rewrite`).
    crisp
        Quantifiers are max and min; else each is taken alone, on the dense table of its body.
    """
    out: list[Reduction] = []
    seen: set[Node] = set()

    def visit(current: Node) -> None:
        if current in seen:
            return
        seen.add(current)
        kept = tuple(sorted(current.free))
        if not (crisp and isinstance(current, Exists | Forall)):
            for child in current.children:
                visit(child)
            for var in current.schema.variable(current):
                out.append(Reduction(show(current), (var,), kept, len(current.joint)))
            return
        bound, body = prefix(current)
        variables = tuple(bound)
        factors = body.operands if isinstance(body, current.connective) else (body,)
        for factor in factors:
            visit(factor)
        block = block_of(current)
        if block is not None:
            most = max(r.joined for r in order_of(block.relaxed))
            out.append(Reduction(show(current), variables, kept, most, True))
            return
        groups = by_scope(factors)
        scopes = [frozenset().union(*(f.free for f in g)) for g in groups]
        joined = frozenset().union(*scopes) | set(variables)
        most = max(map(len, [*scopes, current.free])) if len(groups) == 2 else len(joined)
        out.append(Reduction(show(current), variables, kept, most))

    visit(node)
    return out
