"""A real language model on the loopback: llama.cpp's server in this process, one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def llama_server(model: str | Path, context: int = 4096) -> Iterator[str]:
    """Serve a GGUF file; yield the address of its OpenAI-compatible API."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_gpu_layers = 0
    params.port = 0
    params.warmup = False
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address.rstrip('/')}/v1"
    finally:
        del server
