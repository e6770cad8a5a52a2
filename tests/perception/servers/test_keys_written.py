"""Known keys are found however somebody else writes them."""

from __future__ import annotations

import json
import re
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from neptune import foreign
from neptune.foreign import KEY, remember_key, scrubbed, scrubbed_value


@pytest.mark.parametrize("key", ["sk-abcd+ef/gh==12", "a\"quoted'key&<more>", "ключ-от-сервера", "plain-key-12345"])
def test_a_key_is_replaced_however_it_is_written(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an address, in JSON, in Python's quotes, in HTML: a server says again what it was sent."""
    monkeypatch.setattr(foreign, "_known", set())
    remember_key(key)
    lower = re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quote(key, safe=""))
    written = [key, quote(key), quote(key, safe=""), quote_plus(key), lower, json.dumps(key), repr(key), escape(key)]
    for text in written:
        said = f"at https://x/?k={text}&more"
        assert KEY in scrubbed(said), text
        assert text.strip("\"'") not in scrubbed(said), text
        assert scrubbed_value({"a": [said]}) == {"a": [scrubbed(said)]}
    assert json.loads(scrubbed(json.dumps({"k": f"<{key}>"}))) == {"k": f"<{KEY}>"}
