"""The few types that every room shares: questions, requests for scores, detections.

Only numpy is imported here, so that any room may import it. A batch of requests is arrays (one request
is one question about many tuples of objects), never one Python object a cell: 160 objects make 25,600 pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neptune.scene.boxes import Detections as Detections
from neptune.scene.boxes import FloatArray as FloatArray
from neptune.scene.boxes import IntArray as IntArray
from neptune.scene.boxes import Place as Place
from neptune.scene.domain import Domain

if TYPE_CHECKING:
    from dsl.percepts import Percept
    from dsl.vocabulary.geometry import Geometry
    from neptune.scene.picture import Picture
    from neptune.scene.scene import Scene
    from neptune.scene.seen.depths import Depth
    from neptune.scene.seen.masks import Mask, MaskRequest
    from neptune.scene.seen.texts import Reading


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an object, a tuple of objects, or the whole picture.

    Parameters
    ----------
    text
        The question in words, e.g. ``"is the object in the red box a ball?"``. The first object is "the object in
        the red box", the second "the object in the green box". Two questions with the same `text` and `arity` are
        the same question, and are asked once.
    arity
        How many objects it is about: 0 (the picture), 1, 2, …
    predicate
        The canonical name it was made from (``"sphere"``, ``"left"``), or ``""`` for free text. A hint for oracles
        that know concepts by name; not part of the identity.
    boxes
        How it is read off the boxes instead of asked, or ``None``; no oracle gets such a question.
    of
        In a world of containers, the sort of each object that it can be true of: ``Object``, a sort of containers, or
        ``Any``. Of others it is false, and not asked. Empty: of any.
    region
        The part of the picture that it is about (pixels ``x0 y0 x1 y1``), where that is no object of the scene; `arity`
        is 0 then. An oracle is asked it of a scene with this one box, with arity 1.
    percept
        What a model of masks, depths or words is asked instead of the oracle, or ``None``.
    """

    text: str
    arity: int
    predicate: str = field(default="", compare=False)
    boxes: Geometry | None = field(default=None, compare=False, repr=False)
    of: tuple[str, ...] = field(default=(), compare=False, repr=False)
    region: tuple[float, float, float, float] | None = field(default=None, repr=False)
    percept: Percept | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> str:
        """What tells questions of one arity apart: the words, and the region if there is one."""
        return self.text if self.region is None else f"{self.text} @{self.region}"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRequest:
    """One yes/no question about M tuples of objects of one scene.

    Parameters
    ----------
    scene
        The scene (picture and boxes).
    question
        What is asked.
    objects
        Integer indices into ``scene.boxes``, shape ``(M, question.arity)``; ``(1, 0)`` for the whole picture.
    """

    scene: Scene
    question: Question
    objects: IntArray


