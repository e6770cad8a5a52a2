"""A language model puts rationales into fluent English; what it says is held against the trace, as the template is.

Each reply is kept in ``rewrites.jsonl`` as soon as it is there, and is not asked for again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dsl.resources import find
from neptune.errors import NeptuneError
from neptune.learn.distil.check import RefusedError, check
from neptune.learn.distil.samples import Taught
from neptune.runs.evaluate.side_files import SideFile
from neptune.writer.failures import ProviderError

if TYPE_CHECKING:
    from neptune.writer.chat import Chat, Settings

REWRITES = "rewrites"
WINDOW = 64
"""Rationales that are asked about before the next are made."""


class Rewriter:
    """Rewrites rationales.

    Parameters
    ----------
    folder
        Gets ``rewrites.jsonl``.
    settings
        How the language model is asked.

    Attributes
    ----------
    counts
        ``rewritten``, ``refused: …`` by reason, ``no reply``.

    Raises
    ------
    NeptuneError
        If the provider's key or package is missing.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._kept = SideFile(folder, REWRITES)
        self._settings = settings
        self._chat: Chat | None = None
        self.counts: Counter[str] = Counter()

    def each(self, questions: Iterable[Taught]) -> Iterable[Taught]:
        """Yield questions in order, each rationale rewritten where what came is faithful, else as it was.

        Raises
        ------
        ProviderError
            If the provider fails, whatever the text.
        """
        window: list[Taught] = []
        for question in questions:
            window.append(question)
            if len(window) == WINDOW:
                yield from self._window(window)
                window = []
        yield from self._window(window)

    def _window(self, window: list[Taught]) -> Iterable[Taught]:
        asked = [q for q in window if q.text and self._known(q) is None]
        if asked:
            with ThreadPoolExecutor(self._settings.concurrency, "rewriter") as pool:
                list(pool.map(self._keep, asked))
        return [self._rewritten(q) for q in window]

    def _known(self, question: Taught) -> dict[str, Any] | None:
        row = self._kept.rows.get((question.dataset, question.id))
        return row if row is not None and row.get("key") == self._key(question) else None

    def _key(self, question: Taught) -> str:
        parts = [self._settings.provider, self._settings.model, _prompt(), question.question, question.text]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _keep(self, question: Taught) -> None:
        """Ask about one rationale and keep the reply at once, whatever becomes of those asked before it."""
        reply = self._ask(question)
        self._kept.add({"dataset": question.dataset, "id": question.id, "key": self._key(question), "reply": reply})

    def _ask(self, question: Taught) -> str | None:
        if self._chat is None:
            from neptune.writer.chat import Chat

            self._chat = Chat(self._settings)
        said = f"Question: {question.question}\nExplanation: {question.text}"
        messages = [{"role": "system", "content": _prompt()}, {"role": "user", "content": said}]
        try:
            (reply,), _ = self._chat.ask(messages, 1)
        except ProviderError:
            raise
        except NeptuneError:
            return None
        return reply.text if reply.failure is None else None

    def _rewritten(self, question: Taught) -> Taught:
        row = self._known(question)
        if row is None or question.trace is None:
            return question
        if not row["reply"]:
            self.counts["no reply"] += 1
            return question
        text = " ".join(str(row["reply"]).split())
        try:
            check(text, question.trace)
        except RefusedError as error:
            self.counts[f"refused: {error.reason}"] += 1
            return question
        self.counts["rewritten"] += 1
        return replace(question, text=text)


def _prompt() -> str:
    return find("prompts", "direct/rewrite.md").read_text(encoding="utf-8")
