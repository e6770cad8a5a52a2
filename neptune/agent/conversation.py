"""One conversation: asked, acted, shown what came of it, until there is an answer or a limit ends it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neptune.agent import formats
from neptune.agent.blocks import Blocks, Result, answer_in_words
from neptune.agent.formats import Format, Move
from neptune.agent.limits import TurnLimits
from neptune.agent.models import Message, Model, Said, guessed_tokens
from neptune.answer import Answer
from neptune.writer.chat import Spent

RUNNING = 3
"""So many programs refused, replies that are none, or equal programs, one after the other, end a conversation."""


@dataclass(frozen=True)
class Turn:
    """One turn: what the model said, and what came of it.

    Parameters
    ----------
    said
        Its reply.
    move
        What was read of it.
    result
        What came of its program; ``None``: it wrote none.
    seconds
        Of the program.
    used
        The functions of earlier turns that it names.
    """

    said: Said
    move: Move
    result: Result | None = None
    seconds: float = 0.0
    used: tuple[str, ...] = ()


@dataclass
class Tool:
    """A function that the model defined.

    Parameters
    ----------
    name, signature
        As it is called.
    source
        The block that defined it.
    turn
        The turn that did, from 1; 0: it came from a library.
    used
        The later turns that named it.
    """

    name: str
    signature: str
    source: str
    turn: int
    used: list[int] = field(default_factory=list)


@dataclass
class Talk:
    """A conversation so far, and at its end.

    Parameters
    ----------
    turns
        In order.
    end
        How it ended, a key of :data:`neptune.agent.limits.ENDS`; ``""``: not yet.
    answer
        The answer; one that abstains where there is none.
    tools
        The functions that were defined, by name.
    why
        What the end says besides: the failure of the model.
    """

    turns: list[Turn] = field(default_factory=list)
    end: str = ""
    answer: Answer | None = None
    tools: dict[str, Tool] = field(default_factory=dict)
    why: str = ""

    @property
    def spent(self) -> Spent:
        """What the model cost."""
        return sum((turn.said.spent for turn in self.turns), Spent())

    @property
    def calls(self) -> int:
        """Oracle calls of the programs."""
        return sum(turn.result.calls for turn in self.turns if turn.result is not None)

    @property
    def seconds(self) -> float:
        """How long it took, programs and replies."""
        return sum(turn.said.seconds + turn.seconds for turn in self.turns)


class Conversation:
    """Leads one conversation.

    Parameters
    ----------
    model
        Who replies.
    blocks
        Who runs the programs.
    question
        In words.
    form
        ``own`` or ``pyvision``.
    limits
        When it ends without an answer.
    system
        The first message.
    prices
        Money for a million tokens, ``prompt`` and ``completion``.
    library
        Functions of earlier conversations, which are defined already: name → signature.
    heard
        Called with each turn as soon as it is over.
    """

    def __init__(
        self,
        model: Model,
        blocks: Blocks,
        question: str,
        form: Format,
        limits: TurnLimits,
        system: str,
        prices: dict[str, float] | None = None,
        library: Sequence[Tool] = (),
        heard: Callable[[Turn, Talk], None] | None = None,
    ) -> None:
        self.model, self.blocks, self.form, self.limits = model, blocks, form, limits
        self.prices, self.heard = prices or {}, heard
        self.talk = Talk(tools={tool.name: tool for tool in library})
        self.messages: list[Message] = [{"role": "system", "content": system}]
        self._tell(formats.question_content(form, question, blocks.gallery.clues))

    def lead(self, recorded: Sequence[Said] = ()) -> Talk:
        """Lead the conversation to its end.

        Parameters
        ----------
        recorded
            Replies that were recorded before: they are taken instead of asking, as far as they go.

        Raises
        ------
        NeptuneError
            If the model can not be asked at all, or an oracle fails whatever it is asked. The turns so far were heard.
        """
        replies = list(recorded)
        while not self.talk.end:
            # What was recorded was within the limits when it was said.
            end = "" if replies else self._before()
            if end:
                self._finish(end)
                break
            if replies:
                said = replies.pop(0)
            else:
                begun = time.monotonic()
                said = self.model.reply(self.messages)
                said = replace(said, seconds=round(time.monotonic() - begun, 4)) if not said.seconds else said
            self._turn(said)
        return self.talk

    # --- the limits ---

    def _before(self) -> str:
        """Return why no further reply may be asked for, or ``""``."""
        limits, talk, spent = self.limits, self.talk, self.talk.spent
        if len(talk.turns) >= limits.turns:
            return "turns"
        if talk.seconds >= limits.seconds:
            return "seconds"
        prompt, completion = guessed_tokens(self.messages), self.model.max_tokens
        if spent.prompt_tokens + spent.completion_tokens + prompt + completion > limits.tokens:
            return "tokens"
        if limits.money is not None:
            price = prompt * self.prices.get("prompt", 0.0) + completion * self.prices.get("completion", 0.0)
            if spent.cost + price / 1e6 > limits.money:
                return "money"
        if limits.oracle_calls is not None and talk.calls >= limits.oracle_calls:
            return "oracle_calls"
        return ""

    def _after(self, turn: Turn) -> str:
        """Return why the conversation ends with this turn, or ``""``."""
        limits, turns = self.limits, self.talk.turns[-RUNNING:]
        if turn.result is not None and turn.result.answered:
            return "answered"
        if 0 < limits.pictures < len(self.blocks.gallery):
            return "pictures"
        if len(turns) == RUNNING:
            if all(t.move.kind == "nothing" or (t.result is not None and t.result.refused) for t in turns):
                return "refused"
            if turn.move.kind == "code" and len({t.move.text for t in turns}) == 1:
                return "repeats"
        return ""

    # --- one turn ---

    def _tell(self, content: formats.Content) -> None:
        """Add a message to the model; without its pictures where none may be shown."""
        self.messages.append(
            {"role": "user", "content": content if self.limits.pictures else formats.in_words(content)}
        )

    def _turn(self, said: Said) -> None:
        talk, move = self.talk, formats.read_reply(self.form, said.text)
        left = self.limits.turns - len(talk.turns) - 1
        self.messages.append({"role": "assistant", "content": said.text})
        if said.failure:
            talk.turns.append(Turn(said, Move("nothing", said.failure)))
            talk.why = said.failure
            self._finish("model")
        elif move.kind == "code":
            self._run(said, move, left)
        else:
            talk.turns.append(Turn(said, move))
            if move.kind == "answer":
                self._finish("answered", answer_in_words(move.text))
            elif self.form == "pyvision" and move.text == formats.NOTHING:
                self._finish("no_code")
            else:
                self._tell(formats.reminder(self.form, move.text, left))
        end = "" if talk.end else self._after(talk.turns[-1])
        if end:
            last = talk.turns[-1].result
            self._finish(end, last.answer if last is not None and end == "answered" else None)
        if self.heard is not None:
            self.heard(talk.turns[-1], talk)

    def _run(self, said: Said, move: Move, left: int) -> None:
        """Run a program, and tell the model what came of it."""
        talk, begun, number = self.talk, time.monotonic(), len(self.talk.turns) + 1
        result = self.blocks.run(move.text)
        used = tuple(name for name in talk.tools if re.search(rf"\b{re.escape(name)}\b", move.text))
        for name in used:
            talk.tools[name].used.append(number)
        for name, signature in result.defined.items():
            talk.tools[name] = Tool(name, signature, move.text, number)
        seconds = round(time.monotonic() - begun, 4) if said.ran is None else said.ran
        talk.turns.append(Turn(said, move, result, seconds, used))
        signatures = {name: tool.signature for name, tool in talk.tools.items()}
        self._tell(formats.result_content(self.form, result, signatures, left))

    def _finish(self, end: str, answer: Answer | None = None) -> None:
        self.talk.end = end
        self.talk.answer = (
            answer if answer is not None else Answer(None, "nothing", abstained=True, settled=False, why=end)
        )


def as_record(talk: Talk, form: str, sandbox: str) -> dict[str, Any]:
    """Return a conversation as a record keeps it: pictures by the hash of their files."""
    return {
        "format": form,
        "sandbox": sandbox,
        "end": talk.end,
        "why": talk.why,
        "turns": [turn_record(turn) for turn in talk.turns],
        "tools": [
            {"name": t.name, "signature": t.signature, "turn": t.turn, "used": t.used} for t in talk.tools.values()
        ],
        "oracle_calls": talk.calls,
        "seconds": round(talk.seconds, 3),
        **talk.spent.as_dict(),
    }


def turn_record(turn: Turn) -> dict[str, Any]:
    """Return one turn as a record keeps it."""
    said, result = turn.said, turn.result
    kept: dict[str, Any] = {
        "reply": said.text,
        "failure": said.failure,
        "spent": said.spent.as_dict(),
        "kind": turn.move.kind,
        "read": turn.move.text,
        "seconds": {"model": said.seconds, "program": turn.seconds},
        "used": list(turn.used),
        **({"note": said.note} if said.note else {}),
    }
    if result is not None:
        kept |= {
            "text": formats.cut(result.text),
            "error": formats.cut(result.error),
            "refused": result.refused,
            "values": result.values,
            "defined": result.defined,
            "notes": list(result.notes),
            "oracle_calls": result.calls,
            "stopped": result.stopped,
            "pictures": [
                {"name": c.name, "sha256": c.digest, "size": list(c.picture.size), "history": list(c.history)}
                for c in result.pictures
            ],
        }
    return kept


def said_of(record: dict[str, Any]) -> Said:
    """Return the reply of a turn that was recorded."""
    spent = record.get("spent", {})
    cost = Spent(
        int(spent.get("code_gen_calls", 0)),
        int(spent.get("prompt_tokens", 0)),
        int(spent.get("completion_tokens", 0)),
        float(spent.get("code_gen_cost", 0.0)),
    )
    seconds = record.get("seconds", {})
    times = float(seconds.get("model", 0.0)), float(seconds.get("program", 0.0))
    return Said(str(record["reply"]), cost, str(record.get("failure", "")), *times)
