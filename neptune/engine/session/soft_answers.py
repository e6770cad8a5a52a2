"""Soft answers: the distribution over a program's answers, with gradients to every score that it depends on.

This is what training from answers and tuning of temperatures need. Nothing is decided on the way:

- where a program branches, ``if c: a else b``, the answer is ``P(c)·a + (1 - P(c))·b``; so too for a count, an object
  or a value that the program needs as a plain value: each way on is followed, and weighed;
- ``describe(Color, iota(…))`` and whatever else speaks of one chosen object weighs the objects by the description
  instead of choosing the best;
- a count is a distribution over 0 … N (the exact one of independent cells, Poisson-binomial).

>>> answers = soft_answers(engine.context, [("exists(Object, lambda x: red(x))", scene)], scorer)   # doctest: +SKIP
>>> loss = -answers[0].log_probability(True)                                                # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dsl
from dsl.syntax import ast
from neptune.algebra.convert import EPSILON
from neptune.algebra.late import torch
from neptune.engine.context import RunContext
from neptune.engine.evaluate.atom_tensors import AtomTensors, Scorer
from neptune.engine.interpret.values import Need, ObjectRef, kind_name, needed, result_kind
from neptune.engine.session.distributions import Distributions, Soft, Values, sure
from neptune.engine.session.program_paths import Choices, Outcome, paths_of
from neptune.errors import NeptuneError
from neptune.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor

MOST_PATHS = 64
"""Of the ways through one program on one scene the most probable ones are followed, no more than this many."""

Sample = tuple[str | ast.Program, Scene]


@dataclass(frozen=True, slots=True, eq=False)
class SoftAnswer:
    """A distribution over the answers to one question.

    Parameters
    ----------
    kind
        ``truth`` (values False, True), ``number`` (0 … N), ``object`` (their indices), ``text`` (the values of the
        sort), ``objects`` (a formula of one free variable: indices, each with the probability that it is meant),
        ``nothing``, or ``mixed`` if branches answer with different kinds.
    values
        K answers.
    probabilities
        Shape ``(K,)``, float64 in [0, 1], with gradient; they sum to 1 - `left_out`, for ``objects`` to no fixed sum.
    left_out
        The probability of ways through the program that were not followed, because there are more than `MOST_PATHS`
        or because the program is in error on them; and of choosing an object where there is none.
    """

    kind: str
    values: Values
    probabilities: Tensor
    left_out: float = 0.0

    def probability(self, value: Any) -> Tensor:
        """Return the probability of an answer, a scalar with gradient; of one that can not be given, 0.

        Truths are ``True`` and ``False``: not 1 and 0, which are numbers.
        """
        hits = [i for i, v in enumerate(self.values) if same_answer(v, value)]
        return self.probabilities[hits].sum()

    def log_probability(self, value: Any) -> Tensor:
        """Return ``ln max(p, 1e-6)``: its negative is the loss of an expected answer.

        The gradient is the one of ``ln p`` with p floored, so a sure mistake is still corrected.
        """
        p = self.probability(value)
        floored = p + (p.clamp_min(EPSILON) - p).detach()
        return floored.log()


def same_answer(a: Any, b: Any) -> bool:
    """Tell whether two answers are the same; yes is not the number 1."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def soft_answers(
    context: RunContext, samples: Sequence[Sample], scorer: Scorer | None = None
) -> list[SoftAnswer | None]:
    """Return the distribution over answers of each (program, scene), differentiable in scores and temperatures.

    Plans of one shape run as one padded batch, and what all samples need is asked in one round (in one more for each
    branch inside another). Scenes without objects, atoms of three objects and the engine's planner ``naive`` run one
    by one.

    Parameters
    ----------
    context
        Its vocabulary, wording, logic, temperatures (``parameters``) and limits. Give the engine
        ``logic=parameters.logic`` to learn the strictness of "and".
    samples
        Programs (texts or parsed) and scenes. A scene that several samples share is asked once.
    scorer
        Called with a list of :class:`~neptune.scene.types.ScoreRequest` (scene, question, M tuples of objects), returns
        a list of logits, each ``(M,)``, with gradient. They are brought to the CPU as float32. Without a scorer the
        logits are those that the engine's oracle says, or has said; then only temperatures get a gradient.

    Returns
    -------
    list
        One :class:`SoftAnswer` a sample; ``None`` where evidence is missing (NaN).

    Raises
    ------
    dsl.ProgramError
        If a program is wrong, or is in error whichever way it goes.
    NeptuneError
        If a result has no soft value (a list of soft parts), or the scorer's answer has the wrong shape.

    Notes
    -----
    No gradient flows through a float made of a probability (``float(…)``), an order (``topk``), and an open question.
    """
    search = _Search(context, samples, scorer)
    while search.step():
        pass
    return search.answers()


@dataclass(eq=False)
class _Path:
    """One way through one program: what was taken, how probable that is, and where it leads."""

    sample: int
    choices: Choices = ()
    weight: Tensor | None = None
    mass: float = 1.0
    outcome: Outcome | None = None


