"""Task ``agent``, and ``ask`` with turns: a conversation of a model that looks, acts and looks again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neptune.agent.conversation import Talk, as_record
from neptune.agent.journal import Journal
from neptune.agent.limits import ENDS
from neptune.agent.models import NoModel
from neptune.agent.session import check_model, converse, estimate, limits_of
from neptune.answer import Answer
from neptune.config import Config
from neptune.errors import ConfigError
from neptune.foreign import printable
from neptune.runs.record import RESULTS, write_json
from neptune.runs.record.lock import held
from neptune.runs.talks.page import write_page

if TYPE_CHECKING:
    from neptune.scene.picture import Picture

EVIDENCE = "evidence.jsonl"


def agent(config: Config, name: str) -> int:
    """Lead a conversation about one question, and print what came of it; last the path of its page.

    The folder keeps each turn as it happens: the same command goes on where a killed one stopped, and replays a
    conversation that is over, without the model and without asking the oracle.

    Returns
    -------
    int
        0; 1 if there is no answer.

    Raises
    ------
    NeptuneError
        If a picture can not be read, the model can not be asked, or the folder holds something else.
    """
    from neptune.scene.picture import Picture

    if config.datasets:
        from neptune.runs.talks.ways import answer_ways

        return answer_ways(config, name)
    if config.estimate:
        print("\n".join(estimate(config)), flush=True)
        return 0
    if config.tools == "learn":
        raise ConfigError(
            "Functions are learned from the right answers of a dataset, not from one question", where="tools learn",
            hint="Use --tools offer here",
        )  # fmt: skip
    limits_of(config)
    pictures = [Picture(image) for image in config.images]
    for picture in pictures:
        _ = picture.image
    with held(config.folder(name)):
        return _conversation(config, config.folder(name), pictures)


def _conversation(config: Config, folder: Path, pictures: list[Picture]) -> int:
    """Lead a conversation, or go on with the one in its folder, and print what came of it; return the exit code."""
    from neptune.engine import Engine

    journal = Journal(folder, _about(config, [p.digest for p in pictures]), config.resume)
    replayed = journal.ended
    model = NoModel() if replayed else None
    if model is None:
        check_model(config)
    with Engine.from_config(_seen(config, folder, replayed)) as engine:
        library = _library(config)
        talk, gallery = converse(
            config, engine, pictures, str(config.question), model=model, recorded=journal.replies, library=library,
            heard=journal.heard,
        )  # fmt: skip
    record = {
        "question": config.question,
        "pictures": [{"name": c.name, "sha256": c.digest, "size": list(c.picture.size)} for c in gallery.clues],
        "answer": _shown(talk.answer),
        "probability": None if talk.answer is None else talk.answer.probability,
        "conversation": as_record(talk, config.turn_format, config.sandbox),
    }
    write_json(folder / RESULTS, record)
    page = write_page(folder, record)
    _print(talk, replayed)
    print(page, flush=True)
    return 0 if talk.end == "answered" else 1


def _about(config: Config, digests: list[str]) -> dict[str, Any]:
    """Return what decides a conversation: another of these is another conversation."""
    return {
        "question": config.question,
        "pictures": digests,
        "turn_format": config.turn_format,
        "sandbox": config.sandbox,
        "turns": limits_of(config).turns,
        "model": [config.code_gen_provider, config.code_gen_model_name],
        "oracle": config.vlm_model_name,
        "detector": config.od_model,
        "logic": config.logic,
        "vocabulary": config.vocabulary,
    }


def _seen(config: Config, folder: Path, replayed: bool) -> Config:
    """Return the config with its record of what was seen and said: written, or read where the conversation is over."""
    path = folder / EVIDENCE
    if config.record_oracle != "auto":
        return config
    if replayed and path.is_file() and config.sandbox == "none":
        return config.model_copy(
            update={"vlm_model_name": "replay", "vlm_options": {"path": str(path)}, "record_oracle": None}
        )
    return config.model_copy(update={"record_oracle": str(path)})


def _library(config: Config) -> list[Any]:
    if config.tools == "none" or config.tool_library is None:
        return []
    from neptune.agent.library import Library

    return Library(Path(config.tool_library)).offered(config.sandbox)


def _shown(answer: Answer | None) -> Any:
    if answer is None or answer.abstained:
        return None
    return ("yes" if answer.value else "no") if answer.kind == "truth" else answer.value


def _print(talk: Talk, replayed: bool) -> None:
    for number, turn in enumerate(talk.turns, start=1):
        result = turn.result
        if result is None:
            print(printable(f"turn {number}: {turn.move.kind}: {turn.move.text[:200]}"))
            continue
        shown = f", shows {', '.join(c.name for c in result.pictures)}" if result.pictures else ""
        fault = f", {result.error.splitlines()[0]}" if result.error else ""
        print(printable(f"turn {number}: a program of {len(turn.move.text.splitlines())} lines{shown}{fault}"))
    for tool in talk.tools.values():
        used = f", used in {', '.join(f'turn {t}' for t in tool.used)}" if tool.used else ""
        print(printable(f"tool: {tool.signature}, made in turn {tool.turn}{used}"))
    spent = talk.spent
    cost = f", {spent.cost:.4f} money" if spent.cost else ""
    print(
        f"{len(talk.turns)} turns, {spent.prompt_tokens + spent.completion_tokens:,} tokens{cost}, "
        f"{talk.calls:,} oracle calls, {talk.seconds:.1f} s" + (" (replayed: all is equal)" if replayed else "")
    )
    answer = talk.answer
    if talk.end == "answered" and answer is not None and not answer.abstained:
        doubt = "" if answer.probability is None else f"  (probability {answer.probability:.3f})"
        print(printable(f"Answer: {_shown(answer)}{doubt}"))
    else:
        why = talk.why or (answer.why if answer is not None and talk.end == "answered" else ENDS[talk.end])
        print(printable(f"no answer: {why}"))
