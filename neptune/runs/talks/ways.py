"""Samples of datasets answered in conversations, beside direct answers and single programs: which way is better?

One line of ``samples.jsonl`` a sample and way, written as soon as it is answered; the same command goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from neptune.agent import formats
from neptune.agent.blocks import LanguageBlocks, answer_in_words
from neptune.agent.conversation import Talk, as_record
from neptune.agent.library import Library, same_with
from neptune.agent.models import LocalModel, Model
from neptune.agent.session import check_model, converse, limits_of, model_of, toolbox_of
from neptune.agent.shots import Gallery
from neptune.config import PASSING, Config
from neptune.config.files import without_trust
from neptune.errors import ConfigError, DatasetError, ModelFailedError, NeptuneError
from neptune.runs.evaluate.summary import summarise
from neptune.runs.record import CONFIG, META, REPORT, RESULTS, SAMPLES, write_json
from neptune.runs.record.lock import held
from neptune.runs.talks.page import keep_pictures, write_page
from neptune.runs.talks.shown import as_samples, named, summary, table, write_ways
from neptune.saving import append_line, replacing
from neptune.writer.failures import ProviderError

if TYPE_CHECKING:
    from neptune.answer import Answer
    from neptune.engine import Engine
    from neptune.tasks import Sample, Task

DIRECT = "Answer the question about the picture with the answer alone: a word, a number, or the letter of an option."
DECIDING = ("ways", "turns", "turn_format", "turn_limits", "sandbox", "code_gen_provider", "code_gen_model_name",
            "vlm_model_name", "od_model", "vocabulary", "seed", "logic")  # fmt: skip
"""Fields that change answers: a folder with others is another run's."""


def answer_ways(config: Config, name: str) -> int:
    """Answer each sample in each of the config's ways, and print how they compare; last the path of the report.

    Returns
    -------
    int
        0; 2 if some sample could not be answered.

    Raises
    ------
    NeptuneError
        If the run can not start, or the model can not be asked any longer: the same command goes on then.
    """
    loaded = [config.load(dataset) for dataset in config.datasets]
    limits_of(config)
    check_model(config)
    with held(config.folder(name)):
        return _answer(config, loaded, config.folder(name))


def _answer(config: Config, loaded: Sequence[Task], folder: Path) -> int:
    """Answer in a folder that is held what is not answered there; return the exit code."""
    from neptune.engine import Engine

    limits = limits_of(config)
    done = _opened(folder, config)
    library = Library(Path(config.tool_library)) if config.tools != "none" and config.tool_library else None
    with Engine.from_config(config) as engine:
        model = model_of(config, engine)
        free = model if isinstance(model, LocalModel) else model_of(config, engine, free=True)
        for task in loaded:
            for sample in task.samples:
                for way in config.ways:
                    if (sample.id, way) not in done:
                        record = _answered(
                            config, engine, free if way == "direct" else model, task, sample, way, folder, library
                        )
                        line = json.dumps(record, ensure_ascii=False, default=str) + "\n"
                        append_line(folder / SAMPLES, line.encode(), "The samples")
                        done[sample.id, way] = record
                if library is not None and config.tools == "learn":
                    _learn(config, engine, library, sample, done)
    results = summarise(list(as_samples(done.values(), config.ways)), _totals(loaded, config.ways))
    results |= summary(list(done.values()), config.ways)
    results |= {"limits": {"turns": limits.turns}, "functions": len(library.offered(config.sandbox)) if library else 0}
    write_json(folder / RESULTS, results)
    print(table(results))
    print(folder / RESULTS)
    print(write_ways(folder, list(done.values()), config.ways, results), flush=True)
    return 2 if any(record["error"] for record in done.values()) else 0


