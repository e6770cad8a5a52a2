"""Tasks whose fields are those of `Config`, and some more: who sees and who writes is said alike everywhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neptune.config.model import Config, Count
from neptune.config.paths import ReadPath


class FindConfig(Config):
    """The configuration of ``task: find``."""

    query: str | None = Field(None, description='What is looked for, in words: "a red ball left of a cube".')
    program: str | None = Field(None, description="What is looked for, as a program, instead of words.")
    pictures: list[ReadPath] = Field(
        [], description="Folders of pictures (with the folders in them), and single pictures."
    )
    want: Literal["top", "all", "count"] = Field(
        "top", description="top: the best pictures; all: those that match; count: how many match."
    )
    top: Annotated[int, Field(ge=1, le=100_000)] = Field(20, description="How many of the best.")
    max_oracle_calls: Count | None = Field(
        None, description="Budget of oracle calls of the whole search; then what is known by then is said, with bounds."
    )


class ServeConfig(Config):
    """The configuration of ``task: serve``."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen at. With another than this machine's own a token is needed: NEPTUNE_SERVE_TOKEN "
        "in the environment, else one is made up and printed.",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8765, description="Port; 0: any free one.")
    roots: list[ReadPath] = Field(
        [], description="Folders whose pictures requests may name, and search; none: no files."
    )
    origins: list[str] = Field([], description='Other sites whose pages may ask, e.g. ["https://example.org"].')
    max_upload_mb: Annotated[float, Field(gt=0, le=1000)] = Field(20.0, description="The most megabytes of a picture.")
    max_seconds: Annotated[float, Field(gt=0)] = Field(60.0, description="Seconds for one request, waiting included.")
    at_once: Annotated[int, Field(ge=1, le=256)] = Field(2, description="Requests that are computed at once.")
    waiting: Annotated[int, Field(ge=0)] = Field(512, description="Requests that may wait; more are sent away.")


class McpConfig(Config):
    """The configuration of ``task: mcp``."""

    roots: list[ReadPath] = Field(
        [], description="Folders whose pictures an assistant may name; none: pictures inline only."
    )
    max_upload_mb: Annotated[float, Field(gt=0, le=1000)] = Field(20.0, description="The most megabytes of a picture.")
