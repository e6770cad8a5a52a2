"""The oracle for vision-language models that run on this machine, with transformers."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neptune.errors import ConfigError, OracleFailedError
from neptune.perception.checkpoints import fingerprint, need_transformers
from neptune.perception.device_failures import failures_said
from neptune.perception.oracle.caching.exchanges import Exchanges
from neptune.perception.oracle.canvas import MAX_PIXELS, Canvas, Canvases, object_rows
from neptune.perception.oracle.visual import VisualForm
from neptune.perception.oracle.vlm import adapters, dialogue
from neptune.perception.oracle.vlm import load as loading
from neptune.perception.oracle.vlm.dialogue import Message, Written
from neptune.perception.oracle.vlm.prompts import Chat, Prompt
from neptune.scene.identity import identity
from neptune.scene.types import IntArray, QueryRequest, ScoreRequest, Scores

LESS_MEMORY = 'Lower "max_pixels" in vlm_options, use "quantisation": "4bit", a smaller model, or a device_map'


class TransformersOracle:
    """Asks a vision-language model: Qwen-VL, InternVL, Ovis2, SmolVLM, or any that transformers can load.

    A score is the logit of yes against no over all their spellings, at the first token of the answer; the mass is the
    probability of all those spellings together.

    Parameters
    ----------
    model
        The id of a model (``"Qwen/Qwen2-VL-2B-Instruct"``), a folder, or a loaded ``(model, processor)``.
    revision
        Of the model, on the hub.
    form, form_options
        How objects are shown: see :mod:`neptune.perception.oracle.visual`.
    dtype
        ``"auto"`` (float32 on a CPU, else the checkpoint's), ``"float32"``, ``"bfloat16"``, ``"float16"``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    device_map
        Spreads a model over several GPUs, e.g. ``"auto"`` (needs accelerate).
    attention
        ``"sdpa"``, ``"eager"``, ``"flash_attention_2"``; ``None``: the model's choice.
    quantisation
        ``"4bit"`` or ``"8bit"`` (needs bitsandbytes and a GPU).
    batch_size
        Prompts at once at most; ``"auto"``: as many as the memory is found to hold.
    max_pixels
        Of a picture shown; larger ones are scaled down.
    max_new_tokens
        Of an answer to an open question.
    share_prefix
        Compute what all questions about a picture have in common once, for the architectures that allow it.
    local_files_only
        Never go to the hub.
    adapter
        A folder with a LoRA adapter in peft's format, as ``task: finetune`` writes it (needs peft).

    Raises
    ------
    ConfigError
        For an option's value that does not exist, or a GPU that is not there.
    MissingExtraError
        If transformers is not installed.
    OracleError
        If the model can not be loaded, has no chat template, or no token for yes or no.
    """

    name = "transformers"
    exchanges: Exchanges | None = None
    """Where prompts and raw replies are kept, if anywhere."""
    cell_cost = "dear"

    def __init__(
        self,
        model: str | Path | tuple[Any, Any],
        revision: str | None = None,
        form: str = "mark",
        form_options: dict[str, Any] | None = None,
        dtype: str = "auto",
        device: str = "auto",
        device_map: str | dict[str, Any] | None = None,
        attention: str | None = None,
        quantisation: str | None = None,
        batch_size: int | Literal["auto"] = "auto",
        max_pixels: int = MAX_PIXELS,
        max_new_tokens: int = 16,
        share_prefix: bool = True,
        local_files_only: bool = False,
        adapter: str | Path | None = None,
    ) -> None:
        _positive("max_pixels", max_pixels, least=1024)
        _positive("max_new_tokens", max_new_tokens)
        if batch_size != "auto":
            _positive("batch_size", batch_size)
        self.form = VisualForm.load(form, form_options)
        need_transformers()
        self._source = None if isinstance(model, tuple) else str(model)
        if isinstance(model, tuple):
            loaded = model
        else:
            loaded = loading.load(
                str(model),
                revision=revision,
                dtype=dtype,
                device=device,
                device_map=device_map,
                attention=attention,
                quantisation=quantisation,
                local_files_only=local_files_only,
            )
        self._adapter = None if adapter is None else adapters.digest(adapter)
        if adapter is not None:
            loaded = (adapters.apply(loaded[0], adapter), loaded[1])
        from neptune.perception.oracle.vlm.reader import Reader

        self.quantisation = quantisation
        self.max_new_tokens = max_new_tokens
        self.canvases = Canvases(max_pixels)
        self.chat = Chat(loaded[1])
        self.reader = Reader(*loaded, batch_size=batch_size, share=share_prefix)
        self._lock = threading.Lock()

    @cached_property
    def identity(self) -> str:
        """All that can change an answer besides picture, boxes and question, as canonical JSON."""
        model = self.reader.model
        return identity(
            "transformers",
            model=self._source if self._source and not Path(self._source).is_dir() else self.reader.model_type,
            form=self.form.name,
            weights=fingerprint(model, self._source),
            dtype=str(model.dtype),
            quantisation=self.quantisation,
            max_pixels=self.canvases.max_pixels,
            max_new_tokens=self.max_new_tokens,
            chat=[self.chat.before, self.chat.after],
            visual=self.form.identity,
            # Without one there is no such part: what was cached before adapters were known stays valid.
            **({} if self._adapter is None else {"lora": self._adapter}),
        )

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions: for each request M logits and masses, in order.

        Prompts that are the same are asked once. All requests are checked before any is asked.

        Raises
        ------
        OracleError
            If a scene has no picture, a box lies outside of it or has no area, or an index is out of range.
        OracleFailedError
            If memory runs out for a single picture, or the device fails.
        PictureError
            If a picture can not be read.
        """
        prompts, places = self.cells(requests)
        if not prompts:
            return [Scores.of(np.zeros(0, dtype=np.float32)) for _ in requests]
        with self._inference():
            logits, mass = self.reader.yes_no(prompts)
        self._keep(requests, prompts, places, [_reply(*said) for said in zip(logits.tolist(), mass.tolist())])
        return [Scores(logits[at], mass[at]) for at in places]

    def cells(self, requests: Sequence[ScoreRequest | QueryRequest]) -> tuple[list[Prompt], list[IntArray]]:
        """Return the different prompts of requests, and for each request the places of its M prompts among them.

        Errors as :meth:`score`.
        """
        prompts: list[Prompt] = []
        row: dict[Hashable, int] = {}
        places = []
        for request in requests:
            at = []
            for prompt in self.prompts(request):
                at.append(row.setdefault((prompt.picture, prompt.text, prompt.choices), len(prompts)))
                if len(row) > len(prompts):
                    prompts.append(prompt)
            places.append(np.array(at, dtype=np.int64))
        return prompts, places

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions: for each request M texts, ``None`` where the model says nothing.

        With `choices`, the likeliest of them, as it is spelt there (read with and without a capital); else what the
        model writes, greedily, without a full stop.

        Errors as :meth:`score`.
        """
        prompts, places = self.cells(requests)
        free, closed = ([k for k, p in enumerate(prompts) if bool(p.choices) is chosen] for chosen in (False, True))
        known: dict[int, str | None] = {}
        replies: dict[int, str] = {}
        with self._inference():
            if free:
                written = self.reader.generate([prompts[k] for k in free], self.max_new_tokens)
                replies |= zip(free, written)
                known |= {k: _first_line(text) for k, text in zip(free, written)}
            if closed:
                known |= zip(closed, self._choose([prompts[k] for k in closed]))
        said = [replies.get(k, f"the likeliest of its choices: {known[k]}") for k in range(len(prompts))]
        self._keep(requests, prompts, places, said)
        return [[known[k] for k in at.tolist()] for at in places]

    def reply(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float | None = 0.0, seed: int = 0
    ) -> Written:
        """Reply to a conversation with pictures.

        Parameters and errors as of :func:`neptune.perception.oracle.vlm.dialogue.reply`.

        Raises
        ------
        OracleFailedError
            If memory runs out, or the device fails.
        """
        with self._inference():
            return dialogue.reply(self.reader, messages, max_new_tokens, temperature, seed, self.canvases.max_pixels)

    def prompts(self, request: ScoreRequest | QueryRequest) -> Iterator[Prompt]:
        """Yield what the model is given for each tuple of objects of a request. Errors as :meth:`score`."""
        canvas = self.canvases.of(request.scene)
        kind = "score" if isinstance(request, ScoreRequest) else "query"
        choices: tuple[str, ...] = tuple(getattr(request, "choices", ()))
        for boxes in map(tuple, object_rows(request.objects, request.question).tolist()):
            words = self.form.text(request.question, canvas, boxes, kind, choices)
            yield Prompt(
                draw=lambda boxes=boxes: self.form.picture(canvas, boxes),  # type: ignore[misc]
                size=self.form.size(canvas, boxes),
                picture=self._picture(canvas, boxes),
                text=self.chat.wrap(words),
                stem=self.chat.before + self.form.intro,
                choices=choices,
            )

    def _keep(
        self,
        requests: Sequence[ScoreRequest | QueryRequest],
        prompts: Sequence[Prompt],
        places: Sequence[IntArray],
        replies: Sequence[str],
    ) -> None:
        """Keep what was sent and said, where that is wanted."""
        if self.exchanges is None:
            return
        for request, at in zip(requests, places):
            for row, k in enumerate(at.tolist()):
                width, height = prompts[k].size
                self.exchanges.add(request, row, prompts[k].text, f"{width} × {height} pixels", [replies[k]])

    def close(self) -> None:
        """Let go of the model and its memory; the oracle can not be asked any more."""
        self.reader.batches.close()
        del self.reader

    def _picture(self, canvas: Canvas, boxes: tuple[int, ...]) -> Hashable:
        corners = tuple(canvas.box(box) for box in boxes)  # raises what is wrong with a box
        picture = canvas.scene.picture
        assert picture is not None  # else there is no canvas
        return (picture.digest, corners if self.form.draws(len(boxes)) else ())

    def _choose(self, asked: Sequence[Prompt]) -> list[str]:
        """Return the likeliest of each prompt's choices, the first of several; spellings of a choice add up."""
        rows: list[Prompt] = []
        places: list[tuple[int, int]] = []
        for n, prompt in enumerate(asked):
            for k, choice in enumerate(prompt.choices):
                for answer in self.chat.answers(choice):
                    rows.append(replace(prompt, answer=answer))
                    places.append((n, k))
        totals = [np.full(len(prompt.choices), -np.inf) for prompt in asked]
        for (n, k), score in zip(places, self.reader.likelihood(rows)):
            totals[n][k] = np.logaddexp(totals[n][k], score)
        return [prompt.choices[int(total.argmax())] for prompt, total in zip(asked, totals)]

    @contextmanager
    def _inference(self) -> Iterator[None]:
        import torch

        who = f"the oracle '{self._source or self.reader.model_type}'"
        with (
            self._lock,  # one model, one batch at a time
            torch.inference_mode(),
            failures_said(OracleFailedError, who, LESS_MEMORY),
        ):
            yield


def _reply(logit: float, mass: float) -> str:
    return f"log P(yes) - log P(no) = {logit:.4f} at the first token; yes and no together have {mass:.4f} of it"


def _first_line(text: str) -> str | None:
    """Return what is said in an answer's first line, without its full stop; ``None`` for nothing."""
    return (text.splitlines()[0].strip().rstrip(".") or None) if text else None


def _positive(option: str, value: object, least: int = 1) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"'{option}' is {value!r}", where="vlm_options", expected=f"an integer ≥ {least}")