def _opened(folder: Path, config: Config) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what was answered before; the folder is made, or checked to be of the same run."""
    fields = {"task": "agent", "dataset": list(config.datasets)}
    fields |= {field: getattr(config, field) for field in DECIDING}
    path = folder / CONFIG
    if not config.resume:
        for old in (path, folder / SAMPLES):
            old.unlink(missing_ok=True)
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [k for k, v in fields.items() if before.get(k) != json.loads(json.dumps(v))]
        if changed:
            raise ConfigError(
                "The folder holds a run with other fields", where=str(folder),
                expected=f"the same {', '.join(changed)}", hint="Choose another --output_dir, or --resume false",
            )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    kept = without_trust(config.model_dump(mode="json", exclude=set(PASSING)))
    meta = {"name": folder.name, "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    write_json(path, {**kept, **fields, "output_dir": str(folder), META: meta})
    if not (folder / SAMPLES).exists():
        return {}
    data = (folder / SAMPLES).read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if whole != data:
        with replacing(folder / SAMPLES, "The samples") as file:
            file.write(whole)
    records = [json.loads(line) for line in whole.splitlines()]
    return {(record["id"], record["way"]): record for record in records}


def _totals(loaded: Sequence[Task], ways: Sequence[str]) -> dict[str, int]:
    """Return how many answers there will be, by dataset and way."""
    return {named(task.name, way, ways): len(task.samples) for task in loaded for way in ways}


def _answered(
    config: Config,
    engine: Engine,
    model: Model,
    task: Task,
    sample: Sample,
    way: str,
    folder: Path,
    library: Library | None,
) -> dict[str, Any]:
    """Return the record of one sample, answered in one way."""
    begun = time.perf_counter()
    record: dict[str, Any] = {
        "id": sample.id, "way": way, "dataset": task.name, "family": sample.family, "question": sample.question,
        "answer": None, "expected": None, "correct": None if sample.expected is None else False, "error": None,
    }  # fmt: skip
    try:
        sample.check()
        if sample.picture is None:
            raise DatasetError("The sample has no picture", where=sample.id)
        record["expected"] = task.show_expected(sample)
        answer, more, scene = _ways(config, engine, model, sample, way, library, folder)
        record |= more | {"abstained": answer.abstained, "probability": answer.probability, "kind": answer.kind}
        record |= {"why": answer.why or None} if answer.abstained else {}
        if not answer.abstained:
            record["answer"] = task.show_answer(sample, answer, scene)
        record["correct"] = task.judge(sample, answer, scene)
    except (ProviderError, ModelFailedError):
        raise
    except NeptuneError as error:
        record["error"] = error.one_line()
    return record | {"seconds": round(time.perf_counter() - begun, 4)}


def _ways(
    config: Config, engine: Engine, model: Model, sample: Sample, way: str, library: Library | None, folder: Path
) -> tuple[Answer, dict[str, Any], Any]:
    """Return the answer of one way, what its record says besides, and the scene."""
    assert sample.picture is not None
    if way == "direct":
        gallery = Gallery()
        gallery.add(sample.picture)
        content = formats.question_content("own", sample.question, gallery.clues)
        content = content if limits_of(config).pictures else formats.in_words(content)
        said = model.reply([{"role": "system", "content": DIRECT}, {"role": "user", "content": content}])
        answer = answer_in_words(formats.bare(said.text) if not said.failure else None)
        shown = keep_pictures(folder, gallery.clues)
        return answer, {"reply": said.text, "failure": said.failure, "pictures": shown, **said.spent.as_dict()}, None
    scene = engine.scene(sample.picture) if config.sandbox == "none" else None
    one = config if way == "turns" else config.model_copy(update={"turns": 1})
    offered = library.offered(config.sandbox) if library is not None and way == "turns" else ()
    talk, gallery = converse(
        one, engine, [sample.picture], sample.question, scene=scene, model=model, library=offered
    )  # fmt: skip
    assert talk.answer is not None
    more: dict[str, Any] = {"conversation": as_record(talk, config.turn_format, config.sandbox)}
    more |= {"pictures": keep_pictures(folder, gallery.clues), "page": _page(sample, way)}
    answer = talk.answer
    record = {
        "question": sample.question, "pictures": more["pictures"], "conversation": more["conversation"],
        "answer": None if answer.abstained else answer.value, "probability": answer.probability,
    }  # fmt: skip
    write_page(folder, record, more["page"], f"../{REPORT}#{quote(f'{sample.id} ({way})')}")
    return answer, more, scene


def _page(sample: Sample, way: str) -> str:
    """Return where the page of a conversation stands below the run folder."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in str(sample.id))[:120]
    mark = "" if safe == str(sample.id) else f"-{sha256(str(sample.id).encode()).hexdigest()[:8]}"
    return f"pages/{safe}{mark}-{way}.html"


def _learn(
    config: Config, engine: Engine, library: Library, sample: Sample, done: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    """Take note of the functions of a conversation that answered right."""
    record = done.get((sample.id, "turns"))
    if record is None or not record["correct"] or "conversation" not in record:
        return
    from neptune.agent.conversation import Tool
    from neptune.tasks import load

    programs = {
        key[0]: [t["read"] for t in r["conversation"]["turns"] if t["kind"] == "code" and not t.get("refused")]
        for key, r in done.items()
        if key[1] == "turns" and "conversation" in r
    }
    made = record["conversation"]["tools"]
    turns = record["conversation"]["turns"]
    tools = {
        t["name"]: Tool(t["name"], t["signature"], turns[t["turn"] - 1]["read"], t["turn"], t["used"])
        for t in made
        if t["turn"] > 0
    }
    assert config.data_dir is not None

    def check(other: str, source: str) -> bool:
        task = load(str(done[other, "turns"]["dataset"]), str(config.data_dir), None, **config.reading())
        found = next((s for s in task.samples if s.id == other), None)
        name = source.split("def ", 1)[1].split("(", 1)[0]
        return found is not None and same_with(
            programs[other], name, source, lambda codes: _again(engine, found, codes)
        )

    library.learn(str(sample.id), Talk(tools=tools), config.sandbox, True, check)


def _again(engine: Engine, sample: Sample, codes: Sequence[str]) -> Any:
    """Run blocks from the beginning, and return what came of the last: its answer, or its text and error."""
    assert sample.picture is not None
    gallery = Gallery()
    gallery.add(sample.picture)
    blocks = LanguageBlocks(
        engine, engine.scene(sample.picture), gallery, toolbox_of(engine), {"query": sample.question}
    )  # fmt: skip
    last = None
    for code in codes:
        last = blocks.run(code)
    return None if last is None else (last.answer.value if last.answer is not None else None, last.text, last.error)
