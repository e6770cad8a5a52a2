"""Reads a model: the distribution of the first token, the likelihood of an answer, or a short answer.

Prompts that show the same picture share its prefix where the architecture lets them
(`neptune.perception.oracle.vlm.prefix`); the
others go through the model in batches, padded on the left, so that the last position is each prompt's own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neptune.perception.oracle.vlm.network import M_ROPE, PLAIN_POSITIONS, Network
from neptune.perception.oracle.vlm.pictures import Pictures
from neptune.perception.oracle.vlm.prefix import Prefix, Prefixes
from neptune.perception.oracle.vlm.prompts import Prompt
from neptune.perception.oracle.yesno import buckets, from_logits

if TYPE_CHECKING:
    from torch import Tensor

SHARING = PLAIN_POSITIONS | M_ROPE
"""``model_type`` of architectures whose prefix may be shared, each held to it by a test.

Not among them, and never shared: models whose prefix looks ahead at the question (PaliGemma: the prompt attends in both
directions), and all that no test has seen.
"""

Finish = Callable[["Tensor", Sequence[int]], "Tensor"]
"""Last logits ``(B, keep, V)`` and the indices of the prompts → ``(B, 2)`` numbers."""


class Reader(Network):
    """A model and its processor, ready to be asked.

    Parameters
    ----------
    model, processor, batch_size
        See :class:`~neptune.perception.oracle.vlm.network.Network`.
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
        super().__init__(model, processor, batch_size)
        self.words = buckets(self.tokenizer.get_vocab(), self.tokenizer.all_special_ids)
        self.shares = share and self.model_type in SHARING
        self.prefixes = Prefixes(self)
        self.batches.relieve = self.prefixes.forget
        # Features of a picture may be handed to the model since transformers 5.22.
        self._once = "mm_encoder_outputs" in self.takes and self.model_type in SHARING

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
        """Return the yes/no logits of one batch of :meth:`inputs`, ``(B,)``, float32, with gradient to the weights.

        The prefix is not shared: a cache of keys and values would carry no gradient.
        """
        made = self.forward(keep=1, **self.on_device(inputs))
        return from_logits(made.logits[:, -1], self.words)[0]

    def likelihood(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the log-probability of each prompt's answer, token by token: shape ``(len(prompts),)``.

        Errors as :meth:`yes_no`.
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

        Errors as :meth:`yes_no`.
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

        Each prompt is given once. `work` is that of :meth:`~neptune.perception.oracle.vlm.batching.Batches.run`, `once`
        that of :meth:`~neptune.perception.oracle.vlm.pictures.Pictures.inputs`.

        Raises
        ------
        OracleError
            If memory runs out for a single prompt.
        """

        def answered(part: Sequence[int], inputs: dict[str, Any]) -> None:
            work(part, inputs)
            pictures.forget(part)

        prompts = pictures.prompts
        seen: dict[Hashable, int] = {}
        for k in indices:
            seen.setdefault(prompts[k].picture, len(seen))

        def size(k: int) -> tuple[Any, ...]:
            prompt = prompts[k]
            return prompt.pixels, prompt.size, seen[prompt.picture], len(prompt.text)

        self.batches.run(
            sorted(indices, key=size),
            lambda k: len(pictures.row(k)),
            lambda part: pictures.inputs(part, once),
            answered,
            "a picture with its question",
            pictures.begin,
        )

    def inputs(self, prompts: Sequence[Prompt]) -> dict[str, Any]:
        """Return the model's inputs for prompts, padded on the left, on the CPU."""
        return Pictures(self, prompts).inputs(range(len(prompts)))
