"""Conversations with the model that a config names: it looks, acts, and looks again; each turn is told as it ends."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neptune.agent.conversation import Talk, Turn, turn_record
from neptune.agent.limits import ENDS
from neptune.agent.models import Model
from neptune.agent.session import converse, limits_of, model_of
from neptune.agent.shots import Gallery
from neptune.errors import ConfigError
from neptune.serve import requests as r
from neptune.serve.pictures import small

if TYPE_CHECKING:
    from neptune.serve.service import Service, Tell

SHOWN = (640, 480)
"""Pictures of a turn are sent so large at most."""
MOST_TEXT = 20_000
"""Characters of a reply that are sent."""


class Conversations:
    """Leads conversations, as ``neptune-reasoner ask --turns`` does, within the limits of the server's config.

    Parameters
    ----------
    service
        Its engine sees and decides; its config names the model and the limits.
    model
        Who replies; by default the config's model, if ``turns`` is given.

    Raises
    ------
    NeptuneError
        If the model can not be asked: no key, no address, no package.
    """

    def __init__(self, service: Service, model: Model | None = None) -> None:
        self._service = service
        offered = service.config.turns is not None
        self._model = model or (model_of(service.config, service.engine) if offered else None)

    def begin(self, body: r.Converse) -> Callable[[Tell], dict[str, Any]]:
        """Return a conversation that tells each turn, and in the end what came of it.

        Raises
        ------
        NeptuneError
            If no model is configured, the picture can not be read, or nothing is asked.
        """
        model, service = self._model, self._service
        if model is None:
            raise ConfigError(
                "This server has no model to converse with",
                hint="Whoever runs the server may name one: --turns 10 --code_gen_provider … --code_gen_model_name …",
            )
        if not body.question.strip():
            raise ConfigError("Nothing is asked", where="question", expected="a question in words")
        picture, config = service.pictures.of(body.picture), service.config

        def run(tell: Tell) -> dict[str, Any]:
            limits = limits_of(config)
            tell("begun", {"turns": limits.turns, "tokens": limits.tokens, "seconds": limits.seconds})

            def heard(turn: Turn, talk: Talk, gallery: Gallery) -> None:
                tell("turn", _shown(turn, talk))

            talk, _ = converse(config, service.engine, [picture], body.question, model=model, heard=heard)
            return {"done": _done(talk)}

        return run


def _shown(turn: Turn, talk: Talk) -> dict[str, Any]:
    """Return one turn, with the pictures that it showed."""
    found = {"number": len(talk.turns), **turn_record(turn)}
    found["reply"] = found["reply"][:MOST_TEXT]
    clues = {clue.name: clue for clue in turn.result.pictures} if turn.result is not None else {}
    for row in found.get("pictures", ()):
        content = base64.b64encode(small(clues[row["name"]].picture, SHOWN)).decode()
        row["data"] = f"data:image/jpeg;base64,{content}"
    return found


def _done(talk: Talk) -> dict[str, Any]:
    """Return how a conversation ended, and what it used."""
    from neptune.serve.service import answer_of

    assert talk.answer is not None  # it has ended
    answer, spent = answer_of(talk.answer), talk.spent
    return {
        **{name: answer[name] for name in ("answer", "value", "kind", "probability", "abstained")},
        "end": talk.end,
        "why": talk.why or ("" if talk.end == "answered" else ENDS[talk.end]),
        "turns": len(talk.turns),
        "tokens": spent.prompt_tokens + spent.completion_tokens,
        "money": spent.cost,
        "oracle_calls": talk.calls,
        "seconds": round(talk.seconds, 3),
    }
