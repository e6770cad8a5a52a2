"""What a finished run looked like inside: the values of its plan and of its lines, and how far it is from another
answer.

The program is run once more on the evidence that is there; nothing is asked. What was never asked shows as unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from dsl import plan
from dsl.errors import LimitError
from dsl.plan import Atom, Node
from dsl.syntax import ast
from dsl.syntax.spelling import PATCHES
from neptune.algebra.late import no_grad
from neptune.answer import Answer
from neptune.engine.analysis.robustness import MinimalChange, cell_limit, minimal_change
from neptune.engine.analysis.score_vector import ScoreVector, SeenScores, Silent, uncalibrated
from neptune.engine.analysis.shown.values import Shown
from neptune.engine.context import RunContext, Schedule
from neptune.engine.evaluate.executor import Executor
from neptune.engine.evidence.store import Evidence
from neptune.engine.interpret.interpreter import Interpreter
from neptune.engine.schedule.stopping import Goal, Kind, fitting
from neptune.engine.session.answers import answer_of, checked_once
from neptune.engine.session.forms.ready import ready
from neptune.engine.session.precompiled import told
from neptune.engine.session.session import Decided, Session
from neptune.scene import Scene

MOST_LINES = 40
"""So many bound names are shown at most."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a run looked like inside.

    Parameters
    ----------
    plan
        Nodes of the evaluated plans, parents first: ``depth`` (0 begins a plan), ``line`` (of those), ``text``, and
        ``p`` (a truth), ``n`` (a number), ``value`` (a word) or ``scores`` (one for each object, of the variable
        ``over``; other variables bound by ∃; ``None`` where unknown); atoms also ``question``, ``cells`` and ``known``.
    lines
        Names that the program bound: ``line``, ``name``, and a value as above.
    flip
        The smallest change of scores that flips the answer; ``None`` where it could not be bounded, or where there is
        no answer for another reason than that nothing fits a description.
    skipped
        Ground atoms of the plans without evidence: not asked, or asked in vain.
    """

    plan: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    flip: MinimalChange | None
    skipped: int

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of a record: scores with three digits, the smallest change with four."""
        found: dict[str, Any] = {"plan": self.plan, "lines": self.lines, "skipped": self.skipped}
        if self.flip is not None:
            found["flip"] = {
                "at_least": round(self.flip.at_least, 4),
                "at_most": None if self.flip.at_most is None else round(self.flip.at_most, 4),
                "answer": self.flip.answer,
                "changes": [asdict(c) | {"score": _short(c.score), "to": _short(c.to)} for c in self.flip.changes[:12]],
                "changed": len(self.flip.changes),
            }
        return found


class _Watch(Session):
    """A session that keeps what it was made to decide."""

    def __init__(self, context: RunContext, evidence: Evidence) -> None:
        super().__init__(context, evidence)
        self.presupposed: list[tuple[Goal, int]] = []  # and the decisions that led there
        self.lines: dict[Node, int] = {}
        self.line = 0

    def _settle_fit(self, described: plan.Description | plan.Describe) -> None:
        self._presupposed(described)
        super()._settle_fit(described)

    def _settle_holds(self, holds: Node) -> Node:
        self._presupposed(holds)
        return super()._settle_holds(holds)

    def presuppose(self, described: plan.Describe) -> list[Goal]:
        """Look at what a formula described in passing, after the program's decisions."""
        goals, decided = super().presuppose(described), len(self.decided)
        self.presupposed += [(goal, max(decided - 1, 0)) for goal in goals if goal.kind == "some"]
        return goals

    def _presupposed(self, node: Node) -> None:
        """Keep what has to be true of a description, with or without a schedule."""
        # The last decision is what speaks of it: it is looked at whichever way that one goes.
        self.presupposed.append((Goal("some", node), max(len(self.decided) - 1, 0)))

    def _prepare(self, node: Node, kind: Kind) -> Node:
        before = len(self.decided)
        prepared = super()._prepare(node, kind)
        if len(self.decided) > before:
            self.lines[self.decided[-1][1]] = self.line
        return prepared


