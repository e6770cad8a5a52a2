"""Tools for assistants, over the Model Context Protocol: the same answers as everywhere, in words and as data."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent
from pydantic import Field, ValidationError

from dsl import resources
from dsl.errors import ProgramError
from neptune import __version__
from neptune.engine.edited import FORM
from neptune.errors import NeptuneError
from neptune.serve import requests as r
from neptune.serve.language import EXAMPLES, VOCABULARIES, language_of, vocabulary_text
from neptune.serve.service import Service

P = ParamSpec("P")

INSTRUCTIONS = """\
Answers questions about pictures by reasoning: a question becomes a short program in a small, safe language, a vision
model scores the objects found, and the answer has a probability that says how sure it is. Call look first to see what
is in a picture. Ask in plain words with ask; say exactly what you mean with run_program (describe_language tells how to
write programs, check_program what is wrong with one). Object numbers count from 0, as look lists them."""

PICTURE = Field(
    description="The picture: the path of a file under the allowed folders, base64 of its file, or a data: address."
)
Pic = Annotated[str, PICTURE]


def assistant(service: Service) -> MCPServer[Any]:
    """Return the server of tools.

    Parameters
    ----------
    service
        Who answers.
    """
    server: MCPServer[Any] = MCPServer(
        "neptune-reasoner", title="NePTune Reasoner", instructions=INSTRUCTIONS, version=__version__
    )

    @server.tool(title="Look at a picture")
    @_said
    def look(picture: Pic, draw: bool = True) -> CallToolResult:
        """List the objects of a picture with their boxes (pixels x0 y0 x1 y1, y down), and draw them with numbers."""
        found = service.look(r.Look(picture=picture))
        lines = [f"{len(found['boxes'])} objects in a picture of {found['size'][0]} × {found['size'][1]} pixels"]
        lines += [f"object {i}: {box}" for i, box in enumerate(found["boxes"])]
        if found["out_of_domain"]:
            lines.append(f"Out of domain: {found['out_of_domain']}")
        result = _both("\n".join(lines), found)
        if draw:
            result.content.append(_drawn(service, picture, found["boxes"]).to_image_content())
        return result

    @server.tool(title="Ask a question about a picture")
    @_said
    def ask(picture: Pic, question: Annotated[str, Field(description="In plain words.")]) -> CallToolResult:
        """Answer a question about a picture, with its probability, the program that says how, and the steps."""
        return _answer(service.ask(r.Ask(picture=picture, question=question)))

    @server.tool(title="Run a program on a picture")
    @_said
    def run_program(
        picture: Pic,
        program: Annotated[str, Field(description="In the language that describe_language describes.")],
        logic: Annotated[str | None, Field(description="godel (default), product, lukasiewicz or frank:S.")] = None,
        changes: Annotated[list[str] | None, Field(description=f"What would follow if: {FORM}.")] = None,
    ) -> CallToolResult:
        """Run a program on a picture: the answer, its probability, and the steps with a score for each object."""
        return _answer(service.ask(r.Ask(picture=picture, program=program, logic=logic, set=changes or [])))

    @server.tool(title="Check a program")
    @_said
    def check_program(program: str) -> CallToolResult:
        """Say what is wrong with a program, where, and how to mend it; nothing is asked."""
        found = service.check(r.Check(program=program))
        lines = [problem["text"] for problem in found["problems"]] or ["The program is right."]
        return _both("\n".join([*lines, *(f"note: {note}" for note in found["notes"])]), found)

    @server.tool(title="Explain how a program is planned")
    @_said
    def explain(program: str, objects: Annotated[int, Field(ge=1, le=200)] = 10) -> CallToolResult:
        """Say how a program is planned, law by law, and what it would ask of a picture of so many objects."""
        found = service.explain(r.Explain(program=program, objects=objects))
        return _both(found["text"], found)

    @server.tool(title="How to write programs")
    @_said
    def describe_language() -> str:
        """Describe the language: what can be said, the words of this world, examples."""
        return _language(service)

    @server.resource("neptune://language", title="The language", mime_type="text/markdown")
    def language() -> str:
        """The language of programs: what can be said, the words of this world, examples."""
        return _language(service)

    @server.resource("neptune://grammar", title="The grammar", mime_type="text/plain")
    def grammar() -> str:
        """The grammar of programs, in Lark's notation."""
        return resources.grammar()

    for name in VOCABULARIES:
        _vocabulary(server, name)
    return server


