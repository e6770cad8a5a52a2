"""Task ``ask``: one question about a picture, or about each of several."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.cli.commands.asked.answers import PICTURE, doubts_of, forget, print_answer, remove_answer, shown_answer
from neptune.config import Config
from neptune.engine.assemble import choose_schedule, engine_arguments, few_pictures, writer_of
from neptune.engine.edited import changes_of, edited, reworded
from neptune.engine.session.answers import run_program
from neptune.errors import NeptuneError
from neptune.foreign import printable
from neptune.perception.percepts.shown import shown
from neptune.runs import record as records
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import RunFolder
from neptune.runs.record.describe import describe_answer, describe_scene, describe_writing
from neptune.runs.record.fetched import place_of
from neptune.runs.record.outcome import judged
from neptune.runs.record.provenance import describe_code, hash_inputs
from neptune.saving import replacing
from neptune.tasks import presuppositions_of
from neptune.writer.writer import EMBEDDED, Written

if TYPE_CHECKING:
    from PIL.Image import Image

    from neptune.answer import Answer
    from neptune.scene import Scene
    from neptune.scene.picture import Picture


def ask(config: Config, name: str) -> int:
    """Answer one question about a picture, or about each of several.

    Prints each answer with its probability and the trace, writes the annotated pictures, the record and the
    report into the run folder (an earlier answer there is dropped first), and prints the report's path last. With
    `explain` it prints how the program would be planned instead.

    Raises
    ------
    NeptuneError
        If a picture can not be read, nothing is detected, there is no program, or the program is wrong.
    """
    if config.turns is not None:
        from neptune.cli.turns import agent

        return agent(config, name)
    from dsl.errors import ProgramError
    from neptune.engine import Engine
    from neptune.runs.report import write_report
    from neptune.scene.picture import Picture

    used, _ = choose_schedule(config.schedule, config.vlm_model_name)
    config = config.model_copy(update={"schedule": used})
    if config.explain:
        return _explain(config, find_program(config).program)
    if config.video is not None:
        from neptune.cli.commands.asked.film import ask_film

        return ask_film(config, name)
    folder = config.folder(name)
    forget(folder)  # what fails from here on leaves no answer to another question behind
    written = find_program(config)
    program = written.program
    pictures = [Picture(image) for image in config.images]
    for picture in pictures:
        _ = picture.image  # an unreadable picture is said before models are loaded
    changes = changes_of(config.set)
    found, before = [], []
    try:
        with Engine.from_config(config, **few_pictures(config)) as engine:
            policy = presuppositions_of("ask", engine.context.presuppositions)
            for picture in pictures:
                start = time.perf_counter()
                scene = engine.scene(picture, labels=engine.labels(program))
                answer = engine.run(program, scene, presuppositions=policy)
                if changes:
                    before.append(answer)
                    made = edited(engine.context.under(policy), program, scene, changes, engine.context.oracle)
                    scene, answer = made.scene, run_program(made.context, made.program, made.scene)
                found.append((picture, scene, answer, time.perf_counter() - start))
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    drawn: list[Path] = []
    facts, meta = hash_inputs(config), {**describe_code(), "name": name}
    with RunFolder(folder, config, facts, meta, clear=remove_answer) as opened:
        for picture, scene, answer, seconds in found:
            number = f"-{len(drawn) + 1}" if len(found) > 1 else ""
            record = _record(config, written, picture, scene, answer, seconds, number) | shown(engine.percepts, picture)
            record["picture"] = place_of(picture, folder)
            if changes:
                was = before[len(drawn)]
                record |= {"program": reworded(program, changes.words), "changed": list(config.set)}
                record["before"] = None if was.abstained else shown_answer(was)
            opened.append(record)
            drawn.append(folder / f"{PICTURE.stem}{number}{PICTURE.suffix}")
            with replacing(drawn[-1], "The annotated picture") as file:
                _draw(picture, scene, answer, config.question or program).save(file, "PNG")
        results = summarise(opened.records, {"ask": len(found)})
        records.write_json(folder / records.RESULTS, results)
        report = write_report(folder, opened.records, results)
    if config.program is None:
        print(f"Program: {program}")
    for note in written.notes:
        print(printable(f"note: {note}"))
    for (picture, _, answer, _), path in zip(found, drawn):
        if len(found) > 1:
            print(printable(f"{picture.name}:"))
        if changes:
            was = before[drawn.index(path)]
            print(printable(f"Before: {shown_answer(was)}; now with {', '.join(config.set)}:"))
        print_answer(answer, shown_answer(answer))
        print(path)
    print(report, flush=True)
    return 0


def _record(
    config: Config, written: Written, picture: Picture, scene: Scene, answer: Answer, seconds: float, number: str
) -> dict[str, Any]:
    """Return the line of ``samples.jsonl`` of one picture."""
    return {
        "id": f"{picture.name}{number}",
        "dataset": "ask",
        "family": None,
        "question": config.question,
        "program": written.program,
        "answer": shown_answer(answer),
        "expected": None,
        **judged(None, answer),
        "error": None,
        "error_kind": None,
        **describe_writing(written),
        **describe_answer(answer),
        **describe_scene(scene),
        "seconds": round(seconds, 4),
    }


def _draw(picture: Picture, scene: Scene, answer: Answer, caption: str) -> Image:
    """Return the picture with its objects, the question and the answer."""
    from neptune.runs.report.annotate import annotate
    from neptune.runs.report.words import in_words

    boxes = (scene.boxes * (picture.scale * 2)).tolist()
    shown = f"abstained: {answer.why}" if answer.abstained and answer.why else str(shown_answer(answer))
    doubts = [in_words(text) for text in doubts_of(answer)]
    return annotate(picture.image, boxes, _scores(answer), answer.objects, caption, shown, doubts)


def _explain(config: Config, program: str) -> int:
    """Print how a program would be planned, for the objects of the picture, or for ten; no oracle is loaded."""
    from dsl.errors import ProgramError
    from neptune.engine import Engine

    arguments = engine_arguments(config) | few_pictures(config)
    for name in ("oracle_options", "record", "cache"):
        arguments.pop(name, None)
    arguments["oracle"] = "random"
    image = next(iter(config.images), None)
    if image is None:
        arguments.update(detector=None, detector_options={})
    engine = Engine(**arguments)
    try:
        print(engine.explain(program, engine.scene(image) if image else 10), flush=True)
    except ProgramError as error:
        raise NeptuneError(error.one_line()) from error
    return 0


def find_program(config: Config) -> Written:
    """Return the program of a question: the one given, the program cache's, or what a writer writes.

    Where no writer is configured, the question is read without a language model.

    Raises
    ------
    NeptuneError
        If there is none.
    """
    if config.program is not None:
        return Written(config.program, source="given")
    if config.code_gen_provider == "gold":  # a question that is asked has no dataset whose program it could be
        config = config.model_copy(update={"code_gen_provider": EMBEDDED})
    writer = writer_of(config)
    assert writer is not None
    try:
        return writer.write(str(config.question))
    finally:
        writer.close()


def _scores(answer: Answer) -> list[float] | None:
    """The scores to colour boxes by: the answer's own, else those of the last step that has some."""
    if answer.scores is not None:
        return list(answer.scores)
    return next((list(s.scores) for s in reversed(answer.trace) if s.scores is not None), None)