def request_of(scene: Scene, question: Question, objects: IntArray) -> ScoreRequest:
    """Return what an oracle is asked: of a region, about the one object of its own scene."""
    if question.region is None:
        return ScoreRequest(scene, question, objects)
    there = scene.region(question.region)
    if isinstance(question.region, Place) and question.region.whole:
        if question.percept is None:
            whole = Question(question.text, 0, question.predicate)
            return ScoreRequest(there, whole, np.zeros((1, 0), dtype=np.int64))
        there = there.region((0.0, 0.0, float(there.size[0]), float(there.size[1])))
    alone = Question(question.text, 1, question.predicate, percept=question.percept)
    return ScoreRequest(there, alone, np.zeros((1, 1), dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Cost:
    """What the answer to one request cost, where the oracle knows.

    Parameters
    ----------
    stored
        Cells that a cache on disk answered.
    prompt_tokens, completion_tokens
        Tokens read and written by a model behind an address.
    money
        In the unit of the configured prices.
    failures
        Why cells have no evidence → how many of them.
    remarks
        What else the record should say of these answers.
    """

    stored: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0
    failures: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.stored + other.stored,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.money + other.money,
            Counter(self.failures) + Counter(other.failures),
            tuple(dict.fromkeys(self.remarks + other.remarks)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The oracle's answer to one :class:`ScoreRequest`.

    Parameters
    ----------
    logits
        ``log P(yes) - log P(no)``, shape ``(M,)``, float32. NaN is *missing evidence* (refused, no logprobs).
    mass
        Probability of all yes and no spellings together, shape ``(M,)``, in [0, 1]; 1 where not applicable.
    cost
        What it cost, or ``None`` where that is not known.
    bounds
        Where the logit is NaN, what is known of it all the same: its lower and upper bound, shape ``(M, 2)``, ∓∞ where
        nothing is; ``None``: nothing is known of any.
    """

    logits: FloatArray
    mass: FloatArray
    cost: Cost | None = None
    bounds: FloatArray | None = None

    @staticmethod
    def of(logits: NDArray[np.floating]) -> Scores:
        """Return scores with the given logits and a yes/no mass of 1."""
        logits = np.asarray(logits, dtype=np.float32)
        return Scores(logits, np.ones_like(logits))

    @staticmethod
    def of_cells(cells: Sequence[tuple[float, ...]], cost: Cost | None = None) -> Scores:
        """Return the scores of M cells, each of which is ``(logit, mass)`` or ``(logit, mass, lower, upper)``."""
        logits, mass = np.array([cell[:2] for cell in cells], dtype=np.float32).reshape(-1, 2).T.copy()
        bounds = None
        if any(len(cell) > 2 for cell in cells):
            ends = np.array([cell[2:] or (-np.inf, np.inf) for cell in cells], dtype=np.float32)
            bounds = ends if np.isfinite(ends).any() else None
        return Scores(logits, mass, cost, bounds)

    def cells(self) -> list[tuple[float, ...]]:
        """Return the M cells, as :meth:`of_cells` takes them."""
        plain: list[tuple[float, ...]] = list(zip(self.logits.tolist(), self.mass.tolist()))
        if self.bounds is None:
            return plain
        return [(*cell, *ends) if np.isnan(cell[0]) else cell for cell, ends in zip(plain, self.bounds.tolist())]


@dataclass(frozen=True, slots=True, eq=False)
class QueryRequest:
    """One open question ("what colour is the object in the red box?") about M tuples of objects.

    ``question.predicate`` names the attribute (``"color"``) where it is known. `choices` lists the admissible
    answers, or is empty.
    """

    scene: Scene
    question: Question
    objects: IntArray
    choices: tuple[str, ...] = ()


class Texts(list[str | None]):
    """The oracle's answer to one :class:`QueryRequest`: M texts, and what they cost.

    A plain list of texts is an answer too; its cost is not known.
    """

    def __init__(self, texts: Iterable[str | None], cost: Cost | None = None) -> None:
        super().__init__(texts)
        self.cost = cost


@runtime_checkable
class Oracle(Protocol):
    """Gives soft scores to objects. Implementations live in `neptune.perception.oracle`, one file each.

    An oracle whose answers may be kept on disk also has ``identity: str``, see `neptune.scene.identity`. One whose
    calls are what a run costs, in time or money (models, servers), declares ``cell_cost = "dear"``: the schedule
    ``auto`` then asks as little as possible. Where nothing is declared, a call counts as cheap.
    One that can tell what pictures it was not made for has ``domain(scene) -> Domain | None``, see :func:`domain_of`.
    """

    name: str

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions: one :class:`Scores` for each request, in order."""
        ...

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions: for each request M texts, ``None`` where no answer was given."""
        ...


def domain_of(oracle: Oracle, scene: Scene) -> Domain | None:
    """Return what an oracle says of a scene's picture: how far it is from those that it was trained on.

    ``None`` where it can not tell: it has no method ``domain(scene)``, or the scene no picture, or nothing was fitted.

    Raises
    ------
    PictureError, OracleFailedError
        If the picture can not be read, or the oracle's device fails.
    """
    ask = getattr(oracle, "domain", None)
    found: Domain | None = ask(scene) if ask is not None else None
    return found


class Knowledge(Protocol):
    """Knows what no picture shows: a language model. Implementations live in `neptune.perception`."""

    name: str

    def answer(self, question: str, long: bool) -> str:
        """Answer a question in words: at length, or with a word or a number alone."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds objects. Implementations live in `neptune.perception.detect`, one file each."""

    name: str

    def detect(self, picture: Picture, labels: Sequence[str] = ()) -> Detections:
        """Find the objects of a picture; `labels` are the nouns of the question, for open-vocabulary detectors."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Tells which pixels are a thing's. Implementations live in `neptune.perception.segment`, one file each.

    As of detectors, one whose answers may be kept on disk has ``identity: str``.
    """

    name: str

    def masks(self, requests: Sequence[MaskRequest]) -> list[Mask]:
        """Return the mask of each thing, in order; a mask of nothing where there is none."""
        ...


@runtime_checkable
class DepthEstimator(Protocol):
    """Tells how far away all in a picture is. Implementations live in `neptune.perception.depth`, one file each.

    One that knows more of a scene than its picture may have ``of_scenes(scenes) -> list[Depth]`` too.
    """

    name: str

    def depth(self, pictures: Sequence[Picture]) -> list[Depth]:
        """Return the depth of each picture, in order; small is near."""
        ...


@runtime_checkable
class TextReader(Protocol):
    """Reads words. Implementations live in `neptune.perception.reading`, one file each."""

    name: str

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Return the lines of text in each picture, in order; none where there is no text."""
        ...
