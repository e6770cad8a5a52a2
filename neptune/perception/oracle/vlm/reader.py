"""Reads a model: the distribution of the first token, the likelihood of an answer, or a short answer.

Prompts that show the same picture share its prefix where the architecture lets them
(`neptune.perception.oracle.vlm.prefix`); the
others go through the model in batches, padded on the left, so that the last position is each prompt's own.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neptune.perception.oracle.vlm.batching import Batches
from neptune.perception.oracle.vlm.pictures import Pictures
from neptune.perception.oracle.vlm.prompts import Prompt
from neptune.perception.oracle.yesno import from_logits, tokenizer_buckets

if TYPE_CHECKING:
    from torch import Tensor

    from neptune.perception.oracle.vlm.prefix import Prefix

SHARING = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl", "internvl", "ovis2", "smolvlm"})
"""``model_type`` of architectures whose prefix may be shared, each held to it by a test.

Not among them, and never shared: models whose prefix looks ahead at the question (PaliGemma: the prompt attends in both
directions), models with recurrent or sliding-window states, and all that no test has seen.
"""

PLAIN_POSITIONS = frozenset({"internvl", "ovis2", "smolvlm"})
"""Architectures that number positions from the padding on, unless told otherwise."""

M_ROPE = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl"})
"""Architectures whose picture tokens are numbered by row and column, which they can tell us beforehand."""

Finish = Callable[["Tensor", Sequence[int]], "Tensor"]
"""Last logits ``(B, keep, V)`` and the indices of the prompts → ``(B, 2)`` numbers."""


class Reader:
    """A model and its processor, ready to be asked.

    Parameters
    ----------
    model, processor
        As transformers loads them.
    batch_size
        See :class:`~neptune.perception.oracle.vlm.batching.Batches`.
    share
        Compute the prefix of a picture once for all prompts that show it, where the architecture allows it.

    Raises
    ------
    OracleError
        If the tokenizer has no single token for yes, or none for no.
    """

    def __init__(
        self, model: Any, processor: Any, batch_size: int | Literal["auto"] = "auto", share: bool = True
    ) -> None:
        from neptune.perception.oracle.vlm.prefix import Prefixes

        self.model, self.processor = model, processor
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model_type = str(getattr(model.config, "model_type", ""))
        self.batches = Batches(batch_size, model.device.type)
        self.words = tokenizer_buckets(self.tokenizer)
        self.shares = share and self.model_type in SHARING
        self.prefixes = Prefixes(self)
        self._local = threading.local()
        self.batches.relieve = self.prefixes.forget
        self._takes = frozenset(inspect.signature(model.forward).parameters)
        # Features of a picture may be handed to the model since transformers 5.22.
        self._once = "mm_encoder_outputs" in self._takes and self.model_type in SHARING

    # --- what is read ----------------------------------------------------------------------------

    def yes_no(self, prompts: Sequence[Prompt]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the yes/no logits and masses of prompts, each of shape ``(len(prompts),)``.

        Raises
        ------
        OracleError
            If memory runs out for a single prompt.
        """
        import torch

        def finish(logits: Tensor, which: Sequence[int]) -> Tensor:
            return torch.stack(from_logits(logits[:, -1], self.words), dim=-1)

        found = self._last(prompts, finish)
        return found[:, 0].copy(), found[:, 1].copy()

    def logits(self, inputs: dict[str, Any]) -> Tensor:
        """Return the yes/no logits of one batch, shape ``(B,)``, float32, with gradient to the model's weights.

        Parameters
        ----------
        inputs
            Of :meth:`inputs`. The prefix is not shared: a cache of keys and values would carry no gradient.
        """
        made = self.forward(keep=1, **self.on_device(inputs))
        return from_logits(made.logits[:, -1], self.words)[0]

    def likelihood(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the log-probability of each prompt's answer, token by token: shape ``(len(prompts),)``.

        Raises
        ------
        OracleError
            As :meth:`yes_no`.
        """
        import torch

        answers = [self.answer_ids(p) for p in prompts]

        def finish(logits: Tensor, which: Sequence[int]) -> Tensor:
            totals = []
            for row, index in zip(logits, which):
                ids = torch.tensor(answers[index], device=row.device)
                scores = row[-len(ids) - 1 : -1].float().log_softmax(-1)
                totals.append(scores.gather(1, ids[:, None]).sum())
            return torch.stack([torch.stack(totals), torch.zeros(len(totals), device=logits.device)], dim=-1)

        return self._last(prompts, finish, keep=1 + max(len(a) for a in answers))[:, 0].copy()

    def generate(self, prompts: Sequence[Prompt], max_new_tokens: int) -> list[str]:
        """Return what the model writes, greedily, at most so many tokens each; stripped of space around it.

        Raises
        ------
        OracleError
            As :meth:`yes_no`.
        """
        texts = [""] * len(prompts)

        def store(part: Sequence[int], written: Any) -> None:
            for k, text in zip(part, self.tokenizer.batch_decode(written, skip_special_tokens=True)):
                texts[k] = text.strip()

        def shared(part: Sequence[int], prefix: Prefix, tails: list[list[int]]) -> None:
            store(part, self.prefixes.written(prefix, tails, max_new_tokens))

        def work(part: Sequence[int], inputs: dict[str, Any]) -> None:
            inputs.pop("position_ids", None)  # generate() numbers the positions itself
            inputs = self.on_device(inputs)
            made = self.model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                num_beams=1,
                # A checkpoint's penalty falls on the words of the prompt, choices too, and on what pads it.
                repetition_penalty=1.0,
                pad_token_id=self.tokenizer.pad_token_id,
            )
            store(part, made[:, inputs["input_ids"].shape[1] :])

        pictures = Pictures(self, prompts)
        self.each(self._sharing(pictures, shared, keep=1, room=max_new_tokens), pictures, work)
        return texts

    # --- how -------------------------------------------------------------------------------------

    def _last(self, prompts: Sequence[Prompt], finish: Finish, keep: int = 1) -> NDArray[np.float32]:
        found = np.full((len(prompts), 2), np.nan, dtype=np.float32)

        def store(part: Sequence[int], values: Tensor) -> None:
            found[list(part)] = values.float().cpu().numpy()

        def shared(part: Sequence[int], prefix: Prefix, tails: list[list[int]]) -> None:
            store(part, finish(self.prefixes.last(prefix, tails, keep), part))

        def work(part: Sequence[int], inputs: dict[str, Any]) -> None:
            store(part, finish(self.forward(keep=keep, **self.on_device(inputs)).logits[:, -keep:], part))

        pictures = Pictures(self, prompts)
        self.each(self._sharing(pictures, shared, keep), pictures, work, once=self._once)
        return found

    def _sharing(
        self,
        pictures: Pictures,
        work: Callable[[Sequence[int], Prefix, list[list[int]]], None],
        keep: int,
        room: int = 0,
    ) -> list[int]:
        """Run the prompts that share the prefix of a picture, and return the others: see `Prefixes.run`."""
        if not self.shares:
            return list(range(len(pictures.prompts)))
        groups: dict[Any, list[int]] = {}
        for k, prompt in enumerate(pictures.prompts):
            groups.setdefault(prompt.picture, []).append(k)
        alone: list[int] = []
        parts = list(groups.values())
        for n, part in enumerate(parts):
            self.prefixes.begin(parts[n : n + 2 * self.batches.ahead], pictures)
            if self.prefixes.run(part, pictures, work, keep, room):
                pictures.forget(part)
            else:
                alone += part
        return alone

    def each(
        self,
        indices: Sequence[int],
        pictures: Pictures,
        work: Callable[[Sequence[int], dict[str, Any]], None],
        once: bool = False,
    ) -> None:
        """Call `work` with indices of prompts and their inputs: batches of similar sizes, same pictures together.

        Parameters
        ----------
        indices
            Of prompts, each of which is given once.
        pictures
            Of all prompts.
        work
            See :meth:`neptune.perception.oracle.vlm.batching.Batches.run`.
        once
            See :meth:`neptune.perception.oracle.vlm.pictures.Pictures.inputs`.

        Raises
        ------
        OracleError
            If memory runs out for a single prompt.
        """

        def answered(part: Sequence[int], inputs: dict[str, Any]) -> None:
            work(part, inputs)
            pictures.forget(part)

        self.batches.run(
            by_size(indices, pictures.prompts),
            lambda k: len(pictures.row(k)),
            lambda part: pictures.inputs(part, once),
            answered,
            "a picture with its question",
            pictures.begin,
        )

    def inputs(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """Return the model's inputs for prompts, padded on the left, on the CPU."""
        return Pictures(self, prompts).inputs(range(len(prompts)))

    def positions(self, inputs: Any) -> Tensor | None:
        """Return the positions of the tokens of one row, on the CPU: ``(1, L)`` or ``(3, L)``.

        ``None``: the model numbers them as it should.
        """
        if self.model_type in PLAIN_POSITIONS:
            plain: Tensor = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            return plain
        if self.model_type not in M_ROPE:
            return None
        names = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
        made = self.model.model.get_rope_index(**{name: inputs[name] for name in names})
        found: Tensor = made[0][:, 0]
        return found

    def on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return inputs on the model's device, pixels in its dtype; without waiting where they are pinned."""
        import torch

        placed = {}
        for name, value in inputs.items():
            if isinstance(value, torch.Tensor):
                dtype = self.model.dtype if value.is_floating_point() else value.dtype
                value = value.to(self.model.device, dtype, non_blocking=True)
            placed[name] = value
        return placed

    def own_processor(self) -> Any:
        """Return the processor, or this thread's copy of it: a tokenizer that pads can not be shared by threads."""
        if threading.current_thread() is threading.main_thread() or not self.batches.ahead:
            return self.processor
        if not hasattr(self._local, "processor"):
            self._local.processor = copy.deepcopy(self.processor)
        return self._local.processor

    def tokenizing(self, text: str) -> dict[str, bool]:
        """Return how to tokenise: a template that writes the start token itself must not get a second one."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": not (bos and text.startswith(bos))}

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a prompt in which the picture is one placeholder."""
        return list(self.tokenizer(text, **self.tokenizing(text))["input_ids"])

    def all_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of many prompts of one template, at once: the tokenizer uses all cores for them."""
        if not texts:
            return []
        return [list(ids) for ids in self.tokenizer(list(texts), **self.tokenizing(texts[0]))["input_ids"]]

    def answer_ids(self, prompt: Prompt) -> list[int]:
        """Return the tokens that a prompt's answer adds to it, at least one."""
        whole, start = self.ids(prompt.text + prompt.answer), self.ids(prompt.text)
        common = next(
            (k for k, (a, b) in enumerate(zip(whole, start)) if a != b), min(len(whole), len(start))
        )
        return whole[common:]

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens with which an answer ends."""
        ends = self.model.generation_config.eos_token_id
        return frozenset([ends] if isinstance(ends, int) else ends or ())

    def forward(self, keep: int, **inputs: Any) -> Any:
        """Run the model, and let it compute the logits of the last `keep` positions only, where it can.

        Pictures that are given once go once through the vision encoder, and their features to all rows that show them.
        """
        if "logits_to_keep" in self._takes:
            inputs["logits_to_keep"] = keep
        inputs.setdefault("use_cache", False)
        if "shown" in inputs:
            inputs["mm_encoder_outputs"] = {
                "image": self._features(inputs, inputs.pop("shown"), inputs.pop("parts"))
            }
        return self.model(**inputs)

    def _features(self, inputs: dict[str, Any], shown: Sequence[int], parts: Sequence[int]) -> Any:
        """What the vision encoder makes of the pictures, taken out of the inputs, for each row."""
        import torch

        encode = self.model.model.get_image_features
        takes = inspect.signature(encode).parameters
        made = encode(**{name: inputs.pop(name) for name in list(inputs) if name in takes}, return_dict=True)
        if isinstance(made.pooler_output, torch.Tensor):  # of all tiles of all pictures
            tiles = torch.split(made.pooler_output, list(parts))
            made.pooler_output = torch.cat([tiles[k] for k in shown])
        else:
            made.pooler_output = [made.pooler_output[k] for k in shown]
        if getattr(made, "deepstack_features", None) is not None:
            made.deepstack_features = [[layer[k] for k in shown] for layer in made.deepstack_features]
        return made


def by_size(indices: Sequence[int], prompts: Sequence[Prompt]) -> list[int]:
    """Return indices of prompts sorted so that neighbours are of similar size, and those on one picture together."""
    seen: dict[Hashable, int] = {}
    for k in indices:
        seen.setdefault(prompts[k].picture, len(seen))
    return sorted(
        indices,
        key=lambda k: (prompts[k].pixels, prompts[k].size, seen[prompts[k].picture], len(prompts[k].text)),
    )
