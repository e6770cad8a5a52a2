"""Replies that are changed at random: whatever stands in them, reading ends with a value or one of two exceptions."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from helpers.mutated import mutated

from neptune.perception.oracle.server.reading import first_text, sampled, texts, yes_no
from neptune.perception.oracle.yesno import Reading
from neptune.servers import replies
from neptune.servers.client import RequestFailedError, UnusableError, tokens_of
from neptune.servers.readers import choice, number, verdict
from neptune.writer.extract import extract

completion = pytest.importorskip("openai.types.chat", reason="openai is not installed: make setup").ChatCompletion

VALUES = [
    None,
    True,
    0,
    -1,
    1e308,
    -math.inf,
    math.nan,
    10**300,
    "",
    "Yes",
    "no",
    "<think>",
    "\x00",
    "é" * 50,
    [],
    {},
    [[]],
    [None],
    {"type": "thinking", "thinking": "no"},
    {"token": "Yes", "logprob": -0.5},
    {"message": "x"},
    "length",
    -9999.0,
    -0.0001,
]


def honest(rng: random.Random) -> dict[str, Any]:
    top = [{"token": t, "logprob": -rng.random() * 9, "bytes": None} for t in ("Yes", " no", "No", "The")]
    position = {"token": "Yes", "logprob": -0.1, "bytes": [89], "top_logprobs": top}
    content: Any = rng.choice(["Yes", "<think>no</think>Yes", [{"type": "text", "text": "Yes"}], "count(Object)", None])
    message = {"role": "assistant", "content": content, "refusal": None, "reasoning_content": None, "tool_calls": []}
    one = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [position]}}
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    return {"id": "1", "object": "chat.completion", "model": "m", "choices": [one], "usage": usage}


def read_all(response: Any) -> int:
    """Read a reply in every way; return how many ways gave a value."""
    read = 0
    for reader in (texts, first_text, yes_no, lambda r: yes_no(r, 4)):
        try:
            value = reader(response)
        except (UnusableError, RequestFailedError):
            continue
        read += 1
        if isinstance(value, Reading):
            logit, mass, low, high = value.said()
            assert low <= high
            assert math.isnan(logit) or abs(logit) < 100
            assert 0 <= mass <= 1
    assert all(0 <= tokens <= 10**9 for tokens in tokens_of(response))
    for one in replies.choices(response):
        said = replies.said(one)
        (
            verdict(said.text),
            number(said.text),
            choice(said.text, ("red", "yes")),
            extract(said.text),
            sampled([said.text]),
        )
    return read


@pytest.mark.parametrize("changes", [120, pytest.param(5000, marks=pytest.mark.full)])
def test_no_change_of_a_reply_breaks_its_readers(changes):
    rng, read = random.Random(changes), 0
    for _ in range(changes):
        changed = mutated(honest(rng), rng, VALUES)
        read += read_all(changed)
        if isinstance(changed, dict):
            try:
                made = completion.construct(**json.loads(json.dumps(changed)))
            except Exception:
                continue  # the SDK's own failure is one of the tried-again answers
            read_all(made)
    assert read > changes / 2, "hardly any could be read: this test shows nothing"
