"""Conversations with pictures: the messages as the model's own chat template and processor take them, and its reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neptune.errors import OracleError
from neptune.perception.oracle.canvas import MAX_PIXELS, canvas_of
from neptune.perception.oracle.vlm.network import Network
from neptune.scene import Scene
from neptune.scene.picture import Picture

Message = Mapping[str, Any]
"""``{"role": "system" | "user" | "assistant", "content": …}``: a text, or a list of texts and pictures."""


@dataclass(frozen=True, slots=True)
class Written:
    """A reply.

    Parameters
    ----------
    text
        What the model wrote, stripped of space around it.
    read, written
        Tokens, those of pictures included.
    ended
        Whether it came to its own end within the tokens that it had.
    """

    text: str
    read: int
    written: int
    ended: bool


def reply(
    network: Network,
    messages: Sequence[Message],
    max_new_tokens: int,
    temperature: float | None = 0.0,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> Written:
    """Return what a model replies to a conversation.

    Parameters
    ----------
    network
        The model with its processor. It is not locked here.
    messages
        In order; pictures stand where they are shown.
    max_new_tokens
        Of the reply.
    temperature, seed
        Of sampling; 0: greedy; ``None``: the checkpoint's own way.
    max_pixels
        Of a picture shown; larger ones are scaled down, tiny ones up.

    Raises
    ------
    OracleError
        If the chat template does not take the conversation, or it is longer than what the model reads.
    PictureError
        If a picture can not be read.
    """
    import torch

    said, pictures = _parts(messages)
    text = _rendered(network, said)
    shown = [_shown(picture, max_pixels) for picture in pictures]
    made = network.own_processor()(
        text=[text], images=[shown] if shown else None, return_tensors="pt", **network.tokenizing(text)
    )
    read = int(made["input_ids"].shape[1])
    _fits(network, read + max_new_tokens)
    how: dict[str, Any] = {"max_new_tokens": max_new_tokens, "pad_token_id": network.tokenizer.pad_token_id}
    if temperature is not None:
        how |= {"do_sample": temperature > 0, "num_beams": 1, "repetition_penalty": 1.0}
        how |= {"temperature": temperature} if temperature > 0 else {}
    with torch.random.fork_rng(devices=[network.model.device] if network.model.device.type == "cuda" else []):
        torch.manual_seed(seed)
        found = network.model.generate(**network.on_device(dict(made)), **how)[0, read:].tolist()
    ended = len(found) < max_new_tokens or (bool(found) and found[-1] in network.ends)
    words = network.tokenizer.decode(found, skip_special_tokens=True)
    return Written(words.strip(), read, len(found), ended)


def _parts(messages: Sequence[Message]) -> tuple[list[dict[str, Any]], list[Picture]]:
    """Return the messages as chat templates take them, and the pictures in order."""
    said: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    for message in messages:
        content = message["content"]
        parts: list[dict[str, Any]] = []
        for part in [content] if isinstance(content, str | Picture) else content:
            if isinstance(part, Picture):
                pictures.append(part)
                parts.append({"type": "image"})
            else:
                parts.append({"type": "text", "text": part})
        said.append({"role": message["role"], "content": parts})
    return said, pictures


def _rendered(network: Network, said: list[dict[str, Any]]) -> str:
    """Return the conversation as one text; templates that know no system message get it with the first question."""
    processor = network.processor
    template = getattr(processor, "chat_template", None) or network.tokenizer.chat_template

    def render(messages: list[dict[str, Any]]) -> str:
        made = network.tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=True
        )
        return str(made)

    try:
        return render(said)
    except Exception as error:  # a template may raise anything
        if said[0]["role"] != "system" or len(said) < 2:
            raise _refused(error) from error
    first = {"role": "user", "content": [*said[0]["content"], *said[1]["content"]]}
    try:
        return render([first, *said[2:]])
    except Exception as error:
        raise _refused(error) from error


def _refused(error: Exception) -> OracleError:
    return OracleError(
        f"The model's chat template does not take the conversation: {' '.join(str(error).split())[:200]}",
        expected="an instruction-tuned model that takes several pictures",
        hint="Use the model's 'Instruct' or 'chat' version, or serve it behind an address",
    )


def _shown(picture: Picture, max_pixels: int) -> Any:
    """Return a picture as an image processor takes it: neither huge nor tiny."""
    return canvas_of(Scene(np.zeros((0, 4), dtype=np.float32), picture.size, picture), max_pixels).image


def _fits(network: Network, length: int) -> None:
    config = network.model.config
    inner = config.get_text_config() if hasattr(config, "get_text_config") else config
    most = getattr(inner, "max_position_embeddings", None)
    if isinstance(most, int) and length > most:
        raise OracleError(
            f"The conversation has {length:,} tokens with its reply, and the model reads {most:,}",
            hint="Lower turns, turn_limits.pictures, code_gen_max_tokens, or max_pixels in vlm_options",
        )
