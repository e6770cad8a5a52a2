"""A vision-language model as a scorer that can be trained, in memory that does not grow with the number of cells.

The loss of an answer depends on all the cells of its program, often hundreds of prompts with a picture each, whose
activations would not fit at once. So the model sees them twice (the gradient caching of Gao et al. 2021): first without
gradient, for the logits; the loss then gives its derivative by each logit; and in a second pass each micro-batch is
computed again and that derivative sent through it. The chain rule makes this the exact gradient. Cells that the loss
does not depend on are left out of the second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neptune.perception.oracle.vlm.oracle import TransformersOracle
from neptune.perception.oracle.vlm.pictures import Pictures
from neptune.perception.oracle.vlm.prompts import Prompt
from neptune.scene.types import ScoreRequest

Context = Callable[[], AbstractContextManager[Any]]
"""Makes what a forward pass runs in, e.g. ``torch.autocast``."""


@dataclass(eq=False)
class _Round:
    """What was asked in one call: the prompts, their logits (a leaf), and the micro-batches with their seeds."""

    prompts: list[Prompt]
    leaf: Tensor
    parts: list[tuple[list[int], int]]


class CellScorer:
    """Gives the oracle's logits to :func:`~neptune.engine.session.soft_answers.soft_answers`, and sends the
    gradient back.

    Call it (any number of times), make a loss, ``loss.backward()``, then :meth:`backward`.

    Parameters
    ----------
    oracle
        Whose prompts, forms and spellings of yes and no are used.
    parameters
        What is trained: the gradients are added to their ``grad``.
    context
        What forward passes run in.
    scale
        Multiplies what is sent back, for float16: ``GradScaler.scale``.
    seed
        Of dropout: both passes draw the same.
    """

    def __init__(
        self,
        oracle: TransformersOracle,
        parameters: Sequence[nn.Parameter],
        context: Context = nullcontext,
        scale: Callable[[Tensor], Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        self.reader, self._cells = oracle.reader, oracle.cells
        self.parameters = [p for p in parameters if p.requires_grad]
        self._context, self._scale, self._seed = context, scale, seed
        self._random = has_dropout(self.reader.model)
        self._rounds: list[_Round] = []
        self.asked = self.sent_back = 0
        """Prompts that went through the model in the first pass, and again in the second."""

    def __call__(self, requests: Sequence[ScoreRequest]) -> list[Tensor]:
        """Return for each request the logits of its M tuples of objects, ``(M,)``, float32 on the CPU.

        Raises
        ------
        OracleError, PictureError
            As :meth:`neptune.perception.oracle.vlm.oracle.TransformersOracle.score`.
        """
        prompts, places = self._cells(requests)
        found = torch.zeros(len(prompts))
        parts: list[tuple[list[int], int]] = []

        def work(part: Sequence[int], inputs: dict[str, Any]) -> None:
            seed = self._seed * 1_000_003 + self.asked
            with torch.no_grad(), self._drawing(seed), self._context():
                found[list(part)] = self.reader.logits(inputs).float().cpu()
            parts.append((list(part), seed))
            self.asked += len(part)

        self._run(range(len(prompts)), prompts, work)
        leaf = found.requires_grad_()
        self._rounds.append(_Round(prompts, leaf, parts))
        return [leaf[torch.from_numpy(at)] for at in places]

    def backward(self) -> None:
        """Add the gradients to those of the parameters, and forget what was asked.

        Raises
        ------
        OracleError
            If memory runs out for a single prompt.
        """
        for asked in self._rounds:
            gradient = asked.leaf.grad
            if gradient is None:
                continue
            wanted = gradient.nonzero()[:, 0].tolist()
            self._send(asked, gradient, wanted)
        self._rounds = []

    def _send(self, asked: _Round, gradient: Tensor, wanted: list[int]) -> None:
        def work(part: Sequence[int], inputs: dict[str, Any], seed: int | None = None) -> None:
            with torch.enable_grad(), self._drawing(seed):
                with self._context():
                    logits = self.reader.logits(inputs)
                value = (logits.float() * gradient[list(part)].to(logits.device)).sum()
                value = value if self._scale is None else self._scale(value)
                # Not value.backward(): where memory runs out half-way, nothing must have been added yet.
                found = torch.autograd.grad(value, self.parameters, allow_unused=True)
            for parameter, new in zip(self.parameters, found, strict=True):
                if new is not None:
                    parameter.grad = new if parameter.grad is None else parameter.grad + new
            self.sent_back += len(part)

        if not self._random:
            self._run(wanted, asked.prompts, work)
            return
        # Dropout draws by the shape of a batch: the micro-batches must be those of the first pass.
        needed = set(wanted)
        for part, seed in asked.parts:
            if needed.intersection(part):
                work(part, self.reader.inputs([asked.prompts[k] for k in part]), seed)

    def _run(self, which: Sequence[int], prompts: Sequence[Prompt], work: Callable[[Sequence[int], Any], None]) -> None:
        self.reader.each(which, Pictures(self.reader, prompts), work)

    def _drawing(self, seed: int | None) -> AbstractContextManager[Any]:
        """Draw from a seed within, and from where it was afterwards."""
        return _Drawing(self.reader.model.device, seed) if self._random and seed is not None else nullcontext()


class _Drawing:
    def __init__(self, device: torch.device, seed: int) -> None:
        self._fork = torch.random.fork_rng([device] if device.type == "cuda" else [])
        self._seed = seed

    def __enter__(self) -> None:
        self._fork.__enter__()
        torch.manual_seed(self._seed)

    def __exit__(self, *error: Any) -> None:
        self._fork.__exit__(*error)


def has_dropout(model: nn.Module) -> bool:
    """Tell whether a forward pass in training mode draws random numbers."""
    names = ("attention_dropout", "attn_dropout", "dropout", "dropout_p")
    for module in model.modules():
        if isinstance(module, nn.Dropout) and module.p > 0:
            return True
        if any(isinstance(getattr(module, n, None), float) and getattr(module, n) > 0 for n in names):
            return True
    return False
