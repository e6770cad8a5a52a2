"""The HTTP address: what may be asked, as FastAPI declares it; errors are one line each, as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, File, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from dsl.errors import ProgramError
from neptune import __version__
from neptune.errors import ModelFailedError, NeptuneError
from neptune.serve import requests as r
from neptune.serve.asked.bundle import bundle_of
from neptune.serve.asked.conversations import Conversations
from neptune.serve.folders import Folders
from neptune.serve.guard import Guard, Rules
from neptune.serve.language import language_of
from neptune.serve.page import page_of, policy_of
from neptune.serve.pictures import TooLargeError
from neptune.serve.service import Service, error_of
from neptune.serve.work import BusyError, Work

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is no JSON, or ended before it was whole"},
    401: {"description": "The token is missing or wrong"},
    403: {"description": "The page or the name that asks is not allowed"},
    408: {"description": "The body took too long to come"},
    413: {"description": "The picture or the request is too large"},
    422: {"description": "The request, the program or the picture is wrong; what, where, and how to mend it"},
    503: {"description": "Too many requests wait, this one took too long, or a model fails"},
}
"""Statuses of what is refused; the body is ``{"error": {kind, what, where, expected, hint, text}}``."""


TEXT: dict[str, Any] = {"type": "string"}
EVENT = {"type": "object", "properties": {"event": TEXT, "data": TEXT}, "required": ["event", "data"]}


def _gives(kind: str, what: str, schema: dict[str, Any] = TEXT) -> dict[int | str, dict[str, Any]]:
    """Return the responses of what answers with another type than JSON."""
    return ERRORS | {200: {"content": {kind: {"schema": schema}}, "description": what}}


EVENTS = _gives("text/event-stream", "Server-sent events; data is JSON", EVENT)
LONG_SECONDS = 3600.0
"""That a search in a folder, or a conversation, may take: it says what it knows, and ends when nobody listens."""
LONG, LONG_WAITING = 4, 16
"""So many of them at once, beside what is answered in a moment, and so many that wait."""


def application(service: Service, work: Work, rules: Rules) -> Guard:
    """Return the application that a server runs.

    Parameters
    ----------
    service
        Who answers.
    work
        Where it is computed.
    rules
        Who may ask, and how much.
    """
    long = Work(LONG, LONG_WAITING, LONG_SECONDS)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        long.close()

    app = FastAPI(
        lifespan=lifespan,
        title="NePTune Reasoner",
        version=__version__,
        summary="Answers questions about pictures by reasoning.",
        docs_url=None,  # those pages load their scripts from elsewhere; the schema is at /openapi.json
        redoc_url=None,
    )
    folders, conversations = Folders(service), Conversations(service)
    _errors(app)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def page() -> HTMLResponse:
        text = page_of(service, token=rules.token is not None)
        return HTMLResponse(text, headers={"Content-Security-Policy": policy_of(text)})

    @app.get("/healthz", include_in_schema=False)
    async def healthy() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/v1/pictures", responses=ERRORS, summary="Send a picture once, and ask about it by its name")
    async def pictures(file: UploadFile = File(description="The picture's file")) -> dict[str, Any]:  # noqa: B008
        content = await file.read()
        name, picture = await work.do(service.pictures.keep, content)
        return {"picture": name, "size": list(picture.size)}

    @app.post("/v1/look", responses=ERRORS, summary="The objects of a picture")
    async def look(body: r.Look) -> dict[str, Any]:
        return await work.do(service.look, body)

    @app.post(
        "/v1/ask",
        responses=ERRORS,
        summary="A question about a picture, or a program: the answer, and how it came about",
    )
    async def ask(body: r.Ask) -> dict[str, Any]:
        return await work.do(service.ask, body)

    @app.post("/v1/check", responses=ERRORS, summary="What is wrong with a program; nothing is asked")
    async def check(body: r.Check) -> dict[str, Any]:
        return await work.do(service.check, body)

    @app.post("/v1/explain", responses=ERRORS, summary="How a program is planned; nothing is asked")
    async def explain(body: r.Explain) -> dict[str, Any]:
        return await work.do(service.explain, body)

    @app.post("/v1/score", responses=ERRORS, summary="How true formulas are of each object, or pair")
    async def score(body: r.Score) -> dict[str, Any]:
        return await work.do(service.score, body)

    @app.post("/v1/batch", responses=ERRORS, summary="Several requests, in order; one that fails costs itself alone")
    async def batch(body: r.Batch) -> dict[str, Any]:
        calls: dict[str, Callable[[Any], dict[str, Any]]] = {
            "ask": service.ask, "check": service.check, "explain": service.explain, "score": service.score,
        }  # fmt: skip
        return {"results": [await _one(work, calls[one.do], one) for one in body.requests]}

    @app.get("/v1/language", responses=ERRORS, summary="The words that programs may use, for completion and help")
    async def language() -> dict[str, Any]:
        return language_of(service.engine)

    @app.post(
        "/v1/stream",
        responses=EVENTS,
        response_class=StreamingResponse,
        summary="As /v1/ask, as server-sent events: program, boxes, scores, answer",
    )
    async def stream(body: r.Ask) -> StreamingResponse:
        return _events(work, lambda tell: {"answer": service.ask(body, tell)})

    @app.post(
        "/v1/bundle",
        responses=_gives("application/zip", "The zip file"),
        response_class=Response,
        summary="As /v1/ask, as a run to take along: neptune-reasoner replay FILE.zip answers it again",
    )
    async def bundle(body: r.Ask) -> Response:
        named = {"Content-Disposition": 'attachment; filename="answer.zip"'}
        return Response(await work.do(bundle_of, service, body), media_type="application/zip", headers=named)

    @app.get("/v1/folders", responses=ERRORS, summary="The folders that may be searched")
    async def listed() -> dict[str, Any]:
        return {"folders": folders.listed()}

    @app.post(
        "/v1/find",
        responses=EVENTS,
        response_class=StreamingResponse,
        summary="A search in a folder, as server-sent events: found, again and again, and done",
    )
    async def find(body: r.Find) -> StreamingResponse:
        search = await work.do(folders.begin, body)
        return _events(long, search)

    @app.post(
        "/v1/converse",
        responses=EVENTS,
        response_class=StreamingResponse,
        summary="A question that a model answers in turns, as server-sent events: begun, each turn, and done",
    )
    async def converse(body: r.Converse) -> StreamingResponse:
        talk = await work.do(conversations.begin, body)
        return _events(long, talk)

    @app.get(
        "/v1/file",
        responses=_gives("image/jpeg", "The copy"),
        response_class=Response,
        summary="A small copy of a picture under the allowed folders",
    )
    async def small(path: str) -> Response:
        return Response(await work.do(folders.small, path), media_type="image/jpeg")

    return Guard(app, rules)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first.get("loc", ()) if part != "body")
        no_json = first.get("type") == "json_invalid"
        what = "The body is no JSON" if no_json else str(first.get("msg", "The request is wrong"))[:300]
        hint = "" if len(error.errors()) == 1 else f"{len(error.errors()) - 1} more fields are wrong"
        text = f"{what}{f' ({where})' if where and not no_json else ''}"
        return _refused(
            400 if no_json else 422,
            {"kind": "request", "what": what, "where": where[:200], "expected": "", "hint": hint, "text": text},
        )

    @app.exception_handler(HTTPException)
    async def missing(request: Request, error: HTTPException) -> JSONResponse:
        what = {404: "There is nothing here", 405: "This is asked by another method"}.get(
            error.status_code, str(error.detail)
        )
        return _refused(
            error.status_code,
            {
                "kind": "request",
                "what": what,
                "where": request.url.path[:200],
                "expected": "",
                "hint": "",
                "text": what,
            },
        )

    @app.exception_handler(ProgramError)
    @app.exception_handler(NeptuneError)
    async def refused(request: Request, error: Any) -> JSONResponse:
        return _refused(status_of(error), error_of(error))


def status_of(error: ProgramError | NeptuneError) -> int:
    """Return the HTTP status of a user's error, or a model's."""
    if isinstance(error, TooLargeError):
        return 413
    return 503 if isinstance(error, BusyError | ModelFailedError) else 422


def _refused(status: int, parts: dict[str, Any]) -> JSONResponse:
    return JSONResponse({"error": parts}, status, headers={"Retry-After": "1"} if status == 503 else None)


async def _one(work: Work, call: Callable[[Any], dict[str, Any]], body: Any) -> dict[str, Any]:
    try:
        return {"status": 200, "body": await work.do(call, body)}
    except (ProgramError, NeptuneError) as error:
        return {"status": status_of(error), "error": error_of(error)}


def _events(work: Work, job: Callable[[Callable[[str, dict[str, Any]], None]], dict[str, Any]]) -> StreamingResponse:
    """Return what a job tells on its way, and its results by name, as server-sent events."""
    queue: asyncio.Queue[tuple[str, dict[str, Any]] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    gone = False

    def tell(event: str, data: dict[str, Any]) -> None:
        if gone:
            raise BusyError("Nobody listens any more")
        loop.call_soon_threadsafe(queue.put_nowait, (event, data))

    async def run() -> None:
        try:
            for event, data in (await work.do(job, tell)).items():
                queue.put_nowait((event, data))
        except (ProgramError, NeptuneError) as error:
            queue.put_nowait(("error", {"status": status_of(error), **error_of(error)}))
        except Exception:
            queue.put_nowait(("error", {"status": 500, "kind": "bug", "text": "The server made a mistake of its own."}))
            raise
        finally:
            queue.put_nowait(None)

    async def events() -> AsyncIterator[str]:
        nonlocal gone
        running = asyncio.create_task(run())
        try:
            while (said := await queue.get()) is not None:
                yield f"event: {said[0]}\ndata: {json.dumps(said[1])}\n\n"
            await running
        finally:
            gone = True

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
