"""A vision-language model's server on the loopback that knows nothing, decides by what it is sent, and fails as told.

Its answers depend on the picture and the words alone, so that two runs can be compared. It counts what it is asked.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from helpers.fault_server import Answer, cuts, drops, fails, garbage, page


def words(request: dict[str, Any]) -> str:
    """Return the text of a request."""
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else content[-1]["text"]


def fingerprint(request: dict[str, Any]) -> str:
    """Return what tells one cell from another: the picture and the words."""
    return hashlib.sha256(json.dumps(request["messages"]).encode()).hexdigest()


def share(request: dict[str, Any]) -> float:
    """Return this model's probability of yes, in (0.02, 0.98)."""
    return 0.02 + 0.96 * int(fingerprint(request)[:8], 16) / 2**32


def completion(request: dict[str, Any], texts: list[str], top: list[tuple[str, float]] | None) -> Answer:
    """Return a chat completion as OpenAI writes it."""
    logprobs = None
    if top is not None:
        listed = [{"token": t, "logprob": v, "bytes": list(t.encode())} for t, v in top]
        logprobs = {"content": [{**listed[0], "top_logprobs": listed}], "refusal": None}
    choices = [
        {
            "index": k,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": logprobs,
        }
        for k, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 200, "completion_tokens": len(texts), "total_tokens": 200 + len(texts)}
    content = {"id": "1", "object": "chat.completion", "created": 0, "model": request["model"]}
    return Answer(body=json.dumps(content | {"choices": choices, "usage": usage}).encode())


def answers(request: dict[str, Any], spread: float = 0.9) -> Answer:
    """Answer in earnest: yes and no in two spellings each, `spread` of the probability in all."""
    p = share(request)
    if "logprobs" in request:
        top = [("Yes", 0.6 * p), (" yes", 0.4 * p), ("No", 0.7 * (1 - p)), ("no", 0.3 * (1 - p))]
        listed = sorted(((t, math.log(v * spread)) for t, v in top), key=lambda pair: -pair[1])
        return completion(request, ["Yes" if p > 0.5 else "No"], [*listed, ("Maybe", math.log(1 - spread))])
    if request.get("temperature"):
        rng = random.Random(f"{fingerprint(request)}{request.get('seed')}")
        n = request.get("n", 1)
        return completion(request, ["Yes." if rng.random() < p else "No, it is not." for _ in range(n)], None)
    return completion(request, ["It is red." if p > 0.5 else "**Blue**"], None)


@dataclass
class Faulty:
    """Answers in earnest, but for a share of the requests, and at most `in_a_row` times in a row for one cell.

    Parameters
    ----------
    rate
        The share of requests that fail.
    in_a_row
        The most failures before a cell's request is answered.
    """

    rate: float = 0.3
    in_a_row: int = 4
    seed: int = 0
    given: Counter[str] = field(default_factory=Counter)
    """Answers in earnest, by cell."""
    failed: Counter[str] = field(default_factory=Counter)
    """Failures, by kind."""
    most: int = 0
    """The most requests in flight at once."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._lock = threading.Lock()
        self._row: Counter[str] = Counter()
        self._flying = 0

    def __call__(self, request: dict[str, Any], number: int) -> Answer:
        """Return an answer, or something else."""
        cell = fingerprint(request)
        with self._lock:
            self._flying += 1
            self.most = max(self.most, self._flying)
            fails_now = self._rng.random() < self.rate and self._row[cell] < self.in_a_row
            kind = self._rng.choice(("drop", "delay", "429", "500", "garbage", "page", "cut"))
            self._row[cell] = self._row[cell] + 1 if fails_now else 0
            if fails_now:
                self.failed[kind] += 1
            else:
                self.given[cell] += 1
        time.sleep(0.002)
        with self._lock:
            self._flying -= 1
        if not fails_now:
            return answers(request)
        late = answers(request)
        late.wait = 4.0
        return {
            "drop": drops(),
            "delay": late,
            "429": fails(429),
            "500": fails(500),
            "garbage": garbage(),
            "page": page(),
            "cut": cuts(answers(request)),
        }[kind]
