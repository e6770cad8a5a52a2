"""Replies changed at random: read, or refused in words; nothing else, and soon."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from helpers.cpu_time import CpuTime
from helpers.mutated import mutated

from neptune.perception.oracle.server import reading
from neptune.perception.oracle.yesno import Reading
from neptune.servers import readers
from neptune.servers.client import RequestFailedError, UnusableError, tokens_of
from neptune.writer.extract import extract
from neptune.writer.failures import ReplyError

chat = pytest.importorskip("openai.types.chat")

USAGE = {"prompt_tokens": 200, "completion_tokens": 3, "total_tokens": 203}


def listed(*entries: tuple[str, float]) -> dict[str, Any]:
    tops = [{"token": token, "logprob": value, "bytes": None} for token, value in entries]
    return {"content": [{**tops[0], "top_logprobs": tops}, {"token": ".", "logprob": -0.1, "top_logprobs": []}]}


def completion(content: Any, logprobs: Any = None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None, **more}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE, "choices": [choice]}


REPLIES = (
    completion("Yes", listed(("Yes", -0.1), ("No", -2.5), ("yes", -6.0), ("The", -9.0))),
    completion("No.", listed(("No", -0.0001))),
    completion([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]),
    completion("<think>a small\ncube</think>\nThe answer is <answer>blue</answer>"),
    completion('```python\nexists(Object, lambda x: red(x))\n```\nIt prints:\n```\nTrue\n```'),
    completion('{"program": "count(Object, lambda x: cube(x))"}'),
    completion(None, reasoning_content="I was cut off while"),
    completion("Yes", {"tokens": ["Yes"], "token_logprobs": [-0.2], "top_logprobs": [{"Yes": -0.2, "No": -1.8}]}),
    {"error": {"message": "overloaded", "code": 503}},
)  # fmt: skip
READERS = (
    reading.texts, reading.first_text, reading.yes_no, lambda response: reading.yes_no(response, 4), reading.raw,
    tokens_of,
)  # fmt: skip


def read_all(seed: int, count: int) -> dict[str, int]:
    """Read changed replies by every reader; return how many reads ended how."""
    draw, ends = random.Random(seed), {"read": 0, "refused": 0}
    for i in range(count):
        data = mutated(draw.choice(REPLIES), draw)
        response = chat.ChatCompletion.construct(**data) if isinstance(data, dict) and i % 2 else data
        with CpuTime() as took:
            try:
                read_one(response, ends)
            except Exception as error:
                raise AssertionError(f"seed {seed}, reply {i}: {data!r}") from error
        assert took < 1, f"{took}: seed {seed}, reply {i}"
    return ends


def read_one(response: Any, ends: dict[str, int]) -> None:
    """Read a reply by every reader, and count how that ended."""
    for read in READERS:
        try:
            found = read(response)
        except (UnusableError, RequestFailedError) as refused:
            ends["refused"] += bool(str(refused))
            continue
        ends["read"] += 1
        if isinstance(found, Reading):
            for low, high in (found.yes, found.no):
                assert 0 <= low <= high <= 1
            assert not math.isnan(found.cautious_yes + found.cautious_no)
        if read is reading.texts:
            for text in found:
                readers.verdict(text), readers.choice(text, ("red", "blue")), readers.number(text), readers.tagged(text)
                try:
                    extract(text)
                except ReplyError:
                    ends["refused"] += 1


def test_changed_replies_are_read_or_refused() -> None:
    ends = read_all(0, 400)
    assert min(ends.values()) > 100


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, 6))
def test_many_changed_replies_are_read_or_refused(part: int) -> None:
    assert min(read_all(part, 2_000).values()) > 500
