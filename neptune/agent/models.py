"""Who replies in a conversation: a model behind an address, or a record of one."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from neptune.errors import ConfigError
from neptune.scene.decoding import decode
from neptune.scene.picture import Picture
from neptune.writer.chat import Chat, Spent

Message = dict[str, Any]
"""``{"role": …, "content": parts}``."""

PICTURE_TOKENS = 1000
"""What a picture is taken for where nobody says how many tokens it was."""


@dataclass(frozen=True, slots=True)
class Said:
    """A reply, and what it cost.

    Parameters
    ----------
    text, failure
        What it says, or why there is none.
    spent, seconds
        Tokens and money; time.
    ran
        Of a reply from a record, the seconds that its program took then; ``None``: it is new.
    note
        What is to be known of its making: that a server refused the grammar.
    """

    text: str
    spent: Spent = field(default_factory=Spent)
    failure: str = ""
    seconds: float = 0.0
    ran: float | None = None
    note: str = ""


class Model(Protocol):
    """Replies to a conversation."""

    max_tokens: int

    def reply(self, messages: Sequence[Message]) -> Said:
        """Return the next reply.

        Raises
        ------
        NeptuneError
            If the model can not be asked at all.
        """
        ...


class ChatModel:
    """A model behind an OpenAI-compatible address.

    Parameters
    ----------
    chat
        Asks it.
    """

    def __init__(self, chat: Chat) -> None:
        self.chat, self.max_tokens = chat, chat.settings.max_tokens

    def reply(self, messages: Sequence[Message]) -> Said:
        """Return the next reply."""
        replies, spent = self.chat.ask(list(messages))
        first = replies[0]
        if not spent.prompt_tokens and not spent.completion_tokens:  # a server that does not count
            prompt, completion = guessed_tokens(messages), len(first.text) // 3 + 1
            prices = self.chat.settings.prices
            money = prompt * prices.get("prompt", 0.0) + completion * prices.get("completion", 0.0)
            spent = Spent(spent.calls, prompt, completion, money / 1e6)
        return Said(first.text, spent, "" if first.failure is None else first.failure.one_line(), note=self.chat.note)


class LocalModel:
    """A vision-language model that runs here, through transformers.

    Parameters
    ----------
    oracle
        A :class:`~neptune.perception.oracle.vlm.oracle.TransformersOracle`, or what stands around one (its cache, its
        record): the model that answers programs may be the one that writes them, loaded once.
    max_tokens, temperature, seed
        Of a reply.

    Raises
    ------
    ConfigError
        If it is another oracle.
    """

    def __init__(self, oracle: Any, max_tokens: int, temperature: float | None = 0.0, seed: int = 0) -> None:
        while inside := _inside(oracle):
            oracle = inside
        if not hasattr(oracle, "reply"):
            raise ConfigError(
                f"The oracle '{getattr(oracle, 'name', oracle)}' leads no conversation",
                where="code_gen_provider transformers",
                expected="a vision-language model through transformers",
                hint="Name one: --code_gen_model_name qwen2_2b, or as --vlm_model_name",
            )
        self.oracle, self.max_tokens, self.temperature, self.seed = oracle, max_tokens, temperature, seed

    def reply(self, messages: Sequence[Message]) -> Said:
        """Return the next reply; money is none."""
        said = [{"role": m["role"], "content": _as_parts(m["content"])} for m in messages]
        written = self.oracle.reply(said, self.max_tokens, self.temperature, self.seed)
        spent = Spent(1, written.read, written.written)
        if not written.ended:
            return Said(written.text, spent, f"the reply was cut off at {self.max_tokens} tokens (code_gen_max_tokens)")
        return Said(written.text, spent, "" if written.text else "the reply is empty")


def _inside(oracle: Any) -> Any:
    """Return the oracle that one stands around, or of copies the first; ``None``: it is the innermost."""
    has = getattr(oracle, "__dict__", {})
    return has.get("inner") or next(iter(has.get("models", ())), None)


def _as_parts(content: Any) -> list[str | Picture]:
    """Return a message's texts and pictures."""
    parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [p["text"] if p["type"] == "text" else _picture(p["image_url"]["url"]) for p in parts]


@lru_cache(maxsize=64)
def _picture(url: str) -> Picture:
    image, _, _ = decode(io.BytesIO(base64.b64decode(url.partition(",")[2])), "a picture of the conversation")
    return Picture(image)


class NoModel:
    """Nobody: a replay has all the replies that it needs."""

    max_tokens = 1

    def reply(self, messages: Sequence[Message]) -> Said:
        """Say that there is none."""
        return Said("", failure="the record ends here, and no model is configured")


def guessed_tokens(messages: Sequence[Message]) -> int:
    """Return about how many tokens messages are, rather too many."""
    total = 0
    for message in messages:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            total += len(part["text"]) // 3 + 4 if part["type"] == "text" else PICTURE_TOKENS
    return total
