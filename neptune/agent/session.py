"""A conversation as a config describes it: who sees, who replies, where programs run, what is kept of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from neptune.agent import formats
from neptune.agent.blocks import Blocks, LanguageBlocks, PythonBlocks
from neptune.agent.conversation import Conversation, Talk, Tool, Turn
from neptune.agent.limits import TurnLimits
from neptune.agent.models import ChatModel, LocalModel, Model, Said
from neptune.agent.shots import Gallery
from neptune.config import Config
from neptune.engine.engine import Engine
from neptune.perception.checkpoints import need_transformers
from neptune.sandbox import Sandbox
from neptune.scene import Scene
from neptune.scene.picture import Picture
from neptune.tools import Toolbox
from neptune.writer.chat import Chat, Settings

USUAL_TURNS = 10


LOCAL = "transformers"
"""The ``code_gen_provider`` of models that run here."""


def model_of(config: Config, engine: Engine, free: bool = False) -> Model:
    """Return the model of a config's conversations.

    Parameters
    ----------
    config
        Its fields ``code_gen_…``. A model that runs here is the engine's own oracle where they name the same, or none.
    engine
        With the oracle.
    free
        It is asked for an answer, not for a turn: no grammar binds it.

    Raises
    ------
    NeptuneError
        If it can not be asked: no key, no address, no package, no weights.
    """
    if config.code_gen_provider != LOCAL:
        return ChatModel(chat_of(config, free))
    name = config.code_gen_model_name
    oracle: Any = engine.oracle
    if name not in (None, config.vlm_model_name):
        from neptune.perception import registry

        oracle = registry.oracle(str(name))
    return LocalModel(oracle, config.code_gen_max_tokens, config.code_gen_temperature, config.seed)


def chat_of(config: Config, free: bool = False) -> Chat:
    """Return the client of a model behind an address; parameters and errors as of :func:`model_of`.

    A grammar binds programs of the language alone, and, unless a form is named, not those in PyVision's tags: models
    that were trained for them write what they learned.
    """
    settings = replace(Settings.of(config), replies=config.turn_format)
    unbound = free or config.sandbox != "none" or (config.turn_format != "own" and settings.constrained == "auto")
    return Chat(replace(settings, constrained="off") if unbound else settings)


def check_model(config: Config) -> None:
    """Say what is missing to ask the model of a config, before anything is loaded. Errors as of :func:`model_of`."""
    if config.code_gen_provider == LOCAL:
        need_transformers()
    else:
        chat_of(config)


def limits_of(config: Config) -> TurnLimits:
    """Return the limits of a config's conversations."""
    return TurnLimits.of(config.turns or USUAL_TURNS, config.turn_limits, config.code_gen_prices)


def converse(
    config: Config,
    engine: Engine,
    pictures: Sequence[Picture],
    question: str,
    *,
    scene: Scene | None = None,
    model: Model | None = None,
    recorded: Sequence[Said] = (),
    library: Sequence[Tool] = (),
    heard: Callable[[Turn, Talk, Gallery], None] | None = None,
) -> tuple[Talk, Gallery]:
    """Lead a conversation about pictures.

    Parameters
    ----------
    config
        Its fields ``turns``, ``turn_format``, ``turn_limits``, ``sandbox`` and those of the model.
    engine
        Sees and decides; in a sandbox it is not asked.
    pictures
        The first is ``image``; all have names.
    question
        In words.
    scene
        Of the first picture; by default what the engine's detector finds.
    model
        Who replies; by default the model that `config` names.
    recorded
        Replies from a record, which are taken first.
    library
        Functions of earlier conversations.
    heard
        Called after each turn.

    Raises
    ------
    NeptuneError
        If a picture, the model or the sandbox can not be had.
    """
    limits, gallery = limits_of(config), Gallery()
    for picture in pictures:
        gallery.add(picture)
    python = config.sandbox != "none"
    with ExitStack() as stack:
        blocks: Blocks
        if python:
            sandbox = stack.enter_context(Sandbox(config.sandbox))
            blocks, seconds = PythonBlocks(sandbox, gallery), sandbox.limits.seconds
        else:
            found = scene if scene is not None else engine.scene(pictures[0])
            calls = limits.oracle_calls
            blocks = LanguageBlocks(engine, found, gallery, toolbox_of(engine), {"query": question}, calls)
            seconds = 0.0
        for tool in library:
            blocks.run(tool.source)
        tools = [tool.signature for tool in library]
        system = formats.system_text(config.turn_format, limits.turns, python, tools, seconds, lacking(config))
        conversation = Conversation(
            model or model_of(config, engine),
            blocks,
            question,
            config.turn_format,
            limits,
            system,
            config.code_gen_prices,
            library,
            None if heard is None else lambda turn, talk: heard(turn, talk, gallery),
        )
        return conversation.lead(recorded), gallery


def toolbox_of(engine: Engine) -> Toolbox:
    """Return the picture tools, with what cuts things out, reads words and sees depth as the engine has them."""
    percepts = engine.percepts
    return Toolbox(percepts.reader(), percepts.estimator(), segmenter=percepts.segmenter())


def lacking(config: Config) -> set[str]:
    """Return what a config has not, so that functions which need it are not told of."""
    found = set() if config.knowledge_model_name else {"knowledge"}
    if getattr(config, "depth_model", None) is None:
        found.add("depth")
    if getattr(config, "ocr_model", None) is None:
        found.add("text")
    return found | {"film"}


def estimate(config: Config) -> list[str]:
    """Return, in lines, what a conversation costs at most; nothing is asked."""
    limits, most = limits_of(config), config.code_gen_max_tokens
    lacks = lacking(config)
    system = formats.system_text(config.turn_format, limits.turns, config.sandbox != "none", (), 20.0, lacks)
    first = len(system) // 3 + len(str(config.question)) // 3
    per_turn = most + formats.MOST_TEXT // 3
    pictures = min(limits.pictures, len(config.images) + 8 * limits.turns)
    prompts = sum(first + k * per_turn + 1000 * pictures for k in range(limits.turns))
    prompt, completion = min(prompts, limits.tokens), min(most * limits.turns, limits.tokens)
    money = (
        prompt * config.code_gen_prices.get("prompt", 0.0) + completion * config.code_gen_prices.get("completion", 0.0)
    ) / 1e6
    money = money if limits.money is None else min(money, limits.money)
    calls = limits.oracle_calls if limits.oracle_calls is not None else config.max_oracle_calls
    return [
        f"turns: at most {limits.turns}",
        f"pictures shown: at most {pictures}",
        f"tokens: at most {limits.tokens:,} (read {prompt:,} at most, written {completion:,} at most)",
        f"money: at most {money:.4f}" if config.code_gen_prices else "money: no prices are given",
        f"oracle calls: at most {calls:,}" if calls else "oracle calls: not limited",
        f"time: at most {limits.seconds:g} s, and one reply and one program more",
    ]
