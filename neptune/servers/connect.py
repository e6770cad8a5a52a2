"""The SDK's client of a provider: to an address without a key in it, with the key of no other host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from neptune.errors import ConfigError, MissingExtraError, NeptuneError
from neptune.servers.endpoints import Endpoint, find_key
from neptune.servers.keys import check_host, split_address
from neptune.servers.transport import client

ADDRESS = "the address of an OpenAI-compatible server, e.g. http://localhost:8000/v1"
INSTALL = "pip install 'neptune-reasoner[openai]'"
"""For the errors that :func:`connect` raises."""


def connect(
    endpoint: Endpoint,
    base_url: str | None,
    timeout: float,
    retries: int,
    *,
    no_address: ConfigError,
    no_package: MissingExtraError,
    no_key: type[NeptuneError] = ConfigError,
    where: str = "base_url",
    trusted: Iterable[str] = (),
    before: Callable[[Any], None] | None = None,
) -> Any:
    """Return the SDK's client of a provider, which threads may share.

    Parameters
    ----------
    endpoint, base_url
        The provider, and its address; ``None``: the provider's own.
    timeout, retries
        Seconds for one try of a request in all, and how often it is tried again.
    no_address, no_package, no_key
        The errors if there is no address or no package ``openai``, and the kind of error if there is no key.
    where
        The field that holds the address, for errors.
    trusted
        Hosts besides the provider's own that may get its key.
    before
        Is called with each request, those of further tries too.

    Raises
    ------
    NeptuneError
        One of these; or a ConfigError if the address is none, holds a key, or would get another host's key.
    """
    url = base_url or endpoint.base_url
    if url is None:
        raise no_address
    parts = split_address(url, where)
    if endpoint.base_url is not None:
        check_host(url, endpoint.base_url, endpoint.key_variable, trusted, where)
    key = find_key(endpoint, error=no_key)
    if key in parts.path:
        raise ConfigError(
            "The address holds the key", where=where, hint=f"Write it into .env: {endpoint.key_variable}=…"
        )
    try:
        import openai
    except ImportError as error:
        raise no_package from error
    api = openai.OpenAI(
        api_key=key, base_url=url, timeout=timeout, max_retries=retries, http_client=client(timeout, before)
    )
    if endpoint.name != "openai":  # the SDK would tell every host who the user is at OpenAI
        api.organization = api.project = None
    return api
