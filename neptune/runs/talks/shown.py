"""Answers in several ways, compared: the figures, the table, and the report with a conversation a sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from neptune.agent.journal import PICTURES
from neptune.errors import ConfigError
from neptune.runs.evaluate.compare import mcnemar
from neptune.runs.evaluate.intervals import interval
from neptune.runs.record import CONFIG, RESULTS, SAMPLES
from neptune.runs.record.pictures import RecordedPictures
from neptune.runs.report import write_report

Records = Iterable[Mapping[str, Any]]


def named(dataset: str, way: str, ways: Sequence[str]) -> str:
    """Return under which name a report shows the answers of a way: where there are several, each has figures."""
    return f"{dataset}: {way}" if len(ways) > 1 else dataset


def as_samples(records: Records, ways: Sequence[str], folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield records of ways as those of samples, which figures and reports take: each way of a sample is one.

    Parameters
    ----------
    records
        Lines of ``samples.jsonl``.
    ways
        Of the run.
    folder
        The run folder, where pictures are shown.
    """
    for record in records:
        talk, pictures = record.get("conversation") or {}, record.get("pictures") or ()
        usage = {
            "oracle_calls": talk.get("oracle_calls", 0),
            "code_gen_cost": (talk or record).get("code_gen_cost", 0.0),
        }
        shown: dict[str, Any] = {"usage": usage, "program": None}
        if folder is not None and pictures and str(pictures[0].get("sha256")).isalnum():
            shown["picture"] = str(folder / PICTURES / f"{pictures[0]['sha256']}.png")
            shown["size"] = pictures[0].get("size")
        if record.get("reply"):
            shown["notes"] = [f"the model said: {record['reply']}"]
        yield {
            **record, **shown, "id": f"{record['id']} ({record['way']})",
            "dataset": named(str(record["dataset"]), str(record["way"]), ways),
        }  # fmt: skip


def write_ways(
    folder: Path, records: Sequence[Mapping[str, Any]], ways: Sequence[str], results: Mapping[str, Any]
) -> Path:
    """Write the report of a run, each conversation with its turns and the way to its page, and return its path."""
    return write_report(folder, list(as_samples(records, ways, folder)), results, RecordedPictures([folder]))


def ways_again(folder: Path) -> Path | None:
    """Write the report of a run folder anew and return its path; ``None``: it is a run of another kind.

    Raises
    ------
    ConfigError
        If what it recorded is damaged.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if not isinstance(config, dict) or config.get("task") != "agent":
            return None
        data = (folder / SAMPLES).read_bytes()
        records = [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
        results = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        ways = list(map(str, config["ways"]))
        return write_ways(folder, records, ways, results)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The run can not be read: {error}", where=str(folder),
            hint="The command that began it goes on, and writes its report",
        ) from error  # fmt: skip


def summary(records: Sequence[Mapping[str, Any]], ways: Sequence[str]) -> dict[str, Any]:
    """Return what the ways are worth: each one's accuracy with its interval, each pair by McNemar's exact test.

    A sample counts in a comparison if both ways were judged on it; what was not answered is wrong.
    """
    right = {way: {r["id"]: bool(r["correct"]) for r in records if r["way"] == way and r["correct"] is not None}
             for way in ways}  # fmt: skip
    found: dict[str, Any] = {"n": len({r["id"] for r in records}), "ways": {}, "pairs": []}
    for way in ways:
        values = list(right[way].values())
        of = [r for r in records if r["way"] == way]
        bounds = interval([float(v) for v in values])
        found["ways"][way] = {
            "judged": len(values),
            "correct": sum(values),
            "accuracy": sum(values) / len(values) if values else None,
            "interval": list(bounds) if bounds else None,
            "errors": sum(bool(r["error"]) for r in of),
            "ends": _counted(r["conversation"]["end"] for r in of if "conversation" in r),
            "seconds": round(sum(r["seconds"] for r in of), 2),
        }
    for first, second in combinations(ways, 2):
        both = right[first].keys() & right[second].keys()
        lost = sum(right[first][i] and not right[second][i] for i in both)
        won = sum(right[second][i] and not right[first][i] for i in both)
        found["pairs"].append(
            {"first": first, "second": second, "only_first": lost, "only_second": won, "p": mcnemar(lost, won)}
        )
    return found


def _counted(words: Any) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def table(results: Mapping[str, Any]) -> str:
    """Return the comparison in lines."""
    lines = []
    for way, of in results["ways"].items():
        if of["accuracy"] is None:
            lines.append(f"{way:<8} not judged")
            continue
        low, high = of["interval"]
        lines.append(
            f"{way:<8} {of['correct']} of {of['judged']} right, {of['accuracy']:.1%} (95 %: {low:.1%} to {high:.1%})"
        )
    for pair in results["pairs"]:
        lines.append(
            f"{pair['second']} against {pair['first']}: {pair['only_second']} won, {pair['only_first']} lost, "
            f"McNemar's exact test p = {pair['p']:.3g}"
        )
    return "\n".join(lines)
