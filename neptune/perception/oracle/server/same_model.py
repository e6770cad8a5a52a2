"""Is a server that comes back still the model that it was? Scores of two models must not be mixed under one name."""

from __future__ import annotations

import threading
from typing import Any

from neptune.errors import OracleFailedError
from neptune.servers.client import Client, RequestFailedError, short

NAMED = 3
"""So many models of a server that came back with others are named."""


class SameModel:
    """What one server says of its model. Threads may share it."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock = client, threading.Lock()
        self._name = ""
        self._listed: frozenset[str] | None = None
        """The models that it listed first; ``None``: not asked yet."""

    def check_name(self, name: Any) -> None:
        """Compare the name in an answer with that of the first one; many servers give none, or echo the request's.

        Raises
        ------
        RequestFailedError
            If it is another.
        """
        if not isinstance(name, str) or not name:
            return
        with self._lock:
            self._name = self._name or name
        if self._name != name:
            raise RequestFailedError(f"it answers as another model: '{short(name)}', before '{short(self._name)}'")

    def listed(self, names: list[str]) -> None:
        """Remember which models it lists."""
        with self._lock:
            self._listed = frozenset(names)

    def check_list(self, model: str, back: bool) -> None:
        """Ask a server which models it lists, when it has answered first and when it comes `back`.

        Some answer by whatever name they are asked for: what they list alone tells that they are another model.

        Raises
        ------
        RequestFailedError
            If it no longer lists the model that is asked for, or, where it never did, none that it had.
        """
        with self._lock:
            before = self._listed
            if before is not None and not back:
                return
            self._listed = before or frozenset()
        try:
            now = frozenset(self._client.models())
        except OracleFailedError:
            return  # many servers list nothing
        if not before:
            with self._lock:
                self._listed = now
        elif now and not now & ({model} if model in before else before):
            others = ", ".join(f"'{short(name)}'" for name in sorted(now)[:NAMED])
            had = f"'{short(model)}'" if model in before else ", ".join(f"'{short(n)}'" for n in sorted(before)[:NAMED])
            raise RequestFailedError(f"it came back with another model: {others}, before {had}")
