"""torch, loaded when it is first used: a question about a small picture is answered without it.

``from neptune.algebra.late import torch`` instead of ``import torch``, in rooms that a start passes through.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import torch as torch


Backward: TypeAlias = (
    "Callable[[torch.Tensor, Sequence[bool], Sequence[torch.Tensor], torch.Tensor], Sequence[torch.Tensor | None]]"
)
"""From the gradient of a result, which of the tensors given want one, these tensors, and the result: the gradient of
each."""


class _Late(ModuleType):
    """A module that is imported when something of it is first used; what was used is kept, as fast as its own."""

    def __getattr__(self, name: str) -> Any:
        module = import_module(self.__name__)
        if _depth.get():  # loaded amid what keeps no gradient
            module.set_grad_enabled(False)
        found = getattr(module, name)
        setattr(self, name, found)
        return found


_depth: ContextVar[int] = ContextVar("depth", default=0)
"""How many :class:`no_grad` this thread, or this one of its greenlets, is in that were entered before torch was
loaded."""
if not TYPE_CHECKING:
    torch = _Late("torch")


def is_loaded() -> bool:
    """Whether torch has been loaded."""
    return "torch" in sys.modules


def is_tensor(x: object) -> TypeGuard[torch.Tensor]:
    """Whether something is a tensor."""
    return "torch" in sys.modules and isinstance(x, torch.Tensor)


class no_grad(ContextDecorator):
    """``torch.no_grad``, as a decorator or in a ``with``, which does not load torch.

    Where it is not loaded there is nothing yet that could learn; if it is loaded meanwhile, no gradient is kept either.
    """

    def __enter__(self) -> None:
        self._before = torch.is_grad_enabled() if is_loaded() else None
        if self._before is None:
            _depth.set(_depth.get() + 1)
        else:
            torch.set_grad_enabled(False)

    def __exit__(self, *exception: object) -> None:
        if self._before is None:
            _depth.set(_depth.get() - 1)
        if is_loaded():
            torch.set_grad_enabled(self._before is not False and not _depth.get())

    def _recreate_cm(self) -> no_grad:
        return no_grad()  # one each call: threads and nested calls share none


@cache
def _function() -> Any:
    class Given(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, value: Callable[..., torch.Tensor], backward: Backward, *given: Any) -> torch.Tensor:
            out = value(*given)
            ctx.save_for_backward(*given, out)
            ctx.by = backward
            return out

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            *given, out = ctx.saved_tensors
            return None, None, *ctx.by(grad, ctx.needs_input_grad[2:], given, out)

    return Given


def with_gradient(value: Callable[..., torch.Tensor], backward: Backward, *given: torch.Tensor) -> torch.Tensor:
    """Return ``value(*given)``, whose gradient is what `backward` makes of it."""
    found: torch.Tensor = _function().apply(value, backward, *given)
    return found
