"""Is a server there, before anything depends on it? It is asked once which models it has, which costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neptune.errors import ConfigError, MissingExtraError, NeptuneError
from neptune.servers.client import short
from neptune.servers.connect import ADDRESS, INSTALL, connect
from neptune.servers.endpoints import find_endpoint
from neptune.servers.transport import words_of

SECONDS = 10.0
"""How long to wait for the answer."""

LISTED = 5
"""So many of its models are named, where the one that is meant is not among them."""


class ServerGoneError(NeptuneError):
    """Nobody answers at the address, or not in time."""


@dataclass(frozen=True, slots=True)
class Server:
    """A model behind an address, as a config names it.

    Parameters
    ----------
    fields
        What the config's fields about it begin with: ``"code_gen_"``, ``"judge_"``, ``"vlm_options."``.
    provider
        Its row of :data:`neptune.servers.endpoints.ENDPOINTS`.
    model, base_url
        Its model, and its address where that is not the provider's own; ``None``: not given.
    trusted_hosts
        Hosts besides the provider's own that may get its key.
    """

    fields: str
    provider: str
    model: str | None = None
    base_url: str | None = None
    trusted_hosts: tuple[str, ...] = ()


def probe(server: Server, seconds: float = SECONDS) -> str:
    """Ask a server for its models.

    Parameters
    ----------
    server
        Who is asked.
    seconds
        How long to wait.

    Returns
    -------
    str
        What is worth knowing (it does not list the model that is meant), else ``""``. Any answer will do: many servers
        list nothing.

    Raises
    ------
    ServerGoneError
        If nobody answers.
    NeptuneError
        If the address, the package or the key is missing, or the key is refused.
    """
    endpoint = find_endpoint(server.provider, f"{server.fields}provider")
    where = f"{server.fields}base_url"
    api = connect(
        endpoint,
        server.base_url,
        seconds,
        0,
        no_address=ConfigError("There is no address", where=where, expected=ADDRESS),
        no_package=MissingExtraError("A model behind an address needs the package 'openai'", where=where, hint=INSTALL),
        where=where,
        trusted=server.trusted_hosts,
    )
    import openai

    address = str(server.base_url or endpoint.base_url)
    try:
        listed = [str(getattr(model, "id", "")) for model in api.models.list().data or []]
    except openai.APIConnectionError as error:
        slow = isinstance(error, openai.APITimeoutError)
        raise ServerGoneError(
            words_of(error) or "The server does not answer" + (f" within {seconds:g} s" if slow else ""),
            where=f"{server.provider}, {address}",
            hint=f"Start it, or check {where}",
        ) from error
    except openai.AuthenticationError as error:
        raise ConfigError(
            "The server refuses the key (401)",
            where=f"{server.provider}, {address}",
            hint=f"Check {endpoint.key_variable}",
        ) from error
    except Exception:  # it answers; that it lists no models, or not in this form, says nothing of the rest
        return ""
    return _unlisted(server, address, listed)


def _unlisted(server: Server, address: str, listed: list[Any]) -> str:
    if not server.model or not listed or server.model in listed:
        return ""
    others = ", ".join(short(name) for name in sorted(listed)[:LISTED]) + (", …" if len(listed) > LISTED else "")
    return f"{server.fields}model: {address} does not list '{server.model}'; it has {others}"
