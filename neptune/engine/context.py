"""What a run works with: made once by an engine, shared by all that runs programs for it, and never changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dsl.limits import Limits
from dsl.vocabulary import Vocabulary
from neptune.algebra import Logic
from neptune.algebra.neutral import neutral_parameters
from neptune.answer import BACKEND, SEMANTICS
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.narrowed import Narrowing
from neptune.engine.evidence.priors import Estimates
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.store import Evidence
from neptune.errors import ConfigError
from neptune.scene import Scene
from neptune.scene.scene import Views
from neptune.scene.types import Knowledge, Oracle

if TYPE_CHECKING:
    from neptune.algebra import LogicParameters

MISSING_REGIONS = ("picture", "abstain")
"""What may become of a region that is not there."""

PRESUPPOSITIONS = ("auto", "abstain", "answer")
"""What may become of an answer that speaks of something that is not there."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How cells are chosen.

    Parameters
    ----------
    strategy
        ``frontier``: all candidates of a stage at once, few rounds. ``best-first``: the likeliest witness, few
        calls in many rounds.
    batch
        The most cells of one round; ``None``: no bound for the frontier, 1 for best-first.

    Raises
    ------
    ConfigError
        For an unknown strategy, or a batch below 1.
    """

    strategy: str = "frontier"
    batch: int | None = None

    def __post_init__(self) -> None:
        if self.strategy not in ("frontier", "best-first"):
            raise ConfigError(f"the strategy is '{self.strategy}'", expected="'frontier' or 'best-first'")
        if self.batch is not None and self.batch < 1:
            raise ConfigError(f"batch is {self.batch}", expected="an integer ≥ 1")


@dataclass(frozen=True, eq=False)
class RunContext:
    """What programs are run with. See :class:`neptune.Engine` for what the choices mean.

    Parameters
    ----------
    oracle, wording
        Who is asked, and in which words.
    vocabulary
        The domain's words.
    logic, parameters
        The t-norm and the temperatures.
    limits
        What a program may use.
    estimates
        How often each predicate was true so far, for the order of asking.
    distinct_variables
        ``"auto"``, ``"true"`` or ``"false"``.
    planner
        ``"optimised"`` or ``"naive"``.
    schedule
        How ground atoms are chosen; ``None``: every one that a plan mentions is asked, in one batch a need.
    budget
        The most oracle calls of one run, ≥ 1; ``None``: as many as `limits` allow.
    probability_tolerance
        Bounds of an answer's probability as close as this are reported as their middle.
    out_of_domain
        ``"abstain"`` or ``"answer"``, where detector or oracle was not made for the picture.
    kept
        The evidence of the latest scenes.
    presuppositions
        What becomes of an answer that speaks of something that is not there: ``"abstain"``, ``"answer"``, or
        ``"auto"``: it is given where it points to objects.
    semantics
        What programs mean; see :data:`neptune.answer.SEMANTICS`.
    dialect
        ``"patches"``: every program is over regions; ``"auto"``: those that say so.
    inputs
        What a task gives programs over regions, by name: ``query``, ``possible_answers``.
    missing_region
        What becomes of a region that is not there: ``"picture"``, the whole picture stands in; or ``"abstain"``.
    finder
        Finds what a noun names in a scene's picture; ``None`` where the objects of the scene are all there is.
    knowledge
        The language model that programs may ask, or ``None``.
    views
        Makes the scenes of what picture tools make of a scene's picture.
    backend
        ``"auto"``: small tables that are wholly known are computed by NumPy; ``"torch"``: none.
    narrowing
        What stands in for what the oracle is not asked, under a certificate; ``None``: nothing.
    watch
        Is handed the session of each run of a program.
    """

    oracle: Oracle
    wording: Wording
    vocabulary: Vocabulary
    logic: Logic
    parameters: LogicParameters = field(default_factory=neutral_parameters)
    limits: Limits = field(default_factory=Limits)
    estimates: Estimates = field(default_factory=Estimates)
    distinct_variables: str = "auto"
    planner: str = "optimised"
    schedule: Schedule | None = None
    budget: int | None = None
    probability_tolerance: float = 0.0
    out_of_domain: str = "abstain"
    kept: EvidenceKept = field(default_factory=EvidenceKept)
    presuppositions: str = "auto"
    semantics: int = SEMANTICS
    backend: str = BACKEND
    dialect: str = "auto"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    missing_region: str = "picture"
    finder: Callable[[Scene, str], Scene] | None = None
    knowledge: Knowledge | None = None
    narrowing: Narrowing | None = None
    views: Views | None = None
    watch: Callable[[Any], None] | None = None

    def given(self, inputs: Mapping[str, Any] | None) -> RunContext:
        """Return the same with what a task gives programs, if it gives anything."""
        return self._with(inputs=dict(inputs)) if inputs else self

    def budgeted(self, budget: int | None) -> RunContext:
        """Return the same with another budget of oracle calls."""
        return self if budget == self.budget else self._with(budget=budget)

    def under(self, presuppositions: str | None) -> RunContext:
        """Return the same with another choice for what is not there, if one is given.

        Raises
        ------
        ConfigError
            If there is no such choice.
        """
        if presuppositions is None or presuppositions == self.presuppositions:
            return self
        if presuppositions not in PRESUPPOSITIONS:
            known = " or ".join(f"'{k}'" for k in PRESUPPOSITIONS)
            raise ConfigError(f"presuppositions is {presuppositions!r}", expected=known)
        return self._with(presuppositions=presuppositions)

    def of(self, evidence: Evidence) -> RunContext:
        """Return the same with what is known of one scene alone."""
        return self._with(kept=EvidenceKept.only(evidence))

    def _with(self, **fields: Any) -> RunContext:
        """Return the same with other values of fields that :func:`~neptune.engine.evaluate.arrays.settings_of` does not
        read: in a fraction of the time that ``replace`` takes."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, **fields)
        return made

    def evidence(self, scene: Scene) -> Evidence:
        """Return what the oracle has said about a scene so far; all programs on the scene share it."""
        if scene.views is None and self.views is not None:
            object.__setattr__(scene, "views", self.views)  # known from now on, whoever made the scene
        return self.kept.of(scene)
