"""Addresses of pictures: what is one, and what of it may be shown."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Tell whether a text is an http(s) address."""
    return _ADDRESS.match(text) is not None


def shown(address: str) -> str:
    """Return an address without what may be secret in it: no name, no password, no query."""
    scheme, _, rest = re.split(r"[?#]", address, maxsplit=1)[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"
