"""Who programs over regions may ask besides the oracle: a detector for a noun, a language model for what is known.

What they say is recorded beside what the oracle says, and a replay answers from there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neptune.engine.scenes import Scenes
from neptune.errors import OracleError
from neptune.perception.oracle.caching.cache import CachedOracle
from neptune.perception.oracle.caching.replay import RecordingOracle, ReplayOracle
from neptune.perception.oracle.caching.store import Store
from neptune.resources import prompts
from neptune.scene import Scene
from neptune.scene.identity import identity
from neptune.scene.types import Knowledge, Oracle, QueryRequest, Question, ScoreRequest, Scores

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.writer.chat import Chat

NOWHERE = Scene(np.zeros((0, 4), dtype=np.float32), (1, 1), name="knowledge")
"""What questions of knowledge are about: no picture."""

SHORT = "Answer with a word, a name or a number alone."
LONG = "Answer in one or two sentences."
_AT_LENGTH = " (at length)"


class LanguageModel:
    """A language model as an oracle without pictures: it answers open questions in words, and no others.

    Parameters
    ----------
    chat
        Asks the model.
    model
        Its name, part of the identity by which answers are kept.
    """

    name = "knowledge"

    def __init__(self, chat: Chat, model: str) -> None:
        self._chat = chat
        self._prompt = (prompts() / "knowledge/answer.md").read_text(encoding="utf-8")
        self.identity = identity("knowledge", model=model, prompt=self._prompt, how=[SHORT, LONG])

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer no yes/no questions."""
        raise OracleError("A language model that sees no picture scores none")

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer questions of knowledge.

        Raises
        ------
        NeptuneError
            If the model can not be asked.
        """
        return [[self._answer(r.question.text)] for r in requests]

    def _answer(self, question: str) -> str | None:
        asked = question.removesuffix(_AT_LENGTH)
        text = self._prompt.replace("{{how}}", LONG if asked != question else SHORT).replace("{{question}}", asked)
        replies, _ = self._chat.ask([{"role": "user", "content": text}])
        return None if replies[0].failure is not None else replies[0].text.strip()


class Known:
    """Answers questions of knowledge, each asked once. See :class:`neptune.scene.types.Knowledge`.

    Parameters
    ----------
    inner
        Who answers: a :class:`LanguageModel`, perhaps behind a cache, or a record.
    recorder
        Where answers are recorded.
    """

    name = "knowledge"

    def __init__(self, inner: Oracle, recorder: RecordingOracle | None = None) -> None:
        self._inner, self._recorder = inner, recorder
        self._known: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, question: str, long: bool) -> str:
        """Answer a question in words.

        Raises
        ------
        OracleError
            If there is no answer.
        NeptuneError
            If the model can not be asked, or a record does not hold the question.
        """
        text = " ".join(question.split()) + (_AT_LENGTH if long else "")
        with self._lock:
            if text not in self._known:
                request = QueryRequest(NOWHERE, Question(text, 0), np.zeros((1, 0), dtype=np.int64))
                ((said,),) = self._inner.query([request])
                if said is None:
                    raise OracleError("The language model gave no answer of use", where=f"question {question[:80]!r}")
                if self._recorder is not None:
                    self._recorder.queried([request], [[said]])
                self._known[text] = said
            return self._known[text]


def knowledge_of(
    given: Knowledge | Oracle | None, oracle: Oracle, recorder: RecordingOracle | None, cache: str | Path | Store | None
) -> Knowledge | None:
    """Return who answers questions of knowledge: what is given, with cache and record around it; or a replayed record.

    Parameters
    ----------
    given
        A :class:`LanguageModel`, or anything with the method ``answer``; ``None``: nobody.
    oracle, recorder, cache
        The engine's.
    """
    replayed = _replayed(oracle)
    if replayed is not None:
        return Known(replayed)
    if given is None or hasattr(given, "answer"):
        return given  # type: ignore[return-value]
    return Known(CachedOracle(given, cache) if cache is not None else given, recorder)


def _replayed(oracle: Oracle) -> ReplayOracle | None:
    """Return the record that an oracle answers from, whatever stands around it."""
    while not isinstance(oracle, ReplayOracle) and hasattr(oracle, "inner"):
        oracle = oracle.inner
    return oracle if isinstance(oracle, ReplayOracle) else None


def finder_of(scenes: Scenes, oracle: Oracle, recorder: RecordingOracle | None) -> Callable[[Scene, str], Scene] | None:
    """Return what finds the things that a noun names in a scene's picture; ``None`` where no detector takes any words.

    Each noun is looked for once in a picture.
    """
    replayed = _replayed(oracle)
    if replayed is not None:
        return replayed.found if replayed.finds else None
    if not scenes.open_vocabulary:
        return None

    def find(scene: Scene, noun: str) -> Scene:
        found = scenes.scene(scene.picture, scene.annotation, (noun,))
        if recorder is not None:
            recorder.found(scene, noun, found)
        return found

    return find


def language_model_of(config: Config) -> LanguageModel | None:
    """Return the language model that a config names for knowledge, if any; nothing is asked yet."""
    if config.knowledge_model_name is None:
        return None
    from neptune.writer.chat import Chat, Settings

    chat = Chat(
        Settings(
            config.knowledge_provider,
            config.knowledge_model_name,
            config.knowledge_base_url,
            max_tokens=200,
            timeout=config.code_gen_timeout,
            retries=config.code_gen_retries,
            concurrency=config.workers,
            constrained="off",
            omit=config.code_gen_omit,
            trusted_hosts=config.trusted_hosts,
        )
    )
    return LanguageModel(chat, config.knowledge_model_name)
