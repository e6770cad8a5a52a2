"""``--evaluate true``: a language model says whether the answers mean the same as the expected ones.

Exact match is too strict for free answers ("couch" for "sofa"), and a judge may be wrong: both are kept, and where they
disagree is shown. Each verdict is kept in ``judge.jsonl`` as soon as it is there; the same question, expected and
given answer is asked once, and not again when the run is resumed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.resources import find
from neptune.config import Config
from neptune.errors import NeptuneError, WriteError
from neptune.runs.evaluate.side_files import SideFile
from neptune.runs.evaluate.summary import counts
from neptune.runs.record import key as who
from neptune.runs.record.outcome import ANSWERED, outcome_of
from neptune.servers.readers import UNREADABLE, verdict
from neptune.writer.failures import TruncatedError

if TYPE_CHECKING:
    from neptune.writer.chat import Chat, Reply

MAX_TOKENS = 512
"""Of a verdict: one word, and what a model thinks before it."""

_FIELDS = {
    "code_gen_model_name": "judge_model",
    "code_gen_base_url": "judge_base_url",
    "code_gen_provider": "judge_provider",
    "code_gen_omit": "judge_omit",
    "code_gen_concurrency": "workers",
}

Record = Mapping[str, Any]


@cache
def prompt() -> str:
    """Return the judge's prompt."""
    return find("prompts", "evaluate/judge.md").read_text(encoding="utf-8")


def is_judged(record: Record) -> bool:
    """Whether a record has a free answer to judge: answered, and expected to be words, a number, yes or no."""
    plain = all(isinstance(record.get(k), str | int | float | list) for k in ("answer", "expected"))
    return outcome_of(record) == ANSWERED and plain and "iou" not in record


def key_of(config: Config, record: Record) -> str:
    """Return the key of a verdict: everything that can change it."""
    parts = [config.judge_model, config.judge_provider, config.judge_base_url, prompt()]
    parts += [str(record["question"]), _words(record["expected"]), _words(record["answer"])]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def judge_run(config: Config, folder: Path, records: Sequence[Record]) -> NeptuneError | None:
    """Let the judge see every free answer of a run that it has not seen yet, `workers` at a time.

    Parameters
    ----------
    config
        Names ``judge_model`` and ``judge_provider``.
    folder
        The run folder.
    records
        Its records.

    Returns
    -------
    NeptuneError or None
        Why some were not judged: the provider failed. What was judged is kept.

    Raises
    ------
    NeptuneError
        If the judge's key or package is missing, or the verdicts can not be written.
    """
    verdicts = SideFile(folder, "judge")
    known = {row["key"]: row for row in verdicts.rows.values()}
    waiting: dict[str, list[Record]] = {}
    for record in records:
        if not is_judged(record):
            continue
        key = key_of(config, record)
        if key in known:
            if verdicts.rows.get(who(record), {}).get("key") != key:
                verdicts.add(_row(config, record, key, known[key]["right"], known[key]["said"]))
        else:
            waiting.setdefault(key, []).append(record)
    if not waiting:
        return None
    try:
        chat = _chat(config)
    except NeptuneError as error:
        raise _renamed(error) from error
    failure: NeptuneError | None = None
    with ThreadPoolExecutor(config.workers, "judge") as pool:
        asked = {pool.submit(_ask, chat, group[0]): key for key, group in waiting.items()}
        for done in as_completed(asked):
            if done.cancelled():
                continue
            try:
                right, said = done.result()
            except NeptuneError as error:
                failure = _renamed(error)
                for future in asked:
                    future.cancel()
                continue
            try:
                for record in waiting[asked[done]]:
                    verdicts.add(_row(config, record, asked[done], right, said))
            except WriteError:
                pool.shutdown(wait=False, cancel_futures=True)  # what can not be kept is not paid for
                raise
    return failure


def _chat(config: Config) -> Chat:
    from neptune.writer.chat import Chat, Settings

    assert config.judge_model is not None  # the config was checked
    assert config.judge_provider is not None
    return Chat(
        Settings(
            config.judge_provider,
            config.judge_model,
            config.judge_base_url,
            max_tokens=MAX_TOKENS,
            timeout=config.code_gen_timeout,
            retries=config.code_gen_retries,
            concurrency=config.workers,
            constrained="off",
            omit=config.judge_omit,
            trusted_hosts=config.trusted_hosts,
        )
    )


