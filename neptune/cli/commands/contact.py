"""Task ``contact-sheet``: what a vision-language model sees of one sample, question by question, as a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from neptune.config import Config
from neptune.errors import ConfigError, did_you_mean
from neptune.perception.oracle.canvas import MAX_PIXELS, Canvases
from neptune.perception.oracle.random import RandomOracle
from neptune.perception.oracle.visual import VisualForm
from neptune.saving import write_whole
from neptune.scene.types import QueryRequest, ScoreRequest, Scores

if TYPE_CHECKING:
    from neptune.tasks import Sample, Task

SHEET = "contact-sheet.html"
"""The page in the run folder."""

MOST = 12
"""Of each question so many tuples of objects are shown."""


class WatchedOracle:
    """Answers at random and keeps what it was asked: all that a program asks, without a model.

    Parameters
    ----------
    seed
        Of the answers.
    """

    name = "watched"

    def __init__(self, seed: int = 0) -> None:
        self._inner = RandomOracle(seed)
        self.asked: list[ScoreRequest | QueryRequest] = []

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer as the random oracle does, and keep the requests."""
        self.asked += requests
        return self._inner.score(requests)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer as the random oracle does, and keep the requests."""
        self.asked += requests
        return self._inner.query(requests)


@dataclass
class Card:
    """One picture as it is shown, and all that is asked of it.

    Parameters
    ----------
    picture
        The picture.
    texts
        The words that go with it, one text a question.
    """

    picture: Image.Image
    texts: list[str] = field(default_factory=list)

    @property
    def image(self) -> str:
        """The picture as a data URL."""
        file = io.BytesIO()
        self.picture.save(file, "PNG")
        return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def contact_sheet(config: Config, name: str) -> int:
    """Write the page for one sample and print its path; no model is asked.

    Parameters
    ----------
    config
        `dataset`, `data_dir` and `sample` say which; `od_model` finds the boxes; ``form``, ``form_options`` and
        ``max_pixels`` of `vlm_options` say how they are shown.

    Raises
    ------
    NeptuneError
        If there is no such sample, its picture can not be read, it has no program, or a box can not be shown.
    """
    from dsl.errors import ProgramError
    from neptune.engine import Engine
    from neptune.runs.report.pages import CONTACT_SCRIPTS, render
    from neptune.runs.runner.programs import Programs

    task, sample = find_sample(config)
    sample.check()
    options = config.vlm_options
    form = VisualForm.load(options.get("form", "mark"), options.get("form_options"))
    canvases = Canvases(options.get("max_pixels", MAX_PIXELS))
    with Programs(config) as programs:
        program = next(write() for _, _, write in programs.ahead([(task, sample)])).program
    oracle = WatchedOracle(config.seed)
    engine = Engine(
        oracle, config.od_model, detector_options=config.od_options, vocabulary=config.vocabulary, schedule="all"
    )
    try:
        annotation = sample.truth() if config.od_model == "scene" else sample.annotation
        scene = engine.scene(sample.picture, annotation, engine.labels(program))
        engine.run(program, scene)
    except ProgramError as error:
        raise ConfigError(error.one_line(), where=f"sample {sample.id}") from error
    found = cards(oracle.asked, form, canvases)
    total = sum(len(request.objects) for request in oracle.asked)
    page = render(
        "contact.html",
        CONTACT_SCRIPTS,
        title=f"{task.name}, sample {sample.id}",
        question=sample.question,
        program=program,
        form=form.name,
        about=form.about,
        options=", ".join(f"{k} {v}" for k, v in form.options.items()),
        cards=found,
        total=total,
        left_out=total - sum(len(card.texts) for card in found),
    )
    folder = config.folder(name)
    write_whole(folder / SHEET, page, "The contact sheet")
    print(folder / SHEET, flush=True)
    return 0


def find_sample(config: Config) -> tuple[Task, Sample]:
    """Return the sample that a config names, with its task; by default the first one.

    Raises
    ------
    ConfigError
        If no dataset is given, or it holds no such sample.
    """
    from neptune import tasks

    if not config.datasets or config.data_dir is None:
        raise ConfigError("Task contact-sheet needs 'dataset' and 'data_dir'", hint="e.g. --dataset clevr")
    task = tasks.load(config.datasets[0], config.data_dir, **config.reading())
    for sample in task.samples:
        if config.sample is None or str(sample.id) == config.sample:
            return task, sample
    known = [str(s.id) for s in task.samples]
    raise ConfigError(
        f"There is no sample '{config.sample}'",
        where=task.name,
        expected=f"one of {len(known)} ids, such as {', '.join(known[:3])}",
        hint=did_you_mean(str(config.sample), known),
    )


def cards(asked: Sequence[ScoreRequest | QueryRequest], form: VisualForm, canvases: Canvases) -> list[Card]:
    """Return the pictures shown for requests, each once, with the words asked of it.

    Raises
    ------
    OracleError
        If a box can not be shown.
    """
    found: dict[Hashable, Card] = {}
    for request in asked:
        canvas = canvases.of(request.scene)
        kind = "score" if isinstance(request, ScoreRequest) else "query"
        choices = request.choices if isinstance(request, QueryRequest) else ()
        for row in request.objects[:MOST].tolist():
            boxes = tuple(row)
            key = boxes if form.draws(len(boxes)) else ()
            if key not in found:
                found[key] = Card(form.picture(canvas, boxes))
            found[key].texts.append(form.text(request.question, canvas, boxes, kind, choices))
    return list(found.values())
