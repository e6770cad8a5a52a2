"""Where a provider's key may go, and where none may stand: addresses, fields and headers of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from neptune.errors import ConfigError
from neptune.foreign import known_keys

_NAMES = re.compile(
    r"\A(?:x[-_])?(?:(?:api|access|auth|secret|subscription|ocp-apim-subscription)[-_]?)*(?:key|token|secret|password|"
    r"passwd|pwd|credentials?|authorization|bearer|cookie|signature|sig)\Z",
    re.IGNORECASE,
)
"""Names of fields and headers that hold a secret."""

_SHAPES = re.compile(
    r"\A(?:bearer\s+\S{8,}|sk-[\w-]{16,}|hf_\w{16,}|AIza[\w-]{20,}|gh[pousr]_\w{20,}|xox[abprs]-[\w-]{10,})\Z", re.I
)
"""Values that are keys by their looks."""


def split_address(url: str, where: str) -> SplitResult:
    """Return the parts of an address.

    Raises
    ------
    ConfigError
        If it is no address, or holds a key: ``https://user:key@host``, ``?api_key=…``.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - a port that is no number is found here
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "This is no address of a server", where=where, expected="http://host:port/v1 or https://host/v1"
        )
    named = any(holds_secret(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    if parts.username or parts.password or named or any(key in url for key in known_keys()):
        raise ConfigError(
            "The address holds a key or a password, which would be kept with the run",
            where=where,
            expected=f"an address without one, such as {parts.scheme}://{host_of(parts)}/v1",
            hint="Write the key into .env, under the provider's name for it",
        )
    return parts


def host_of(parts: SplitResult) -> str:
    """Return ``host`` or ``host:port`` of an address, lower case; without the port that the scheme implies."""
    host, usual = (parts.hostname or "").rstrip("."), {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def check_host(url: str, own: str, key_variable: str, trusted: Iterable[str], where: str) -> None:
    """Let a key go to its provider's host alone, or to one that the user names.

    Parameters
    ----------
    url
        Where it would be sent.
    own
        The provider's own address.
    key_variable
        The key's name, for the error.
    trusted
        Further hosts, ``host`` or ``host:port``.
    where
        The field that holds the address.

    Raises
    ------
    ConfigError
        If the host is another, or the key would travel unencrypted to the provider's own.
    """
    parts, home = split_address(url, where), urlsplit(own)
    host = host_of(parts)
    if host in {name.strip().lower() for name in trusted}:
        return
    if host == host_of(home) and parts.scheme == home.scheme:
        return
    raise ConfigError(
        f"{key_variable} belongs to {host_of(home)} and would be sent to {parts.scheme}://{host}",
        where=where,
        expected=f"an address at {home.scheme}://{host_of(home)}",
        hint=f'If you trust it with this key, name it: trusted_hosts ["{host}"]; else take provider local',
    )


def holds_secret(name: str, value: Any) -> bool:
    """Whether a field or header, by its name or its value, holds a secret."""
    if not isinstance(value, str) or not value.strip():
        return False
    return bool(_NAMES.match(name.strip())) or bool(_SHAPES.match(value.strip())) or value.strip() in known_keys()


def secrets_in(value: Any, where: str = "") -> list[str]:
    """Return the places of a config's value (``request.headers.Authorization``) that hold a secret."""
    found: list[str] = []
    stack: list[tuple[str, str, Any]] = [(where, "", value)]
    while stack:
        place, name, part = stack.pop()
        if isinstance(part, Mapping):
            stack += [(f"{place}.{key}" if place else str(key), str(key), item) for key, item in part.items()]
        elif isinstance(part, list | tuple):
            stack += [(f"{place}[{k}]", name, item) for k, item in enumerate(part)]
        elif holds_secret(name, part):
            found.append(place)
    return sorted(found)
