"""What is written: ``distilled.jsonl`` in the form that TRL trains on, other tools' forms, and the data card."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dsl.resources import find
from neptune.foreign import scrubbed
from neptune.learn.distil.samples import Taught, evidence_hash, soft_answer
from neptune.runs.direct import task as direct
from neptune.runs.record import write_atomic, write_json
from neptune.saving import RESUME, replacing

DISTILLED, CARD = "distilled.jsonl", "README.md"
LLAMAFACTORY = "llamafactory"
EXPORTS = (LLAMAFACTORY,)
ANSWER, RATIONALE = "answer", "rationale"


@cache
def _explain() -> str:
    return find("prompts", "direct/explain.md").read_text(encoding="utf-8").strip()


def asked(question: str, kind: str) -> str:
    """Return what a model is asked of a question: for its answer as task direct asks, or for a rationale.

    A question can not hold the mark of a picture.
    """
    question = question.replace("<image>", "< image >")
    return direct.asked(question) if kind == ANSWER else _explain().replace("{question}", question)


def rows_of(question: Taught) -> Iterator[dict[str, Any]]:
    """Yield the samples of a question: its answer, and its rationale where there is one."""
    if question.answer is None or question.picture is None:
        return
    best = question.best
    common = {
        "dataset": question.dataset,
        "family": question.family,
        "labelled": question.labelled,
        "question": question.question,
        "answer": question.answer,
    }
    made = {
        "program": best.get("program") if best is not None else None,
        "source": (str(best.get("program_source") or "given") if best is not None else None),
        "probability": _number(best.get("probability")) if best is not None else None,
        "evidence": evidence_hash(best) if best is not None else None,
        "rationale": "" if question.text else question.why,
    }
    soft = soft_answer(best) if best is not None else None
    texts = [(ANSWER, asked(question.question, ANSWER), question.answer)]
    if question.text:
        texts.append((RATIONALE, asked(question.question, RATIONALE), question.text))
    for kind, user, assistant in texts:
        yield {
            "id": f"{question.id}/{kind}",
            "kind": kind,
            "messages": [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}],
            "images": [os.path.abspath(question.picture)],
            **common,
            "soft": soft or {"answers": [question.answer], "probabilities": [1.0]},
            "provenance": made,
        }


def write_distilled(folder: Path, questions: Iterable[Taught]) -> dict[str, int]:
    """Write ``distilled.jsonl`` whole, and return how many samples of each kind it has.

    Raises
    ------
    WriteError
        If the disk does not take it: the file that was there before is there still.
    """
    written = {ANSWER: 0, RATIONALE: 0}
    with replacing(folder / DISTILLED, "The distilled samples", RESUME) as file:
        for question in questions:
            for row in rows_of(question):
                line = scrubbed(json.dumps(row, ensure_ascii=False, allow_nan=False)) + "\n"
                file.write(line.encode("utf-8", "backslashreplace"))
                written[row["kind"]] += 1
    return written


def read_distilled(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the samples of a ``distilled.jsonl``."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def export_llamafactory(folder: Path) -> list[Path]:
    """Write the samples in LLaMA-Factory's ``sharegpt`` form, and its ``dataset_info.json``; return the files."""
    data, info = folder / "llamafactory.json", folder / "dataset_info.json"
    with replacing(data, "The export", RESUME) as file:
        file.write(b"[")
        for k, row in enumerate(read_distilled(folder / DISTILLED)):
            user, assistant = row["messages"]
            marked = {**user, "content": "<image>" + user["content"]}
            text = json.dumps({"messages": [marked, assistant], "images": row["images"]}, ensure_ascii=False)
            file.write((("," if k else "") + "\n" + text).encode("utf-8", "backslashreplace"))
        file.write(b"\n]\n")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    columns = {"messages": "messages", "images": "images"}
    write_json(
        info, {"distilled": {"file_name": data.name, "formatting": "sharegpt", "columns": columns, "tags": tags}}
    )
    return [data, info]


def write_card(folder: Path, results: Mapping[str, Any]) -> None:
    """Write the data card: where the samples come from, how many became what, and how to read them."""
    labelled, unlabelled = results["labelled"], results["unlabelled"]

    def table(counts: Mapping[str, int]) -> list[str]:
        return [f"| {why} | {n:,} |" for why, n in counts.items()]

    made = results["made_with"]
    lines = [
        "---",
        "task_categories: [visual-question-answering]",
        "language: [en]",
        "configs: [{config_name: default, data_files: distilled.jsonl}]",
        "---",
        "",
        "# Distilled samples",
        "",
        f"{results['samples'][ANSWER]:,} answers and {results['samples'][RATIONALE]:,} rationales, distilled from "
        f"{results['questions']:,} questions of {', '.join(made['datasets'])}.",
        "",
        "Each question was answered by a program over the picture. Where its answer is right, what the program found",
        "was put into words, and every object, place, box, number and word about certainty was checked against what",
        "the run recorded; a text that says more was refused.",
        "",
        "| | questions |",
        "|---|---:|",
        f"| with a right answer that is known | {labelled['questions']:,} |",
        f"| of these with a rationale | {labelled['rationales']:,} |",
        *[f"| the answer alone: {row[2:]}" for row in table(labelled["answer_alone"])],
        f"| without a known answer, kept | {unlabelled['kept']:,} |",
        *[f"| without a known answer, left out: {row[2:]}" for row in table(unlabelled["left_out"])],
        "",
        f"{labelled['programs_right']:,} of {labelled['programs_run']:,} programs gave the right answer.",
        "",
        "## Made with",
        "",
        "| | |",
        "|---|---|",
        *[f"| {name} | {value} |" for name, value in made.items()],
        "",
        "## Fields",
        "",
        "`id`, `kind` (`answer` or `rationale`), `messages` and `images` (the conversation, with the paths of its",
        "pictures), `dataset`, `family`, `labelled`, `question`, `answer`, `soft` (`answers` with the engine's",
        "`probabilities`; of one answer where none are known), `provenance` (`program`, its `source`, the",
        "`probability` of its answer, a hash of the recorded `evidence`, and why there is no `rationale`).",
        "",
        "What is said of a picture is what an oracle said of it: where the oracle is wrong in a way that gives the",
        "right answer all the same, so is the rationale. Pictures are the dataset's own, under its licence.",
        "",
        "    from datasets import Image, List, load_dataset",
        '    data = load_dataset("json", data_files="distilled.jsonl", split="train")',
        '    data = data.cast_column("images", List(Image()))',
        "",
    ]
    write_atomic(folder / CARD, "\n".join(lines))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
