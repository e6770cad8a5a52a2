"""What tests of the HTTP address share: the application over the sample's pictures, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.served import BASE, IMAGES, application


@pytest.fixture(scope="module")
def app() -> Any:
    return application(roots=(IMAGES,))


@pytest.fixture(scope="module")
def client(app: Any) -> Iterator[Any]:
    from starlette.testclient import TestClient

    with TestClient(app, base_url=BASE) as found:
        yield found
