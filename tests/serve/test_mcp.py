"""Tools for assistants, asked by the SDK's own client: in this process, and as a program on stdin and stdout."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from helpers.served import IMAGES, PICTURE, RED_CUBES, ROOT

mcp = pytest.importorskip("mcp", reason="the extra serve is not installed: make setup-all")


def with_client(work: Callable[[Any], Coroutine[Any, Any, None]], roots: tuple[Path, ...] = (IMAGES,)) -> None:
    """Do something with a client of a server in this process."""
    from mcp.client.client import Client

    from neptune.engine import Engine
    from neptune.serve.assistant import assistant
    from neptune.serve.pictures import Pictures
    from neptune.serve.service import Service

    async def run() -> None:
        with Engine() as engine:
            async with Client(assistant(Service(engine, Pictures(roots, 2_000_000)))) as client:
                await work(client)

    asyncio.run(run())


def text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


def test_a_session_asks_about_a_sample_picture_and_sees_why() -> None:
    async def session(client: Any) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"look", "ask", "check_program", "run_program", "explain", "describe_language"}
        assert all(tool.description and tool.title for tool in tools.values())
        seen = await client.call_tool("look", {"picture": PICTURE.name})
        assert not seen.is_error
        assert "object 0: [" in text(seen)
        (drawn,) = [part for part in seen.content if part.type == "image"]
        assert base64.b64decode(drawn.data)[:8] == b"\x89PNG\r\n\x1a\n"
        question = "How many red cubes are left of the brown ball?"
        found = await client.call_tool("ask", {"picture": PICTURE.name, "question": question})
        assert not found.is_error
        said = text(found)
        assert said.startswith("Answer: 2 (0.99")
        assert "Probability: 0.99" in said
        assert f"Program: {RED_CUBES}" in said
        assert "Why, step by step:" in said
        data = found.structured_content
        assert data["value"] == 2
        assert data["trace"][-1]["scores"]
        again = await client.call_tool(
            "run_program", {"picture": PICTURE.name, "program": RED_CUBES, "logic": "product"}
        )
        assert again.structured_content["value"] == 2
        other = await client.call_tool(
            "run_program", {"picture": PICTURE.name, "program": RED_CUBES, "changes": ["word(red)=purple"]}
        )
        assert other.structured_content["value"] == 0
        assert "Before the change: 2 (0.99" in text(other)
        inline = base64.b64encode(PICTURE.read_bytes()).decode()
        assert (await client.call_tool("look", {"picture": inline, "draw": False})).content[0].text == seen.content[
            0
        ].text

    with_client(session)


def test_programs_are_checked_explained_and_described() -> None:
    async def session(client: Any) -> None:
        wrong = await client.call_tool("check_program", {"program": "existts(Object, lambda x: red(x))"})
        assert not wrong.is_error
        assert "Did you mean 'exists'?" in text(wrong)
        assert wrong.structured_content["problems"][0]["line"] == 1
        right = await client.call_tool("check_program", {"program": RED_CUBES})
        assert text(right) == "The program is right."
        explained = await client.call_tool("explain", {"program": RED_CUBES, "objects": 6})
        assert "6 objects" in text(explained)
        described = text(await client.call_tool("describe_language", {}))
        assert "`exists" in described
        assert "left(x, y)" in described

    with_client(session)


def test_resources_hold_the_language_and_the_vocabularies() -> None:
    async def session(client: Any) -> None:
        names = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert {
            "neptune://language",
            "neptune://grammar",
            "neptune://vocabulary/clevr",
            "neptune://vocabulary/nlvr",
        } <= names
        read = await client.read_resource("neptune://vocabulary/clevr")
        assert "sorts" in json.loads(read.contents[0].text)
        assert "lambda" in (await client.read_resource("neptune://language")).contents[0].text

    with_client(session)


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("ask", {"picture": "nowhere.png", "question": "Is there a cube?"}, "no such picture"),
        ("ask", {"picture": "../../../README.md", "question": "Is there a cube?"}, "no such picture"),
        ("ask", {"picture": "/etc/passwd", "question": "Is there a cube?"}, "no such picture"),
        ("ask", {"picture": "http://127.0.0.1/a.png", "question": "Is there a cube?"}, "not fetched"),
        ("ask", {"picture": "data:image/png;base64,AAAA", "question": "Is there a cube?"}, ""),
        ("ask", {"picture": PICTURE.name, "question": "Where is the flurb?"}, "flurb"),
        ("ask", {"picture": PICTURE.name, "question": ""}, "Nothing is asked"),
        ("ask", {"picture": "", "question": "Is there a cube?"}, "picture"),
        ("run_program", {"picture": PICTURE.name, "program": "import os"}, "import"),
        ("run_program", {"picture": PICTURE.name, "program": "1", "logic": "none"}, "none"),
        ("explain", {"program": "1", "objects": 0}, "objects"),
        ("look", {}, "picture"),
    ],
)
def test_mistakes_are_said_and_the_session_goes_on(tool: str, arguments: dict[str, Any], said: str) -> None:
    async def session(client: Any) -> None:
        found = await client.call_tool(tool, arguments)
        assert found.is_error
        assert said in text(found)
        assert "Traceback" not in text(found)
        assert not (await client.call_tool("check_program", {"program": "1"})).is_error

    with_client(session)


def test_without_folders_no_file_of_the_machine_is_read() -> None:
    async def session(client: Any) -> None:
        found = await client.call_tool("look", {"picture": str(PICTURE)})
        assert found.is_error
        assert "--roots" in text(found)

    with_client(session, roots=())


def test_the_command_speaks_over_stdin_and_stdout() -> None:
    from mcp.client.client import Client
    from mcp.client.stdio import StdioServerParameters, stdio_client

    async def run() -> None:
        words = ["-m", "neptune", "mcp", "--roots", str(IMAGES), "--oracle_cache", "null", "--detection_cache", "null"]
        server = StdioServerParameters(command=sys.executable, args=words, cwd=str(ROOT))
        async with Client(stdio_client(server)) as client:
            found = await client.call_tool("ask", {"picture": PICTURE.name, "question": "Is there a red cube?"})
            assert text(found).startswith("Answer: yes")

    asyncio.run(run())
