"""Fields of a request that a server does not take: dropped when it says so, and said once.

Servers differ in what they refuse (``seed``, ``temperature``, ``logprobs``, ``max_tokens`` where they want
``max_completion_tokens``). A refused request whose reason names a field that it can do without is sent again without
it; where that is answered, the field stays away from later requests.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

OPTIONAL = (
    "seed", "temperature", "n", "top_logprobs", "logprobs", "max_tokens", "max_completion_tokens", "stop", "top_p",
)  # fmt: skip
"""Fields that a request can do without, as the servers' reasons are searched for them."""

OTHER_NAME = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""What a server may call a field instead."""

_REFUSALS = frozenset({400, 403, 404, 405, 415, 422, 500, 501})
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|too (?:long|large|many tokens)|maximum context|reduce the length", re.I
)
_REFUSED = re.compile(
    r"not (?:a )?(?:support(?:ed)?|permitted|allowed|available|recogni[sz]ed|accepted|implemented|enabled|valid|known)|"
    r"n['o]t (?:support|accept|allow|permit|take)|unsupported|unrecogni[sz]ed|unknown|unexpected|invalid|forbidden|"
    r"extra|instead|deprecated|disabled|must be|at most|should be|cannot|can not|can't|only|no (?:log|such)|requires?|"
    r"denied|unable",
    re.I,
)


class Fields:
    """What one server takes. Threads may share it.

    Parameters
    ----------
    omit
        Fields that are never sent.
    """

    def __init__(self, omit: Iterable[str] = ()) -> None:
        self.omit = frozenset(omit)
        self._dropped: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was dropped, and why, in the server's words."""
        with self._lock:
            return tuple(self._dropped.values())

    def dropped(self) -> frozenset[str]:
        """Return the names that the server was found to refuse."""
        with self._lock:
            return frozenset(self._dropped)

    def fit(self, request: Mapping[str, Any], without: Iterable[str] = ()) -> dict[str, Any]:
        """Return a request without what the server refuses; a field with another name gets that."""
        refused = self.dropped() | frozenset(without)
        fitted: dict[str, Any] = {}
        for name, value in request.items():
            if name in self.omit:
                continue
            other = OTHER_NAME.get(name)
            if name not in refused:
                fitted[name] = value
            elif other is not None and other not in refused | self.omit:
                fitted[other] = value
        if "logprobs" not in fitted:
            fitted.pop("top_logprobs", None)
        return fitted

    def refused(self, error: BaseException, sent: Mapping[str, Any], words: str) -> str | None:
        """Return the field that an error speaks of and that the request can do without; ``None``: it names none.

        Parameters
        ----------
        error
            The SDK's; its ``status_code`` and ``param`` count.
        sent
            The request, as it was sent.
        words
            What the server said.
        """
        status = getattr(error, "status_code", None)
        if status not in _REFUSALS or _TOO_LONG.search(words):
            return None
        param = getattr(error, "param", None)
        if isinstance(param, str) and param in OPTIONAL and param in sent:
            return param
        if not _REFUSED.search(words):
            return None
        return next((name for name in OPTIONAL if name in sent and _names(name, words)), None)

    def learn(self, names: Sequence[tuple[str, str]]) -> list[str]:
        """Keep what a request was answered without, as (name, the server's words); return what is new, in words."""
        new = []
        with self._lock:
            for name, words in names:
                if name not in self._dropped:
                    other = OTHER_NAME.get(name)
                    how = f" (sent as {other})" if other is not None and other not in self._dropped else ""
                    self._dropped[name] = f"the server does not take '{name}'{how}: {words}"
                    new.append(self._dropped[name])
        return new


def _names(name: str, words: str) -> bool:
    if name == "n":
        return re.search(r"['\"`]n['\"`]|\bn (?:must|>|is)|\bparameter n\b", words) is not None
    if name == "logprobs" and re.search(r"log[\s_-]?prob", words, re.I):
        return True
    return re.search(rf"(?<![\w]){name}(?![\w])", words, re.I) is not None