class _Watcher(Interpreter):
    """An interpreter that keeps which names were bound to what, and tells its session the line it is at."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.bound: list[tuple[int, str, Any]] = []

    def statement(self, node: ast.Stmt) -> None:
        """Run one statement."""
        if isinstance(self.evaluator, _Watch):
            self.evaluator.line = self.line(node)
        super().statement(node)

    def assign(self, target: ast.Expr, value: Any) -> None:
        """Bind a name, and remember it."""
        if isinstance(target, ast.Name) and len(self.bound) < MOST_LINES:
            self.bound.append((self.line(target), target.id, value))
        super().assign(target, value)


class Ran(Protocol):
    """Who has run a program: an engine."""

    @property
    def context(self) -> RunContext:
        """What programs are run with."""


@no_grad()
def inspect(
    engine: Ran,
    program: str | ast.Program,
    scene: Scene,
    flips: bool = True,
    presuppositions: str | None = None,
    decided: Sequence[tuple[Goal, Node]] | None = None,
) -> Inside | None:
    """Look inside a run that has just been made; of a program over regions there is no more to see than its trace says,
    and nothing is returned.

    Parameters
    ----------
    engine
        Who ran it; what its oracle said of the scene is still known. Nothing is asked.
    program, scene
        As of the run.
    flips
        Look for the smallest change that flips the answer: several times the work of the run.
    presuppositions
        As of the run, where it is not the engine's.
    decided
        The run's decisions: with a schedule, and of a program of one expression, they tell all, and nothing is run
        once more.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong.
    """
    context = engine.context.under(presuppositions)
    evidence = context.evidence(scene)
    rerun: tuple[Answer, _Watch, _Watcher] | None = None
    made = None if decided is None or flips or context.narrowing else ready(context, program, len(scene))
    if decided is None or made is None or made.told:
        checked = checked_once(context, program)
        if checked.program.dialect == PATCHES:
            return None
        if decided is None or flips or not context.schedule or context.narrowing or told(checked.program, 1):
            rerun = _rerun(context, checked.program, evidence)
            decided = rerun[1].decided
    goals = [goal for goal, _ in decided]
    atoms = [n for goal in goals for n in plan.walk(goal.node) if isinstance(n, Atom)]
    of = SeenScores if uncalibrated(context) and not flips else ScoreVector
    scores = of(context, evidence, atoms)
    evaluator = Executor(len(scene), context.logic, context.parameters, scores.known(), cell_limit(context))
    if evaluator.arrays is not None and isinstance(decided, Decided) and decided.bounds is not None:
        evaluator.arrays.adopt(decided.bounds, dict.fromkeys(atoms))
    shown, skipped = Shown(scores, evaluator), scores.skipped
    lines: list[dict[str, Any]] = []
    found: MinimalChange | None = None
    try:
        # What was decided last is the answer; what led to it follows, if there is room.
        for goal, node in {goal.node: (goal, node) for goal, node in reversed(decided)}.values():
            shown.tree(goal.node, rerun[1].lines.get(node, 0) if rerun else 0)
        lines = [shown.line(*bound) for bound in rerun[2].bound] if rerun else []
        if flips and rerun and (not rerun[0].abstained or rerun[0].why == "presupposition"):
            (answer, session, _), whole = rerun, context.schedule is None and not skipped

            def again(moved: Evidence) -> Answer:
                return _rerun(context, checked.program, moved, whole)[0]

            presupposed = session.presupposed if _may_abstain(context, answer) else []
            until: list[Goal] | None = None
            if answer.abstained and context.presuppositions == "abstain":
                # While the first that nothing fits is reached, and nothing fits it, whatever follows is no answer.
                vain = [(g, n) for g, n in presupposed if not fitting(g, evaluator)]
                until = next(([*goals[:n], goal] for goal, n in vain), None)
            found = minimal_change(context, evidence, goals, answer, again, [g for g, _ in presupposed], until)
    except LimitError:
        pass  # too large to be evaluated as written: what is there is shown
    shown.finish()
    return Inside(shown.plan, lines, found, skipped)


def _may_abstain(context: RunContext, answer: Answer) -> bool:
    """Tell whether an answer of this kind abstains where nothing fits a description: the policy of `readout.answer`."""
    points = context.presuppositions == "auto" and answer.kind in ("object", "objects")
    return context.semantics > 1 and context.presuppositions != "answer" and not points


def _rerun(
    context: RunContext, program: ast.Program, evidence: Evidence, whole: bool = False
) -> tuple[Answer, _Watch, _Watcher]:
    # Where all is known, the way through the plan is the same, and quicker, without a schedule.
    schedule = None if whole else Schedule()
    session = _Watch(replace(context, oracle=Silent(), schedule=schedule, budget=0), evidence)
    watcher = _Watcher(session, context.vocabulary, context.limits, context.distinct_variables, context.semantics)
    return answer_of(watcher, session, program), session, watcher


def _short(p: Any) -> float:
    return round(float(p), 3)