def _vocabulary(server: MCPServer[Any], name: str) -> None:
    @server.resource(
        f"neptune://vocabulary/{name}", name=name, title=f"Vocabulary {name}", mime_type="application/json"
    )
    def vocabulary() -> str:
        """The words of a world: sorts, properties, relations, synonyms, what is derived."""
        return vocabulary_text(name)


def _said(tool: Callable[P, Any]) -> Callable[P, Any]:
    """Say a user's mistakes in one line, as the protocol wants it."""

    @functools.wraps(tool)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return tool(*args, **kwargs)
        except (ProgramError, NeptuneError) as error:
            raise ToolError(error.one_line()) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise ToolError(f"{first['msg']} ({'.'.join(map(str, first['loc']))})") from error

    return call


def _both(text: str, data: dict[str, Any]) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=json.loads(json.dumps(data))
    )


def _answer(found: dict[str, Any]) -> CallToolResult:
    """Return an answer in words, with its steps, and as data."""
    lines = [f"Answer: {found['answer']}"]
    if found["probability"] is not None:
        lines.append(f"Probability: {found['probability']:.3f}")
    elif found["bounds"] is not None:
        lines.append(f"Probability: between {found['bounds'][0]:.3f} and {found['bounds'][1]:.3f}")
    lines.append(f"Program: {found['program']}")
    if "before" in found:
        lines.append(f"Before the change: {found['before']}")
    if found["out_of_domain"]:
        lines.append(f"Out of domain: {found['out_of_domain']}")
    lines.append("Why, step by step:")
    for step in found["trace"]:
        scores = "" if step["scores"] is None else "  scores " + " ".join(f"{s:.2f}" for s in step["scores"])
        lines.append(f"  line {step['line']}: {step['source']} = {step['value']}{scores}")
    lines += [f"note: {note}" for note in found["notes"]]
    return _both("\n".join(lines), found)


def _drawn(service: Service, picture: str, boxes: list[list[float]]) -> Image:
    """Return a picture with the boxes of its objects and their numbers."""
    from neptune.runs.report.annotate import annotate

    seen = service.pictures.of(picture)
    scaled = [[x * seen.scale[k % 2] for k, x in enumerate(box)] for box in boxes]
    image = annotate(seen.image, scaled, None, (), f"{len(boxes)} objects", "", [])
    image.thumbnail((1024, 1024))
    kept = io.BytesIO()
    image.save(kept, "PNG")
    return Image(data=kept.getvalue(), format="png")


def _language(service: Service) -> str:
    found = language_of(service.engine)
    lines = [
        "# The language",
        "",
        "A program is one expression, or statements that end in `return`. Quantifiers bind one object",
    ]
    lines += ["each: `exists(Object, lambda x: red(x))`. `and`, `or`, `not` join conditions. Examples:", ""]
    for question, program in EXAMPLES:
        lines += [f"- {question}", f"  `{program}`"]
    for kind, title in (
        ("built-in", "Built-in"),
        ("sort", "Sorts and their values"),
        ("property", "Properties"),
        ("relation", "Relations"),
    ):
        lines += ["", f"## {title}", ""]
        rows = [n for n in found["names"] if n["kind"] == kind]
        if kind in ("property", "relation"):
            lines.append(", ".join(f"`{n['use']}`" for n in rows))
        else:
            lines += [f"- `{n['use']}`" + (f": {n['help']}" if n["help"] else "") for n in rows]
    return "\n".join(lines)
