"""Vision-language models behind an OpenAI-compatible address: vLLM, SGLang, llama.cpp, OpenAI and others.

A yes/no question is one request for one token with its likeliest alternatives; a server that gives no
log-probabilities is asked for a few samples instead. Requests go out side by side, are tried again after failures, and
keep to the limits that are set. What fails for good is missing evidence of its cell, and nothing else.

>>> Engine(oracle="openai", oracle_options={"model": "Qwen/Qwen2.5-VL-7B-Instruct",
...        "base_url": "http://localhost:8000/v1"}, detector="embedded")             # doctest: +SKIP
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

from neptune.errors import ConfigError, OracleFailedError
from neptune.perception.oracle.caching.cache import Done
from neptune.perception.oracle.caching.exchanges import Exchanges
from neptune.perception.oracle.canvas import MAX_PIXELS
from neptune.perception.oracle.server import reading as read
from neptune.perception.oracle.server.prompts import PictureFormat, Prompts
from neptune.perception.oracle.server.spread import Spread
from neptune.perception.oracle.server.together import side_by_side
from neptune.perception.oracle.visual import VisualForm
from neptune.perception.oracle.yesno import Reading, YesNo
from neptune.scene import Scene
from neptune.scene.identity import identity
from neptune.scene.types import Cost, QueryRequest, ScoreRequest, Scores, Texts
from neptune.servers.client import NO_LOGPROBS, RequestFailedError
from neptune.servers.endpoints import addresses_of, find_endpoint
from neptune.servers.keys import secrets_in
from neptune.servers.readers import choice

SAMPLES = 8
"""Samples for a cell where the server has no log-probabilities."""

SAMPLE_TOKENS = 8
FEWER = 5
"""Likeliest first tokens to ask a server for that refuses to list more: both answers are mostly among them."""

NEITHER = "the model said neither yes nor no"
UNSETTLED = "the log-probabilities do not settle yes or no"
"""Why a cell that was answered has no evidence."""

Ask = Callable[[dict[str, Any], Callable[[Any], Any]], Any]
"""Sends the fields of a request, and returns what the reader makes of the response."""

_LOG = logging.getLogger("neptune")


class _Said(NamedTuple):
    """What came of one cell, ``(logit, mass)`` or ``(text,)``, and what it took; failures are said in the cost."""

    value: tuple[Any, ...]
    cost: Cost
    replies: tuple[Any, ...]

    @staticmethod
    def of(value: tuple[Any, ...], failure: str, took: read.Took) -> _Said:
        return _Said(value, sum(took, Cost(failures={failure: 1} if failure else {})), tuple(took.replies))


class OpenAIOracle:
    """Asks a model behind an address.

    Parameters
    ----------
    model
        Its name at the server; ``None``: the only one that the server has.
    base_url
        The address, e.g. ``http://localhost:8000/v1``; ``None``: the provider's own. Several: a picture stays with one.
    provider
        ``local`` (any server, no key needed), ``openai``, ``openrouter``: where the key comes from.
    revision
        Of the model, for the cache: tells apart what servers call by one name.
    form, form_options
        How objects are shown, see `neptune.perception.oracle.visual`: ``mark``, ``crop``, ``mark+crop``,
        ``coordinates``.
    send_picture
        False for a model that reads text only; it goes with `form` ``coordinates``.
    picture_format
        ``png`` (exact) or ``jpeg`` (smaller).
    detail
        OpenAI's ``detail`` of a picture: ``low``, ``high``, ``auto``; ``None``: not sent.
    max_pixels
        Pictures of more pixels are scaled down first.
    top_logprobs
        Likeliest first tokens to ask for. OpenAI lists no more than 20; llama.cpp any number, vLLM as it was told.
    samples
        Ask for so many samples a cell, at temperature 1, instead of log-probabilities; ``None``: only where the server
        has none, then 8.
    query_tokens
        Length of an answer to an open question.
    seed
        Sent with each request.
    request
        Further fields of each request, e.g. ``{"chat_template_kwargs": {"enable_thinking": false}}``.
    concurrency
        Requests at once, for each server.
    retries, timeout
        Further tries of a request, and the seconds for each.
    requests_per_minute, tokens_per_minute
        Limits to keep to, or ``None``.
    prices
        Money for a million tokens: ``{"prompt": 0.15, "completion": 0.6}``.
    omit
        Fields that no request carries (``["seed"]``), for servers that take none and do not say so.
    trusted_hosts
        Hosts besides the provider's own that may get its key.

    Raises
    ------
    ConfigError
        For a value out of range, an unknown provider, no address, or no key.
    MissingExtraError
        If the package ``openai`` is not installed.
    """

    name = "openai"
    exchanges: Exchanges | None = None
    """Where prompts and raw replies are kept, if anywhere."""
    cell_cost = "dear"
    default_url: str | None = None
    """The address where none is given and the provider has none."""

    def __init__(
        self,
        model: str | None = None,
        base_url: str | Sequence[str] | None = None,
        provider: str = "local",
        revision: str | None = None,
        form: str = "mark",
        form_options: Mapping[str, Any] | None = None,
        send_picture: bool = True,
        picture_format: str = "png",
        detail: str | None = None,
        max_pixels: int = MAX_PIXELS,
        top_logprobs: int = 20,
        samples: int | None = None,
        query_tokens: int = 16,
        seed: int = 0,
        request: Mapping[str, Any] | None = None,
        concurrency: int = 8,
        retries: int = 4,
        timeout: float = 60.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        prices: Mapping[str, float] | None = None,
        omit: Sequence[str] = (),
        trusted_hosts: Sequence[str] = (),
    ) -> None:
        positive: dict[str, float | None] = {"max_pixels": max_pixels, "query_tokens": query_tokens}
        positive |= {"timeout": timeout, "top_logprobs": top_logprobs, "concurrency": concurrency}
        positive |= {"samples": samples, "requests_per_minute": requests_per_minute}
        positive |= {"tokens_per_minute": tokens_per_minute}
        for name, value in positive.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}", where="vlm_options", expected="a number above 0")
        if retries < 0:
            raise ConfigError(f"retries is {retries}", where="vlm_options", expected="0 or more")
        if picture_format not in ("png", "jpeg"):
            raise ConfigError(f"picture_format is '{picture_format}'", expected="png or jpeg")
        if not send_picture and form != "coordinates":
            raise ConfigError(
                f"Without a picture the form '{form}' shows nothing",
                where="vlm_options.send_picture",
                hint="Set vlm_options.form to coordinates",
            )
        for place in secrets_in(dict(request or {}), "vlm_options.request"):
            raise ConfigError(
                "A request's field holds a key, which would be kept with the run",
                where=place,
                hint="Write the key into .env, under the provider's name for it",
            )
        self.endpoint = find_endpoint(provider, "vlm_options.provider")
        self._prompts = Prompts(
            self.endpoint,
            VisualForm.load(form, form_options),
            PictureFormat(send_picture, picture_format, detail, max_pixels),
            seed,
            top_logprobs,
            dict(request or {}),
        )
        self.revision, self.samples, self.query_tokens, self.seed = revision, samples, query_tokens, seed
        self.concurrency, self.prices = concurrency, dict(prices or {})
        self._model = model
        limits = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        options = {"timeout": timeout, "patience": 2 * concurrency + 1, "omit": omit, "trusted_hosts": trusted_hosts}
        addresses = addresses_of(base_url or self.endpoint.base_url or self.default_url)
        self._servers = Spread(self.endpoint, addresses, retries, options | limits)
        self._at_once = concurrency * len(addresses)
        self._pool = ThreadPoolExecutor(self._at_once, "oracle")
        self._finding = threading.Lock()
        self._sampling: bool | None = samples is not None or "logprobs" in omit or None
        """Whether samples are asked for; ``None``: not known yet."""
        self._top = 0 if "top_logprobs" in omit else top_logprobs
        self._why = ""
        """Why there are fewer log-probabilities than were asked for, or none."""

    @cached_property
    def model(self) -> str:
        """The model's name at the server.

        Raises
        ------
        OracleFailedError
            If none was given and the server does not have exactly one.
        """
        if self._model is not None:
            return self._model
        found = self._servers.models()
        if len(found) != 1:
            raise OracleFailedError(
                f"The server has {len(found)} models",
                where=self._servers.base_url,
                expected="vlm_options.model" + (f", one of {', '.join(found[:8])}" if found else ""),
            )
        return found[0]

    @cached_property
    def identity(self) -> str:
        """All that decides a score, for the cache. The address does not: `revision` tells servers apart."""
        evidence: Any = self.samples
        if evidence is None:
            evidence = {"top_logprobs": self._prompts.top, "else_samples": SAMPLES}
        return identity(
            "openai",
            provider=self.endpoint.name,
            model=self.model,
            revision=self.revision,
            evidence=evidence,
            query_tokens=self.query_tokens,
            **self._prompts.identity,
            **({"omit": sorted(omit)} if (omit := self._servers.omit) else {}),
        )

    # --- the protocol ----------------------------------------------------------------------------

    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Answer yes/no questions; NaN for a cell whose request failed for good, with the reason in the cost.

        Raises
        ------
        OracleError
            If a box lies outside its picture, or a question names too many objects.
        OracleFailedError
            If no request can be answered: no server, no such model, a wrong key.
        """
        return self.score_each(requests, lambda request, row, value: None)

    def query(self, requests: Sequence[QueryRequest]) -> list[list[str | None]]:
        """Answer open questions; ``None`` where a request failed for good or none of the choices was named.

        Errors as :meth:`score`.
        """
        return self.query_each(requests, lambda request, row, value: None)

    def score_each(self, requests: Sequence[ScoreRequest], done: Done) -> list[Scores]:
        """Answer as :meth:`score` does, and call `done` with each cell as it comes."""
        return [
            Scores.of_cells([said.value for said in cells], self._cost(cells, scored=bool(cells)))
            for cells in self._all(requests, self._score, done)
        ]

    def query_each(self, requests: Sequence[QueryRequest], done: Done) -> list[list[str | None]]:
        """Answer as :meth:`query` does, and call `done` with each cell as it comes."""
        found = self._all(requests, self._query, done)
        return [Texts([text for said in cells for text in said.value], self._cost(cells)) for cells in found]

    def _all(self, requests: Sequence[Any], ask: Any, done: Done) -> list[list[_Said]]:
        self._prompts.model = self.model  # an error if it can not be known, before anything is asked

        def tell(k: int, row: int, said: _Said) -> None:
            done(k, row, said.value)
            if self.exchanges is not None:
                failed = [f"no evidence: {reason}" for reason in said.cost.failures]
                sent = self._prompts.sent(requests[k], row)
                self.exchanges.add(requests[k], row, *sent, [*map(read.raw, said.replies), *failed])

        return side_by_side(self._pool, requests, ask, tell, ahead=2 * self._at_once)

    def _cost(self, cells: Sequence[_Said], scored: bool = False) -> Cost:
        total = sum((said.cost for said in cells), Cost())
        money = total.prompt_tokens * self.prices.get("prompt", 0.0)
        money += total.completion_tokens * self.prices.get("completion", 0.0)
        remarks = [f"the server gives {self._why}"] if scored and self._why else []
        remarks += self._servers.notes
        if scored and self._sampling:
            remarks.append(
                f"yes and no from n = {self.samples or SAMPLES} samples a cell, k of which say yes: "
                "logit log((k + ½) / (n - k + ½)), variance 1 / (k + ½) + 1 / (n - k + ½)"
            )
        return replace(total, money=money / 1e6, remarks=tuple(remarks))

    # --- one cell --------------------------------------------------------------------------------

    def _asks(self, scene: Scene, stop: threading.Event) -> Ask:
        picture = scene.name if scene.picture is None else scene.picture.digest
        return partial(self._servers.ask, stop=stop, picture=picture)

    def _score(self, request: ScoreRequest, row: int, stop: threading.Event) -> _Said:
        fields = self._prompts.fields(request, row, "score")
        took = read.Took()
        try:
            found = self._yes_no(fields, took, self._asks(request.scene, stop))
        except RequestFailedError as error:
            return _Said.of(YesNo(math.nan, 0.0), str(error), took)
        said = found.said() if isinstance(found, Reading) else found
        if not math.isnan(said.logit):
            return _Said.of(said, "", took)
        return _Said.of(said, UNSETTLED if isinstance(found, Reading) and found.heard else NEITHER, took)

    def _yes_no(self, fields: dict[str, Any], took: read.Took, ask: Ask) -> YesNo | Reading:
        if self._sampling is None:
            with self._finding:  # one request finds out; the others wait for it
                if self._sampling is None:
                    found = self._listed(fields, took, ask)
                    self._sampling = found is None
                    if found is not None:
                        return found
                    _LOG.warning(
                        "The server gives %s: %d samples a cell are asked for instead. "
                        "If it takes fewer, set vlm_options.top_logprobs.",
                        self._why or "no log-probabilities",
                        SAMPLES,
                    )
        if self._sampling:
            return self._by_samples(fields, took, ask)
        reader = read.noting(took, partial(read.listed, asked=self._top or None))
        known: Reading = ask(self._prompts.with_top(fields, self._top), reader)
        return known

    def _listed(self, fields: dict[str, Any], took: read.Took, ask: Ask) -> Reading | None:
        """Ask with log-probabilities a server of which it is not known whether it has any; ``None``: it has none."""
        refused: RequestFailedError | None = None
        for top in dict.fromkeys(top for top in (self._top, FEWER, 0) if top <= self._top):
            if top < min(FEWER, self._top) and (refused is None or "top_logprobs" not in str(refused)):
                continue  # no list at all: only where that is what it refuses
            try:
                found: Reading | None = None
                reader = read.noting(took, partial(read.yes_no, asked=top or None))
                for _ in range(2):  # a server may fail in just this way once: it is asked again before it is believed
                    found = found or ask(self._prompts.with_top(fields, top), reader)
            except RequestFailedError as error:
                if error.status not in (400, 422) and not (error.status and NO_LOGPROBS.search(str(error))):
                    raise
                refused = refused or error
                continue
            if refused is not None and found is not None:
                self._top = top
                self._why = f"{top} log-probabilities a token, not {self._prompts.top}: {refused}"
                _LOG.warning("The server gives %s. Set vlm_options.top_logprobs.", self._why)
            return found
        assert refused is not None  # else it was answered
        try:  # does it take the same request without them?
            ask(self._prompts.sized(fields, SAMPLE_TOKENS), read.texts)
        except RequestFailedError:
            raise refused from None
        self._why = f"no log-probabilities: {refused}"
        return None

    def _by_samples(self, fields: dict[str, Any], took: read.Took, ask: Ask) -> YesNo:
        wanted = self.samples or SAMPLES
        votes: list[str] = []
        while len(votes) < wanted:
            request = self._prompts.sized(fields, SAMPLE_TOKENS) | {"temperature": 1.0}
            if self.endpoint.seed:
                request["seed"] = self.seed + len(votes)
            if self.endpoint.many and wanted - len(votes) > 1:
                request["n"] = wanted - len(votes)  # a server that gives fewer is asked again
            votes += ask(request, read.noting(took, read.texts))
        return read.sampled(votes[:wanted])

    def _query(self, request: QueryRequest, row: int, stop: threading.Event) -> _Said:
        took = read.Took()
        fields = self._prompts.sized(self._prompts.fields(request, row, "query"), self.query_tokens)
        try:
            text = self._asks(request.scene, stop)(fields, read.noting(took, read.first_text))
        except RequestFailedError as error:
            return _Said.of((None,), str(error), took)
        value = choice(text, request.choices)
        return _Said.of((value,), "the model named none of the choices" if value is None else "", took)


class VllmOracle(OpenAIOracle):
    """NePTune's ``intern_vllm``: an :class:`OpenAIOracle`, by default at the address of a local vLLM server."""

    default_url = "http://localhost:8000/v1"
