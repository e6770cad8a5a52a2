"""The providers of language models, as a table: address, key, and how each differs from the others.

Every one speaks OpenAI's chat completions; a new one is a new row. Writers of programs and oracles share it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from neptune.errors import ConfigError, NeptuneError, one_of
from neptune.foreign import remember_key


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider.

    Parameters
    ----------
    name
        As in ``code_gen_provider`` and ``vlm_options.provider``.
    base_url
        Its address; ``None`` where the config must give it.
    key_variable
        The environment variable, or the line of ``.env``, that holds the key.
    needs_key
        Whether nothing works without one.
    token_limit
        The name of the field that limits a reply's tokens.
    many
        Whether one request may ask for several samples (``n``); otherwise they are asked one by one.
    seed
        Whether requests may carry a seed.
    grammar
        The form of constrained decoding that `code_gen_constrained: auto` takes here: ``"openai"`` (for the models of
        `grammar_models`), ``"ask"`` (a local server says what it is), or ``"off"``.
    grammar_models
        Beginnings of the names of models that take a custom tool with a grammar.
    """

    name: str
    base_url: str | None
    key_variable: str
    needs_key: bool = True
    token_limit: str = "max_tokens"
    many: bool = True
    seed: bool = True
    grammar: str = "off"
    grammar_models: tuple[str, ...] = ()


ENDPOINTS = MappingProxyType(
    {
        row.name: row
        for row in (
            Endpoint("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", many=False),
            Endpoint("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", many=False, seed=False),
            Endpoint(
                "openai",
                "https://api.openai.com/v1",
                "OPENAI_API_KEY",
                token_limit="max_completion_tokens",
                grammar="openai",
                grammar_models=("gpt-5",),
            ),
            Endpoint("local", None, "LOCAL_API_KEY", needs_key=False, grammar="ask"),
        )
    }
)
"""Provider's name → its row. ``local``: llama.cpp, vLLM, SGLang, … at the address that the config gives."""

OWNERS = MappingProxyType({"llamacpp": "gbnf", "llama.cpp": "gbnf", "vllm": "llguidance", "sglang": "llguidance"})
"""``owned_by`` of a local server's models → the form of grammar that it takes."""


def addresses_of(given: str | Sequence[str] | None) -> list[str | None]:
    """Return the addresses that an option names: one, several, or none (the provider's own)."""
    if given is None or isinstance(given, str):
        return [given]
    return list(given) or [None]


def find_endpoint(name: str, where: str) -> Endpoint:
    """Return the row of a provider.

    Parameters
    ----------
    name
        The provider.
    where
        The field that names it, for the error.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    found = ENDPOINTS.get(name)
    if found is None:
        raise ConfigError(f"Unknown provider '{name}'", where=where, **one_of(name, ENDPOINTS))
    return found


def find_key(endpoint: Endpoint, folder: Path | None = None, error: type[NeptuneError] = ConfigError) -> str:
    """Return the provider's key: from the environment, else from ``.env`` in the working directory.

    Parameters
    ----------
    endpoint
        The provider.
    folder
        Where to look for ``.env`` instead.
    error
        What to raise.

    Raises
    ------
    NeptuneError
        `error`, if the provider needs a key and there is none.
    """
    from dotenv import dotenv_values

    file = (folder or Path.cwd()) / ".env"
    written = dotenv_values(file, encoding="utf-8") if file.is_file() else {}
    for row in ENDPOINTS.values():
        remember_key(written.get(row.key_variable) or "")
    key = os.environ.get(endpoint.key_variable) or written.get(endpoint.key_variable) or ""
    if not key.strip() and endpoint.needs_key:
        raise error(
            f"There is no key for the provider '{endpoint.name}'",
            where=endpoint.key_variable,
            expected="an environment variable, or a line of the file .env",
            hint=f"Write {endpoint.key_variable}=… into .env",
        )
    remember_key(key)
    return key.strip() or "none"
