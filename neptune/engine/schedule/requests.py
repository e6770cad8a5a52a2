"""What a need asks the oracle: all that its plan mentions, or, with a schedule, what its decision needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dsl.errors import LimitError
from dsl.plan import Atom, Node, Predicate
from neptune.algebra.convert import as_float
from neptune.answer import Usage
from neptune.engine.context import RunContext, Schedule
from neptune.engine.evaluate.executor import Executor, atoms_of
from neptune.engine.evaluate.known_atoms import KnownAtoms
from neptune.engine.evidence.store import Evidence, Want
from neptune.engine.schedule.choice.selection import Choice, cut, first
from neptune.engine.schedule.pushdown import push_down
from neptune.engine.schedule.rounds import Decision, Outcome, Round, ask_until_settled
from neptune.engine.schedule.state import State
from neptune.engine.schedule.stopping import Goal, Kind
from neptune.errors import OracleError
from neptune.scene.types import IntArray, Question


class Asker:
    """Asks about one scene what the plans of one run need.

    Parameters
    ----------
    evidence
        What is already known of the scene.
    context
        Who is asked, in which words; how ground atoms are chosen: with no schedule all that a plan mentions are asked,
        in one batch a need; how many at most. When the budget is spent, `spent` is set and the rest stays unknown;
        reaching the limit is a :class:`dsl.LimitError`.
    usage
        Where the cost is added.
    """

    def __init__(self, evidence: Evidence, context: RunContext, usage: Usage) -> None:
        self.evidence, self.context, self.usage = evidence, context, usage
        self.known = KnownAtoms(evidence, context)
        self.objects = len(evidence.scene)
        self.spent = self.strayed = False
        self.pushed: dict[Node, Node] = {}
        """Plans whose quantifiers have been pushed inward."""
        self.decisions: list[Decision] = []
        """What the schedule worked towards, in order; `strayed`: something was asked that no schedule chose."""

    @property
    def goals(self) -> list[Goal]:
        """The goals of the decisions."""
        return [decision.goal for decision in self.decisions]

    @property
    def journal(self) -> list[Decision] | None:
        """The decisions, where they are all that was asked for, each settled within the limit; else ``None``."""
        whole = not self.strayed and all(decision.outcome == "settled" for decision in self.decisions)
        rounds = [made for decision in self.decisions for made in decision.rounds]
        uncut = all(sum(len(t) for _, t in r.asked) == sum(len(t) for _, t in r.choices) for r in rounds)
        return self.decisions if whole and uncut else None

    def all_asked(self, atoms: Sequence[Atom]) -> bool:
        """Tell whether all that the atoms mention has been asked before, and if so count it."""
        hits, n = 0, self.objects
        for atom in atoms:
            if not atom.predicate.boxes:
                table = self.known.table(atom)
                if not (table.complete and n):
                    return False
                # A place that holds no name holds an object.
                hits += len(table.normalised(None if len(atom.free) == len(atom.terms) else self._tuples(atom)))
        self.usage.cache_hits += hits
        return bool(n)

    def fill(self, node: Node, kind: Kind, evaluator: Executor) -> Node:
        """Ask for what a decision about a guarded plan needs; return the plan to evaluate it by.

        Parameters
        ----------
        node
            The plan, guarded.
        kind
            What is to be known of it.
        evaluator
            Evaluates by what is known; its values are dropped where answers came in.

        Raises
        ------
        LimitError
            If the limit on oracle calls is reached.
        """
        if self.context.schedule is None or not self.objects:
            self.ask_all(node, evaluator)
            return node
        for atom in atoms_of(node):
            if atom.predicate.boxes is None:
                table, tuples = self.known.table(atom), self._tuples(atom)
                if table.writes:
                    known = table.known(table.normalised(tuples))
                    self.usage.cache_hits += int(np.count_nonzero(known))
        # Soft quantifiers obey no law by which they could be pushed inward.
        pushed = node
        if as_float(self.context.parameters.quantifier_tau) == 0.0:
            pushed = self.pushed.get(node) or push_down(node)
        outcome = self.work_towards(Goal(kind, pushed), self.context.schedule, evaluator)
        if outcome == "heavy":
            hits = self.usage.cache_hits
            self.ask_all(node, evaluator)
            self.usage.cache_hits = hits  # what was known before was counted above
        # What the bounds did not settle is decided by the plan as written, as if everything had been asked.
        return pushed if outcome in ("settled", "spent") else node

    def work_towards(self, goal: Goal, schedule: Schedule, evaluator: Executor) -> Outcome:
        """Ask in rounds until a goal is settled, as far as the budget goes.

        Raises
        ------
        LimitError
            If the limit on oracle calls is reached.
        """
        self.decisions.append(Decision(goal))
        state = State(evaluator, self.evidence.scene, self.known.table, self.context.estimates)
        outcome = ask_until_settled(self.decisions[-1], state, schedule, self._ask)
        self.spent |= outcome == "spent"
        return outcome

    def query(self, question: Question, objects: tuple[int, ...]) -> str | None:
        """Return the answer to an open question, ``None`` where there is none, or no budget is left to ask it.

        Raises
        ------
        LimitError
            If the limit on oracle calls is reached.
        """
        self.strayed = True
        if not self.evidence.has_text(question, objects) and self._left() == 0:
            self.spent = True
            return None
        asked = np.array([objects], dtype=np.int64).reshape(1, len(objects))
        return self.evidence.query(self.context.oracle, question, asked, self.usage)[0]

    # --- what may be asked, and asking it --------------------------------------------------------

    def _wants(self, choices: Iterable[tuple[Atom, IntArray | None]]) -> list[Want]:
        return [
            (self.context.wording.question(atom.predicate), atom.predicate.symmetric, tuples)
            for atom, tuples in choices
        ]

    def _left(self) -> int:
        """Return how many ground atoms may still be asked within limit and budget."""
        limit, budget, asked = self.context.limits.oracle_calls, self.context.budget, self.usage.oracle_calls
        if asked >= limit:
            raise LimitError("oracle_calls", limit, asked + 1)
        return limit - asked if budget is None else min(limit - asked, max(budget - asked, 0))

    def wants(self, decisions: Iterable[Decision]) -> list[Want]:
        """Return all that decisions asked for, each question once."""
        asked: dict[Predicate, list[IntArray]] = {}
        for decision in decisions:
            for made in decision.rounds:
                for atom, tuples in made.asked:
                    asked.setdefault(atom.predicate, []).append(tuples)
        question = self.context.wording.question
        return [(question(p), p.symmetric, np.concatenate(parts)) for p, parts in asked.items()]

    def _ask(self, made: Round, state: State) -> bool:
        """Ask as much of a round's choices as may be, and learn from the answers; tell whether there was any."""
        made.asked = choices = cut(state, made.choices, self._left())
        # Only what is new is chosen; the same ground atom of two atoms of one round is no hit either.
        hits = self.usage.cache_hits
        self.evidence.ask(self.context.oracle, self._wants(choices), self.usage)
        self.usage.cache_hits = hits
        for atom, tuples in choices:
            logits = self.known.table(atom).logits[tuple(tuples.T)]
            taught = atom.predicate, int(np.count_nonzero(logits > 0)), int(np.count_nonzero(logits == logits))
            self.context.estimates.learn(*taught)
            made.learned.append(taught)
        return bool(choices)

    def ask_all(self, node: Node, evaluator: Executor | None) -> None:
        """Ask every ground atom that a plan mentions, in one batch, as far as the budget goes; the values of an
        evaluator, if there is one yet, are dropped."""
        self.strayed = True
        atoms = atoms_of(node)
        wants = self._wants((atom, self._tuples(atom)) for atom in atoms)
        fresh = self._fresh(atoms)
        limit, budget, asked = self.context.limits.oracle_calls, self.context.budget, self.usage.oracle_calls
        after = asked + sum(len(tuples) for _, tuples in fresh)
        if budget is not None and after > budget:
            wants, self.spent = self._wants(first(fresh, max(budget - asked, 0))), True
        elif after > limit:
            raise LimitError("oracle_calls", limit, after)
        self.evidence.ask(self.context.oracle, wants, self.usage)
        if evaluator is not None:
            evaluator.forget()

    def _fresh(self, atoms: Iterable[Atom]) -> list[Choice]:
        """Return the ground atoms that are not asked yet, each once: ``near(x, y)`` and ``near(y, x)`` share theirs."""
        found: list[Choice] = []
        seen: dict[int, IntArray] = {}
        for atom in atoms:
            table = self.known.table(atom)
            flat = table.normalised(self._tuples(atom))
            flat = flat[~table.known(flat)]
            before = seen.get(id(table))
            if before is not None:
                flat = flat[~np.isin(flat, before)]
            seen[id(table)] = flat if before is None else np.concatenate([before, flat])
            found.append((atom, table.tuples(flat)))
        return found

    def _tuples(self, atom: Atom) -> IntArray | None:
        """Return the tuples of objects that an atom speaks of, shape ``(M, arity)``; ``None``: all."""
        if all(isinstance(t, str) for t in atom.terms):
            return None
        n = self.objects
        for term in atom.terms:
            if isinstance(term, int) and not 0 <= term < n:
                raise OracleError(f"There is no object {term}", expected=f"0 to {n - 1}")
        terms = [np.array([t]) if isinstance(t, int) else np.arange(n) for t in atom.terms]
        return np.stack(np.meshgrid(*terms, indexing="ij"), -1).reshape(-1, len(terms)).astype(np.int64)