def _ask(chat: Chat, record: Record) -> tuple[bool | None, str]:
    """Return the verdict and what the judge said; ``None`` where that can not be read."""
    text = prompt()
    for name in ("question", "expected", "answer"):
        text = text.replace("{{" + name + "}}", _words(record[name]))
    replies, _ = chat.ask([{"role": "user", "content": text}])
    return read_verdict(replies[0]), replies[0].text.strip()[:200]


def read_verdict(reply: Reply | str) -> bool | None:
    """Return what a judge's reply means; ``None``: unreadable, a refusal and what is cut off before a verdict too.

    >>> read_verdict("Yes. There is no difference in meaning."), read_verdict("I can not tell.")
    (True, None)
    """
    text, failure = (reply, None) if isinstance(reply, str) else (reply.text, reply.failure)
    if failure is not None:
        # A verdict with which a reply begins stands, though the reasons after it are cut off.
        begun = re.match(r"\W{0,9}(yes|no)\b(?=[\W_]{0,3}(?:[.,:;!\n]|$))", text, re.IGNORECASE)
        return begun[1].lower() == "yes" if begun and isinstance(failure, TruncatedError) else None
    said = verdict(text)
    return None if said is UNREADABLE else said


def _row(config: Config, record: Record, key: str, right: bool | None, said: str) -> dict[str, Any]:
    row = {"dataset": record["dataset"], "id": record["id"], "key": key, "model": config.judge_model}
    return row | {"right": right, "said": said}


def summarise_judge(records: Sequence[Record], n: int) -> dict[str, Any]:
    """Return the judge's figures over the records that carry a verdict, of `n` samples.

    ``model judged unreadable right accuracy interval accuracy_answered interval_answered agreement kappa both_right
    both_wrong only_exact only_judge disagreements``: `right` and the accuracies (over all, and over the answered;
    samples of which no right answer is known do not count) take the judge's verdict where there is one, and exact match
    elsewhere; `agreement` and Cohen's `kappa` compare the two over the judged.
    """
    judged = [r for r in records if (r.get("judge") or {}).get("right") is not None]
    marked = [r for r in records if r.get("judge")]
    if not marked:
        return {}
    pairs = [(r.get("correct") is True, bool(r["judge"]["right"])) for r in judged]
    final = counts([_by_judge(r) for r in records], n)
    total = len(pairs)
    agreement = sum(a == b for a, b in pairs) / total if total else None
    return {
        "model": marked[-1]["judge"]["model"],
        "judged": total,
        "unreadable": len(marked) - total,
        "right": final["correct"],
        **{k: final[k] for k in ("accuracy", "interval", "accuracy_answered", "interval_answered")},
        "agreement": agreement,
        "kappa": _kappa(pairs),
        "both_right": pairs.count((True, True)),
        "both_wrong": pairs.count((False, False)),
        "only_exact": pairs.count((True, False)),
        "only_judge": pairs.count((False, True)),
        "disagreements": [
            {k: r.get(k) for k in ("dataset", "id", "question", "expected", "answer", "correct")}
            | {"judge": r["judge"]["right"]}
            for r, (a, b) in zip(judged, pairs)
            if a != b
        ],
    }


def _by_judge(record: Record) -> Record:
    verdict = (record.get("judge") or {}).get("right")
    return record if verdict is None else {**record, "correct": bool(verdict)}


def _kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa (1960); ``None`` where chance alone explains all."""
    if not pairs:
        return None
    n = len(pairs)
    first, second = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    chance = first * second + (1 - first) * (1 - second)
    agreement = sum(a == b for a, b in pairs) / n
    return round((agreement - chance) / (1 - chance), 6) if chance < 1 else None


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _renamed(error: NeptuneError) -> NeptuneError:
    """Return the error with the judge's fields in place of those of the writer of programs."""
    error.rename(_FIELDS)
    return error
