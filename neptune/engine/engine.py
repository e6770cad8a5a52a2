"""The engine: an oracle, a detector and a logic, ready to run programs on scenes.

>>> engine = Engine(oracle="scene")                                   # doctest: +SKIP
>>> engine.run("count(Object, lambda x: red(x))", Scene.synthetic(20, seed=0)).value   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.limits import Limits
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.algebra import Logic, ProbabilisticTensor
from neptune.algebra.neutral import NeutralParameters, neutral_parameters
from neptune.answer import BACKEND, SEMANTICS, Answer
from neptune.engine.analysis.detector_labels import labels_of
from neptune.engine.arguments import check_one_of, check_range, in_arguments, logic_of
from neptune.engine.asking import Asking
from neptune.engine.assemble import choose_schedule, engine_arguments
from neptune.engine.consulted import finder_of, knowledge_of
from neptune.engine.context import MISSING_REGIONS, PRESUPPOSITIONS, RunContext, Schedule
from neptune.engine.evidence.narrowed import Narrowing
from neptune.engine.evidence.priors import Estimates, Prior, box_prior
from neptune.engine.evidence.questions import Wording
from neptune.engine.evidence.store import Evidence
from neptune.engine.scenes import Scenes
from neptune.engine.session.answers import run_program, truth_table
from neptune.engine.session.batch import Batch
from neptune.engine.views import PictureViews
from neptune.errors import fields_named
from neptune.perception.detect.cache import Found
from neptune.perception.oracle.caching.store import Store
from neptune.perception.percepts.percepts import Percepts
from neptune.perception.replicas import check_devices
from neptune.perception.stack import detector_stack, oracle_stack
from neptune.resources import vocabulary_of
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture, PictureLike
from neptune.scene.types import Detector, Knowledge, Oracle

if TYPE_CHECKING:
    from neptune.algebra import LogicParameters
    from neptune.config import Config
    from neptune.engine.analysis.explain import Explanation
    from neptune.writer.writer import Writer


class Engine(Asking):
    """Runs programs on scenes, in any number of threads. As a context manager it closes itself.

    Parameters
    ----------
    oracle
        A name (``embedded``, ``scene``, ``random``, ``replay``, …) or an :class:`~neptune.scene.types.Oracle`.
    detector
        A name (``scene``, ``embedded``, …), a :class:`~neptune.scene.types.Detector`, or ``None`` where scenes
        are given. ``"auto"``: the embedded one with the embedded oracle, else none.
    logic
        ``"godel"``, ``"product"``, ``"lukasiewicz"``, ``"frank:0.1"``, or a :class:`~neptune.algebra.Logic`.
    seed
        Seed of oracles that draw numbers.
    vocabulary
        Name or path of a vocabulary, a :class:`dsl.Vocabulary`, or ``None`` for an open one.
    schedule
        ``"all"``: ask every cell that a plan mentions, a batch a force. ``"lazy"``, or a ``Schedule``: in rounds, what
        can still change the decision, which is the same. ``"auto"``: lazy where the oracle declares its calls dear.
    planner
        ``"optimised"``: rewritten and compiled plans; ``"naive"``: an operation a node. The values are the same.
    max_oracle_calls
        The most cells that one program asks, ≥ 1; then the answer is the best so far, with bounds, ``settled=False``.
    limits
        What a program may use.
    parameters
        Temperatures; by default the neutral ones.
    distinct_variables
        See :class:`~neptune.engine.interpret.interpreter.Interpreter`.
    prior
        Guesses at cells, for the order of asking only; by default from the boxes.
    probability_tolerance
        In [0, 1]. Bounds of an answer's probability as close as this are reported as their middle; else as bounds only.
    presuppositions
        Of questions about something that is not there: ``"abstain"``, ``"answer"`` (and say so), or ``"auto"``: as the
        vocabulary says, else answer where the answer points to objects, but :meth:`ask` abstains.
    missing_region
        Where a region that a program takes for granted is not there: ``"picture"``, the whole picture stands in for it,
        and the answer says so; or ``"abstain"``.
    dialect
        ``"patches"``: every program is over regions; ``"auto"``: those that define ``execute_command`` or call
        ``ImagePatch``.
    knowledge
        Who answers ``llm_query``: a :class:`~neptune.engine.consulted.LanguageModel`, or a
        :class:`~neptune.scene.types.Knowledge`.
    percepts
        Who sees masks, depths and words, where programs ask for them; ``None``: what needs no model from elsewhere.
    semantics
        What programs mean, by number; 1 is for replaying what earlier versions recorded.
    backend
        ``"auto"``: by NumPy where a table is small and wholly known; ``"torch"``: never. The decisions are equal.
    out_of_domain
        Of pictures that detector or oracle says it was not made for: ``"abstain"``, or ``"answer"``, and say so.
    oracle_options, detector_options
        Passed to the constructors of oracle and detector.
    record
        A file to which all that the oracle says is appended; the oracle ``replay`` answers from it, bit for bit.
    cache, detection_cache
        A file that keeps what an oracle with an identity (a model, a server) says, for other runs too, and one of what
        such a detector finds; or what stands for such a file.
    devices
        Where oracle and detector run, one copy on each: ``("cuda:0", "cuda:1")``; none: as their options say.
    workers, max_batch, wait_ms
        The number of threads that will call :meth:`run`: of more than one, or several devices, requests go together, so
        many cells a batch; and how long a request waits for others.
    narrowing
        A proxy that stands in for what the oracle is not asked, as a certificate has it
        (:class:`~neptune.engine.evidence.narrowed.Narrowing`): each question is then answered alone, in rounds.
    writer
        Writes the programs of questions asked without one (:meth:`ask`); or what makes it, when it is first needed.

    Raises
    ------
    ConfigError
        For a name or an option that does not exist, or a number out of its range.
    """

    @in_arguments
    def __init__(
        self,
        oracle: str | Oracle = "embedded",
        detector: str | Detector | None = "auto",
        *,
        logic: str | Logic = "godel",
        seed: int = 0,
        vocabulary: str | Vocabulary | None = "clevr",
        schedule: str | Schedule = "all",
        planner: str = "optimised",
        max_oracle_calls: int | None = None,
        limits: Limits | None = None,
        parameters: LogicParameters | None = None,
        distinct_variables: str = "auto",
        prior: Prior | None = box_prior,
        probability_tolerance: float = 0.0,
        presuppositions: str = "auto",
        missing_region: str = "picture",
        dialect: str = "auto",
        knowledge: Knowledge | Oracle | None = None,
        percepts: Percepts | None = None,
        semantics: int = SEMANTICS,
        backend: str = BACKEND,
        out_of_domain: str = "abstain",
        oracle_options: dict[str, Any] | None = None,
        detector_options: dict[str, Any] | None = None,
        record: str | Path | None = None,
        cache: str | Path | Store | None = None,
        detection_cache: str | Path | Found | None = None,
        devices: Sequence[str] = (),
        workers: int = 1,
        max_batch: int = 256,
        wait_ms: float = 2.0,
        narrowing: Narrowing | None = None,
        writer: Writer | Callable[[], Writer | None] | None = None,
    ) -> None:
        self.logic = logic_of(logic)
        if isinstance(schedule, str):
            check_one_of("schedule", schedule, ("all", "lazy", "auto"))
            schedule = choose_schedule(schedule, oracle)[0]
        check_one_of("presuppositions", presuppositions, PRESUPPOSITIONS)
        check_one_of("missing_region", missing_region, MISSING_REGIONS)
        check_one_of("dialect", dialect, ("auto", "patches"))
        check_range("semantics", semantics, Integral, 1, SEMANTICS, f"1 to {SEMANTICS}")
        check_one_of("backend", backend, ("auto", "torch"))
        check_one_of("out_of_domain", out_of_domain, ("abstain", "answer"))
        check_one_of("planner", planner, ("naive", "optimised"))
        check_one_of("distinct_variables", distinct_variables, ("auto", "true", "false"))
        check_range("seed", seed, Integral, -inf, inf, "an integer")
        if max_oracle_calls is not None:
            check_range("max_oracle_calls", max_oracle_calls, Integral, 1, inf, "an integer ≥ 1, or None")
        check_range("probability_tolerance", probability_tolerance, Real, 0, 1, "a number in [0, 1]")
        self.limits = limits or Limits()
        self.vocabulary = vocabulary_of(vocabulary)
        options = dict(oracle_options or {})
        if isinstance(oracle, str) and oracle in ("random", "scene"):
            options.setdefault("seed", seed)
            options |= {"vocabulary": self.vocabulary} if oracle == "scene" else {}
        if detector == "auto":
            detector = "embedded" if oracle == "embedded" else None
        check_devices(devices, oracle=oracle, detector=detector)
        self.percepts = percepts or Percepts(cache=cache, out_of_domain=out_of_domain)
        self.oracle, self.recorder, self._batcher = oracle_stack(
            oracle,
            devices,
            options,
            cache=cache,
            record=record,
            workers=workers,
            max_batch=max_batch,
            wait_ms=wait_ms,
            percepts=self.percepts,
        )
        self.detector = detector_stack(detector, devices, detector_options or {}, cache=detection_cache)
        self.wording = Wording.load(vocabulary=self.vocabulary)
        self._writer = writer
        detector_name = detector if isinstance(detector, str) else getattr(detector, "name", None)
        self._scenes = Scenes(self.detector, detector_name, self.vocabulary.places)
        self.context = RunContext(
            self.oracle,
            self.wording,
            self.vocabulary,
            self.logic,
            parameters or neutral_parameters(),
            self.limits,
            Estimates(self.vocabulary, prior),
            distinct_variables,
            planner,
            {"all": None, "lazy": Schedule()}[schedule] if isinstance(schedule, str) else schedule,
            max_oracle_calls,
            probability_tolerance,
            presuppositions=self.vocabulary.presuppositions if presuppositions == "auto" else presuppositions,
            semantics=semantics,
            backend=backend,
            missing_region=missing_region,
            dialect=dialect,
            finder=finder_of(self._scenes, self.oracle, self.recorder),
            knowledge=knowledge_of(knowledge, self.oracle, self.recorder, cache),
            out_of_domain=out_of_domain,
            narrowing=narrowing,
            views=PictureViews(self._scenes),
        )
        """What programs are run with."""

    @classmethod
    def from_config(cls, config: str | Path | Config, **arguments: Any) -> Engine:
        """Make the engine that a configuration describes: a file, a packaged config's name, or the object.

        `arguments` replace those that follow from the configuration. Its errors speak of the configuration's fields.
        """
        with fields_named({}):
            return cls(**(engine_arguments(config) | arguments))

    @property
    def parameters(self) -> LogicParameters:
        """The temperatures, which may be learned."""
        held = self.context.parameters
        return held.made if isinstance(held, NeutralParameters) else held

    @cached_property
    def writer(self) -> Writer | None:
        """Who writes programs; ``None`` where they are given."""
        return self._writer() if callable(self._writer) else self._writer

    def close(self) -> None:
        """Let no thread wait for the oracle any longer. May be called twice."""
        if self._batcher is not None:
            self._batcher.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- scenes ----------------------------------------------------------------------------------

    def labels(self, *programs: str | ast.Program) -> tuple[str, ...]:
        """Return the nouns of programs, which a detector of any words looks for; none where the detector needs none."""
        if not self._scenes.open_vocabulary:
            return ()
        return labels_of(programs, self.wording, self.vocabulary, self.limits)

    def scene(
        self, picture: PictureLike | None, annotation: Annotation | None = None, labels: Sequence[str] = ()
    ) -> Scene:
        """Return the scene of a picture: its detected boxes, or with the detector ``scene`` the annotated ones.

        The same picture (annotation, and labels where the detector heeds them) gives the same scene object again,
        with all that the oracle has said.

        Parameters
        ----------
        picture, annotation
            What is looked at (:class:`~neptune.scene.picture.Picture` says what it may be given as), and what is known
            of it.
        labels
            What to look for (:meth:`labels`); by default any object.

        Raises
        ------
        PictureError
            If the picture can not be read.
        DetectorError
            If no detector is configured.
        DatasetError
            If the annotation is missing or does not fit the picture.
        """
        with fields_named(self._names):
            return self._scenes.scene(None if picture is None else Picture.of(picture), annotation, labels)

    def evidence(self, scene: Scene) -> Evidence:
        """Return what the oracle has said about a scene so far; all programs on the scene share it."""
        return self.context.evidence(scene)

    # --- running ---------------------------------------------------------------------------------

    def run(
        self,
        program: str | ast.Program,
        scene: Scene,
        budget: int | None = None,
        presuppositions: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Run a program on a scene. No gradient is kept; :meth:`table` keeps one.

        Parameters
        ----------
        program
            Program text (either dialect), or a parsed program.
        scene
            Boxes and, for most oracles, a picture.
        budget
            The most oracle calls of this run, where it is less than `max_oracle_calls`.
        presuppositions
            Of this run, where it is not the engine's.
        inputs
            What a task gives a program over regions, by name: ``query`` (the question), ``possible_answers``.

        Returns
        -------
        Answer
            The value, how sure it is, what it cost and how it came about.

        Raises
        ------
        dsl.ProgramError
            If the program is wrong, or reaches a limit.
        NeptuneError
            If the oracle can not answer.
        """
        with fields_named(self._names):
            return run_program(self.context.under(presuppositions).given(inputs), program, scene, budget)

    def run_many(self, questions: Sequence[tuple[str, Scene]]) -> list[Answer]:
        """Run many (program, scene) pairs as padded batches; the answers are those of one-by-one runs.

        One batch a shape of plan, one call of the oracle a round; what can not be batched
        (:meth:`~neptune.engine.session.batch.Batch.run` says what) runs one by one. What was precompiled is kept.

        Parameters
        ----------
        questions
            Program texts and scenes.

        Raises
        ------
        dsl.ProgramError, NeptuneError
            As :meth:`run`, for the first question that has an error.
        """
        with fields_named(self._names):
            answers = zip(questions, self._batch.run(questions), strict=True)
            return [self.run(*question) if answer is None else answer for question, answer in answers]

    @cached_property
    def _batch(self) -> Batch:
        return Batch(self.context)

    def explain(self, program: str | ast.Program, scene: Scene | int = 10) -> Explanation:
        """Say what a program will do, asking nothing: stages of planning with their laws, order, sizes.

        Parameters
        ----------
        program
            Program text, or a parsed program.
        scene
            The scene, or a number of objects N ≥ 1, for which cells are counted.

        Returns
        -------
        Explanation
            Its ``str()`` is for reading. Where the program needs an answer on its way (a branch), it ends there.

        Raises
        ------
        dsl.ProgramError
            If the program is wrong.
        """
        from neptune.engine.analysis.explain import explain

        return explain(self.context, program, scene if isinstance(scene, int) else len(scene))

    def table(self, formula: str, scene: Scene) -> ProbabilisticTensor:
        """Return the soft truth of a formula over its free variables (a program whose result is a formula)."""
        return truth_table(self.context, formula, scene)
