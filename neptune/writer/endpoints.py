"""The providers of language models, as a table: address, key, and how each differs from the others.

Every one speaks OpenAI's chat completions; a new one is a new row.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider.

    Parameters
    ----------
    name
        As in ``code_gen_provider``.
    base_url
        Its address; ``None`` where ``code_gen_base_url`` must give it.
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
"""Provider's name → its row. ``local``: llama.cpp, vLLM, SGLang, … at ``code_gen_base_url``."""

OWNERS = MappingProxyType(
    {"llamacpp": "gbnf", "llama.cpp": "gbnf", "vllm": "llguidance", "sglang": "llguidance"}
)
"""``owned_by`` of a local server's models → the form of grammar that it takes."""
