"""A picture and a text as a chat model reads them: the model's own chat template, rendered once.

The words of a question come after the picture and after the form's intro, so that all prompts on a picture begin alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from neptune.errors import OracleError

_MARK = "\u2403words\u2403"
"""Stands for the words while the template is rendered; no template has a meaning for it."""

_OPENED = re.compile(r"<(think|thinking)>\s*$")
"""A thought that a template begins and leaves open, at the end of a prompt."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """What a model is given.

    Parameters
    ----------
    draw
        Makes the picture shown. Thousands of marked pictures are thus never held at once.
    size
        ``(width, height)`` of the picture shown, in pixels.
    picture
        The picture's identity: prompts with equal keys show equal pictures.
    text
        The whole prompt, chat tokens and picture placeholder included, up to where the answer starts.
    stem
        The beginning of `text` that does not depend on the question.
    answer
        A continuation whose likelihood is asked for, or ``""``.
    choices
        The admissible answers of an open question, or empty.
    """

    draw: Callable[[], Image.Image]
    size: tuple[int, int]
    picture: Hashable
    text: str
    stem: str
    answer: str = ""
    choices: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        """Pixels of the picture shown."""
        return self.size[0] * self.size[1]


class Chat:
    """Renders prompts with a processor's chat template, thinking switched off.

    Templates that open a thought all the same have it closed at once: an empty one, as models that can be told not to
    think are given it.

    Raises
    ------
    OracleError
        If there is no chat template, or it drops the words it is given.
    """

    def __init__(self, processor: Any) -> None:
        template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
        if not template:
            raise OracleError(
                "The model has no chat template",
                expected="an instruction-tuned vision-language model",
                hint="Use the model's 'Instruct' or 'chat' version",
            )
        content = [{"type": "image"}, {"type": "text", "text": _MARK}]
        rendered = processor.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=template,
            tokenize=False,
            add_generation_prompt=True,
            # The first token of the answer is what is read: a model that may think begins with a thought.
            enable_thinking=False,
        )
        before, found, after = str(rendered).partition(_MARK)
        opened = _OPENED.search(after)
        self.before, self.after = before, after + (f"\n\n</{opened[1]}>\n\n" if opened else "")
        if not found:
            raise OracleError("The model's chat template drops the question's words", hint="Use another model")
        self.eos = processor.tokenizer.eos_token or ""

    def wrap(self, words: str) -> str:
        """Return the whole prompt of some words, chat tokens and picture placeholder included."""
        return self.before + words + self.after

    def answers(self, choice: str) -> tuple[str, ...]:
        """Return the ways in which a model may write a choice: as it stands and with a capital, then its end."""
        space = "" if self.after[-1:].isspace() or self.after.endswith(">") else " "
        spelt = dict.fromkeys([choice, choice[:1].upper() + choice[1:]])
        return tuple(f"{space}{words}{self.eos}" for words in spelt)
