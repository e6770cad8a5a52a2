"""When a device fails: memory that runs out, and errors after which it answers nothing more.

Both are no matter of the question that was asked. What runs models says them as errors that end the run with one line
and charge no sample, so that the same command resumes.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager

from neptune.errors import ModelFailedError, NeptuneError

_OUT_OF_MEMORY = re.compile(
    # The libraries of CUDA say in their own ways what they could not allocate, or not even begin with.
    r"out of memory|can't allocate memory|cannot allocate memory"
    r"|CUBLAS_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)|CUDNN_STATUS_\w*ALLOC\w*",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"\b(?:CUDA|HIP|NCCL|cuDNN|cuBLAS\w*|cusolver|cusparse|cuFFT)\s+(?:driver\s+)?error"
    r"|\b(?:CUBLAS|CUDNN|CUSOLVER|CUSPARSE)_STATUS_",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory ran out, on a GPU or the CPU."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def is_device_failure(error: BaseException) -> bool:
    """Return whether an exception says that a device failed: CUDA's errors stay, whatever is computed afterwards."""
    import torch

    if isinstance(error, torch.AcceleratorError):
        return True
    return isinstance(error, RuntimeError) and _FAILED.search(str(error)) is not None


def free_memory() -> None:
    """Give the memory that nothing uses any more back to the device."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def failures_said(kind: type[ModelFailedError], who: str, hint: str) -> Iterator[None]:
    """Turn what says that the device failed, or its memory ran out, into an error of one line.

    Parameters
    ----------
    kind
        The error: :class:`~neptune.errors.OracleFailedError` or :class:`~neptune.errors.DetectorFailedError`.
    who
        What was at work, e.g. ``"the detector 'dino'"``.
    hint
        What to do where memory runs out.

    Raises
    ------
    ModelFailedError
        Of that kind. Other errors pass.
    """
    try:
        yield
    except NeptuneError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise kind(f"Memory runs out for {who}", hint=hint) from error
        if is_device_failure(error):
            said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise kind(
                f"The device fails under {who}: {said[:200]}",
                hint="No sample is charged with it, and the same command resumes; "
                "where it fails at the same place again, look at the driver, or choose another device",
            ) from error
        raise