@dataclass(eq=False)
class _Search:
    context: RunContext
    samples: Sequence[Sample]
    scorer: Scorer | None
    paths: list[_Path] = field(init=False)
    missing: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._follow = paths_of(self.context.vocabulary, self.context.limits, self.context.distinct_variables)
        self._distributions = Distributions(self.context, AtomTensors(self.context, self.scorer))
        self.paths = [_Path(i) for i in range(len(self.samples))]
        self._left_out = [0.0] * len(self.samples)

    def step(self) -> bool:
        """Follow every open path to the next value that it needs; return whether any needed one."""
        needing: list[tuple[_Path, Need]] = []
        for path in self.paths:
            if path.outcome is None:
                program, scene = self.samples[path.sample]
                path.outcome = self._follow.follow(program, len(scene), path.choices)
                if path.outcome.need is not None:
                    needing.append((path, path.outcome.need))
        if not needing:
            return False
        found = self._distributions.evaluate([(self.samples[p.sample][1], need) for p, need in needing])
        done = [path for path in self.paths if path.outcome is not None and path.outcome.need is None]
        forks = [
            fork for (path, need), soft in zip(needing, found, strict=True) for fork in self._forks(path, need, soft)
        ]
        self.paths = self._heaviest([*done, *forks])
        return True

    def _forks(self, path: _Path, need: Need, soft: Soft) -> list[_Path]:
        if soft is None:
            self.missing.add(path.sample)
            return []
        values, chances = soft
        if need.kind in ("probability", "ranking"):
            numbers = chances.detach().tolist()
            taken: Any = numbers[1] if need.kind == "probability" else tuple(numbers)
            return [_Path(path.sample, (*path.choices, (need, taken)), path.weight, path.mass)]
        if need.kind == "object" and not values:
            values, chances = (-1,), torch.ones(1, dtype=torch.float64)
        sizes = chances.detach().tolist()
        self._left_out[path.sample] += path.mass * max(0.0, 1.0 - sum(sizes))
        return [
            _Path(
                path.sample,
                (*path.choices, (need, value)),
                chance if path.weight is None else path.weight * chance,
                path.mass * size,
            )
            for value, chance, size in zip(values, chances.unbind(0), sizes, strict=True)
            if size > 0.0
        ]

    def _heaviest(self, paths: list[_Path]) -> list[_Path]:
        by_sample: dict[int, list[_Path]] = {}
        for path in paths:
            by_sample.setdefault(path.sample, []).append(path)
        kept = []
        for sample, mine in by_sample.items():
            if len(mine) > MOST_PATHS:
                mine.sort(key=lambda p: -p.mass)
                self._left_out[sample] += sum(p.mass for p in mine[MOST_PATHS:])
            kept.extend(mine[:MOST_PATHS])
        return kept

    # --- answers ---------------------------------------------------------------------------------

    def answers(self) -> list[SoftAnswer | None]:
        """Return the blend of each sample's paths."""
        wanted: list[tuple[Scene, Need]] = []
        routes: list[list[tuple[_Path, str, int | Soft]]] = [[] for _ in self.samples]
        errors: dict[int, dsl.ProgramError] = {}
        for path in self.paths:
            assert path.outcome is not None
            if path.outcome.error is not None:
                errors[path.sample] = path.outcome.error
                self._left_out[path.sample] += path.mass
                continue
            scene, need = self.samples[path.sample][1], needed(path.outcome.value)
            if need is not None:
                routes[path.sample].append((path, need.kind, len(wanted)))
                wanted.append((scene, need))
            else:
                routes[path.sample].append((path, *_plain(path.outcome.value, len(scene))))
        found = self._distributions.evaluate(wanted)
        out: list[SoftAnswer | None] = []
        for i, mine in enumerate(routes):
            if not mine and i in errors:
                raise errors[i]
            ways = [(p, kind, found[at] if isinstance(at, int) else at) for p, kind, at in mine]
            lacks = i in self.missing or any(soft is None for _, _, soft in ways)
            out.append(None if lacks else self._blend(ways, self._left_out[i]))  # type: ignore[arg-type]
        return out

    @staticmethod
    def _blend(ways: Sequence[tuple[_Path, str, tuple[Values, Tensor]]], left_out: float) -> SoftAnswer:
        kinds = {kind for _, kind, _ in ways}
        kind = next(iter(kinds)) if len(kinds) == 1 else "mixed"
        if len(ways) == 1 and ways[0][0].weight is None:
            values, chances = ways[0][2]
            if kind not in ("objects", "nothing"):
                left_out = max(0.0, 1.0 - float(chances.detach().sum()))
            return SoftAnswer(kind, values, chances, left_out if left_out > 1e-9 else 0.0)
        places: dict[tuple[str, Any], int] = {}
        at: list[int] = []
        shares: list[Tensor] = []
        for path, of, (values, chances) in ways:
            at += [places.setdefault((of, v), len(places)) for v in values]
            shares.append(chances if path.weight is None else path.weight * chances)
        total = torch.zeros(len(places), dtype=torch.float64)
        total = total.index_add(0, torch.tensor(at, dtype=torch.int64), torch.cat(shares))
        return SoftAnswer(kind, tuple(v for _, v in places), total, left_out)


def _plain(value: Any, objects: int) -> tuple[str, Soft]:
    """Return the kind and the distribution of a program's result that is a plain value."""
    kind = result_kind(value)
    if isinstance(value, list | tuple | set) and value and all(isinstance(v, ObjectRef) for v in value):
        members = {v.index for v in value}
        shares = [float(i in members) for i in range(objects)]
        return "objects", (tuple(range(objects)), torch.tensor(shares, dtype=torch.float64))
    if kind is not None and kind != "list":
        return kind, sure(value.index if isinstance(value, ObjectRef) else value)
    raise NeptuneError(
        f"The program returns {kind_name(value)}, which has no soft value",
        expected="a truth, a number, a text, an object, or a formula of one free variable",
        hint="Leave this program out of training, or let it return one answer",
    )
