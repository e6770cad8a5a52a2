"""Who replies in a conversation: a model behind an address, or a record of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    """

    text: str
    spent: Spent = field(default_factory=Spent)
    failure: str = ""
    seconds: float = 0.0
    ran: float | None = None


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
        return Said(first.text, spent, "" if first.failure is None else first.failure.one_line())


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
