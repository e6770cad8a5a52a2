"""Task ``ask`` of a film: a yes/no question, answered from as few frames as settle it, with the film strip."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neptune.cli.commands.asked.answers import doubts_of, forget, print_answer, remove_answer, shown_answer
from neptune.config import Config
from neptune.engine.assemble import writer_of
from neptune.errors import NeptuneError
from neptune.films import Film
from neptune.films.strip import strip
from neptune.foreign import printable
from neptune.runs import record as records
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import RunFolder
from neptune.runs.record.describe import describe_answer, describe_scene
from neptune.runs.record.outcome import judged
from neptune.runs.record.provenance import describe_code, hash_inputs
from neptune.saving import replacing
from neptune.scene import Scene
from neptune.writer.writer import EMBEDDED

if TYPE_CHECKING:
    from PIL.Image import Image

    from neptune.answer import Answer
    from neptune.engine.films.temporal import FilmProgram

STRIP, ANSWER = Path("film.png"), Path("answer.png")
"""In the run folder: the film strip, and the same with what was seen in each frame."""


def ask_film(config: Config, name: str) -> int:
    """Answer one question about a film; prints and writes what the task ``ask`` does of a picture.

    Raises
    ------
    NeptuneError
        If the film can not be read, there is no program, or the program is wrong.
    """
    from dsl.errors import ProgramError
    from neptune.engine import Engine
    from neptune.engine.films.asking import run_film
    from neptune.runs.report import write_report

    folder = config.folder(name)
    forget(folder)
    try:
        with Film(str(config.video), config.frames_per_second, config.most_frames) as film:
            program, read = _program(config)
            start = time.perf_counter()
            with Engine.from_config(config) as engine:
                answer = run_film(engine, engine.context, read, film)
            seconds = time.perf_counter() - start
            scores = frame_scores(answer, len(film))
            picture, boxes = strip(film)
            with_scores, _ = strip(film, scores, answer.objects)
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    facts, meta = hash_inputs(config), {**describe_code(), "name": name}
    with RunFolder(folder, config, facts, meta, clear=remove_answer) as opened:
        for path, image in ((STRIP, picture), (ANSWER, _drawn(with_scores, answer, config.question or program))):
            with replacing(folder / path, "The film strip") as file:
                image.save(file, "PNG")
        scene = Scene(np.array(boxes, dtype=np.float32), picture.size)
        opened.append(
            {
                "id": Path(str(config.video)).name,
                "dataset": "ask",
                "family": None,
                "question": config.question,
                "program": program,
                "answer": shown_answer(answer),
                "expected": None,
                **judged(None, answer),
                "error": None,
                "error_kind": None,
                **describe_answer(answer),
                **describe_scene(scene),
                "scores": scores,
                "picture": str(STRIP),
                "seconds": round(seconds, 4),
            }
        )
        results = summarise(opened.records, {"ask": 1})
        records.write_json(folder / records.RESULTS, results)
        report = write_report(folder, opened.records, results)
    print(printable(f"Program: {program}"))
    print_answer(answer, shown_answer(answer))
    print(folder / ANSWER)
    print(report, flush=True)
    return 0


def _program(config: Config) -> tuple[str, FilmProgram | str]:
    """Return the program of a film's question, as text and as it is run."""
    from neptune.engine.films.words import film_program

    if config.program is not None:
        return config.program, config.program
    if config.code_gen_provider == "gold":
        config = config.model_copy(update={"code_gen_provider": EMBEDDED})
    writer = writer_of(config)
    assert writer is not None
    from dsl.limits import Limits

    try:
        return film_program(str(config.question), lambda part: writer.write(part).program, Limits(**config.limits))
    finally:
        writer.close()


def frame_scores(answer: Answer, count: int) -> list[float | None]:
    """Return for each frame how far what was asked of it first is so, in [0, 1]; ``None`` where it was not asked."""
    first = answer.frames[0].program if answer.frames else ""
    found: list[float | None] = [None] * count
    for seen in answer.frames:
        if seen.program == first and seen.ends is not None:
            found[seen.index] = round(sum(seen.ends) / 2, 3)
    return found


def _drawn(picture: Image, answer: Answer, question: str) -> Image:
    """Return the strip with the question and the answer."""
    from neptune.runs.report.annotate import annotate
    from neptune.runs.report.words import in_words

    shown = f"abstained: {answer.why}" if answer.abstained and answer.why else str(shown_answer(answer))
    return annotate(picture, [], None, (), question, shown, [in_words(text) for text in doubts_of(answer)])
