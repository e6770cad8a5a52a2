"""One conversation with a language model behind an OpenAI-compatible address: replies, or an error that teaches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from neptune.errors import ConfigError, MissingExtraError
from neptune.servers import replies
from neptune.servers.client import MOST_DROPPED, said, short, tokens_of
from neptune.servers.connect import ADDRESS, INSTALL, connect
from neptune.servers.endpoints import OWNERS, find_endpoint
from neptune.servers.fields import Fields
from neptune.servers.listed import get
from neptune.servers.transport import words_of
from neptune.writer import failures
from neptune.writer.grammars import PROGRAM, request_fields

if TYPE_CHECKING:
    from neptune.config import Config

_LOG = logging.getLogger("neptune")

Message = dict[str, str]
"""``{"role": "system" | "user" | "assistant", "content": text}``."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used: requests, tokens, and money where prices are known. Adds up with ``+``."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(*(mine + its for mine, its in zip(astuple(self), astuple(other))))

    def as_dict(self) -> dict[str, float]:
        """Return the counters under the names of a record's usage."""
        return {
            "code_gen_calls": self.calls,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "code_gen_cost": round(self.cost, 8),
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """One sample of a model: its text, or why there is none (`failure`)."""

    text: str
    failure: failures.ReplyError | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is asked.

    Parameters
    ----------
    provider, model, base_url
        Who; `base_url` overrides the provider's own.
    temperature, seed, max_tokens
        Of sampling; a temperature of ``None`` is not sent (some models take none).
    timeout
        Seconds for one request.
    retries
        How often the SDK tries again after a rate limit, a server error or a lost connection.
    concurrency
        The most requests at once.
    constrained
        ``"off"``, ``"auto"`` or a form of :data:`neptune.writer.grammars.FORMS`.
    prices
        Money for a million tokens: ``{"prompt": 0.15, "completion": 0.6}``.
    omit
        Fields that no request carries.
    trusted_hosts
        Hosts besides the provider's own that may get its key.
    replies
        What a grammar binds: programs, or replies of a conversation (:data:`neptune.writer.grammars.REPLIES`).
    """

    provider: str
    model: str
    base_url: str | None = None
    temperature: float | None = 0.0
    seed: int | None = 0
    max_tokens: int = 512
    timeout: float = 60.0
    retries: int = 4
    concurrency: int = 4
    constrained: str = "auto"
    prices: Mapping[str, float] = field(default_factory=dict)
    omit: Sequence[str] = ()
    trusted_hosts: Sequence[str] = ()
    replies: str = PROGRAM

    @classmethod
    def of(cls, config: Config) -> Settings:
        """Return how a config's language model (its fields ``code_gen_…``) is asked."""
        return cls(
            config.code_gen_provider,
            str(config.code_gen_model_name),
            config.code_gen_base_url,
            config.code_gen_temperature,
            config.seed,
            config.code_gen_max_tokens,
            config.code_gen_timeout,
            config.code_gen_retries,
            config.code_gen_concurrency,
            config.code_gen_constrained,
            config.code_gen_prices,
            config.code_gen_omit,
            config.trusted_hosts,
        )


class Chat:
    """Asks one model; safe to use from many threads.

    Attributes
    ----------
    note : str
        What every program of this model should say of its making; ``""`` for nothing.

    Raises
    ------
    ConfigError
        For an unknown provider, or a provider without an address.
    MissingExtraError
        If the package ``openai`` is not installed.
    MissingKeyError
        If the provider needs a key and there is none.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.endpoint = find_endpoint(settings.provider, "code_gen_provider")
        self.base_url = settings.base_url or self.endpoint.base_url
        self._api = connect(
            self.endpoint,
            settings.base_url,
            settings.timeout,
            settings.retries,
            no_address=ConfigError(
                f"The provider '{settings.provider}' has no address", where="code_gen_base_url", expected=ADDRESS
            ),
            no_package=MissingExtraError(
                "Programs from a language model need the package 'openai'",
                where=f"code_gen_provider {settings.provider}",
                hint=INSTALL,
            ),
            no_key=failures.MissingKeyError,
            where="code_gen_base_url",
            trusted=settings.trusted_hosts,
        )
        self.fields = Fields(settings.omit)
        self._slots = threading.BoundedSemaphore(max(1, settings.concurrency))
        self._lock = threading.Lock()
        self._form: str | None = None
        self.note = ""

    @property
    def form(self) -> str:
        """The form of constrained decoding in use: ``"off"``, ``"gbnf"``, ``"llguidance"`` or ``"openai"``."""
        with self._lock:
            if self._form is None:
                self._form = self._find_form()
            return self._form

    def _find_form(self) -> str:
        wanted = self.settings.constrained
        if wanted != "auto":
            return wanted
        if self.endpoint.grammar == "openai":
            name = self.settings.model.rsplit("/", 1)[-1]
            return "openai" if name.startswith(self.endpoint.grammar_models) else "off"
        if self.endpoint.grammar != "ask":
            return "off"
        try:
            found = get(self._api.models.list(), "data")
        except Exception as error:
            if getattr(error, "status_code", None) in (404, 405, 501):
                return "off"  # a server that does not list its models
            raise self._failure(error) from error
        owners = [str(get(m, "owned_by")).lower() for m in found] if isinstance(found, list) else []
        return next((OWNERS[o] for o in owners if o in OWNERS), "off")

    def ask(
        self, messages: Sequence[Message], n: int = 1, seed_offset: int = 0, at_least: float = 0.0
    ) -> tuple[list[Reply], Spent]:
        """Return `n` replies to a conversation, and what they cost.

        The temperature is raised to `at_least` where the model takes one. A reply that was refused, is empty
        or was cut off is in the list with its `failure`.

        Raises
        ------
        ProviderError
            If the provider fails after the SDK's retries.
        """
        form = self.form
        if n > 1 and (not self.endpoint.many or "n" in self.fields.omit | self.fields.dropped()):
            return self._one_by_one(messages, n, seed_offset, at_least)
        request = self._request(messages, n, seed_offset, form)
        if "temperature" in request:
            request["temperature"] = max(request["temperature"], at_least)
        with self._slots:
            try:
                response = self._sent(request)
            except failures.BadRequestError:
                if form == "off" or self.settings.constrained != "auto":
                    raise
                response = None
        if response is None:
            with self._lock:
                self._form = "off"
                self._say(f"the provider refused the grammar ({form}); programs are decoded freely")
            return self.ask(messages, n, seed_offset, at_least)
        replies, spent = self._read(response)[:n], self._spent(response)
        if len(replies) < n:  # a server that gives fewer samples than it is asked for
            more, cost = self._one_by_one(messages, n - len(replies), seed_offset + len(replies), at_least)
            return replies + more, spent + cost
        return replies, spent

    def _one_by_one(
        self, messages: Sequence[Message], n: int, seed_offset: int, at_least: float
    ) -> tuple[list[Reply], Spent]:
        replies, spent = list[Reply](), Spent()
        for i in range(n):
            more, cost = self.ask(messages, 1, seed_offset + i, at_least)
            replies, spent = replies + more, spent + cost
        return replies, spent

    def _sent(self, request: dict[str, Any]) -> Any:
        """Send a request, without the fields that the provider says it does not take."""
        without: list[tuple[str, str]] = []
        while True:
            sent = self.fields.fit(request, [name for name, _ in without])
            try:
                response = self._api.chat.completions.create(**sent)
            except Exception as error:
                name = self.fields.refused(error, sent, said(error))
                if name is None or len(without) > MOST_DROPPED:
                    raise self._failure(error) from error
                without.append((name, said(error)))
                continue
            for note in self.fields.learn(without):
                _LOG.warning("%s", note[:1].upper() + note[1:])
                with self._lock:
                    self._say(note)
            return response

    def _say(self, note: str) -> None:
        self.note = "; ".join(part for part in (self.note, note) if part)

    def _request(self, messages: Sequence[Message], n: int, seed_offset: int, form: str) -> dict[str, Any]:
        s = self.settings
        request: dict[str, Any] = {"model": s.model, "messages": list(messages)}
        request[self.endpoint.token_limit] = s.max_tokens
        if s.temperature is not None:
            request["temperature"] = s.temperature
        if n > 1:
            request["n"] = n
        if s.seed is not None and self.endpoint.seed:
            request["seed"] = s.seed + seed_offset
        return request | request_fields(form, s.replies)

    # --- reading replies -------------------------------------------------------------------------

    def _read(self, response: Any) -> list[Reply]:
        choices = replies.choices(response)
        if not choices:
            raise failures.ConnectionFailedError(
                "The provider's answer is not a chat completion",
                where=self._where(),
                hint="Check code_gen_base_url; the same command resumes",
            )
        return [self._reply(choice) for choice in choices]

    def _reply(self, choice: Any) -> Reply:
        reply = replies.said(choice)
        where = self._where()
        failure: failures.ReplyError | None = None
        if reply.refusal is not None:
            why = f": {short(reply.refusal)}" if reply.refusal else " (a content filter)"
            failure = failures.RefusedError(f"The model refused to write a program{why}", where=where)
        elif reply.finish == "length":
            what = "thought" if reply.cut else "program"
            failure = failures.TruncatedError(
                f"The {what} was cut off at {self.settings.max_tokens} tokens",
                where=where,
                hint="Raise code_gen_max_tokens",
            )
        elif reply.cut:
            failure = failures.UnreadableError(
                "The reply is a thought that does not end, without an answer",
                where=where,
                hint="Raise code_gen_max_tokens, or take a model that does not think",
            )
        elif reply.error:
            failure = failures.UnreadableError(f"The reply broke off: {short(reply.error)}", where=where)
        elif not reply.text.strip():
            hint = "Try another model or a temperature above 0"
            failure = failures.EmptyReplyError("The model's reply is empty", where=where, hint=hint)
        return Reply(reply.text, failure)

    def _spent(self, response: Any) -> Spent:
        prompt, completion = tokens_of(response)
        prices = self.settings.prices
        money = prompt * prices.get("prompt", 0.0) + completion * prices.get("completion", 0.0)
        return Spent(1, prompt, completion, money / 1e6)

    # --- failures --------------------------------------------------------------------------------

    def _where(self) -> str:
        return f"{self.settings.provider}, model {self.settings.model}"

    def _failure(self, error: Exception) -> failures.ProviderError:
        """Return the error of this package for one of the SDK, of the connection, or of JSON."""
        import openai

        where, again = self._where(), "The same command resumes"
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            return failures.MissingKeyError(
                f"The provider refuses the key ({status}): {said(error)}",
                where=where,
                hint=f"Check {self.endpoint.key_variable}",
            )
        if status == 404:
            return failures.UnknownModelError(
                f"There is no model '{self.settings.model}' at {self.base_url}",
                where=where,
                expected="a model of this provider",
                hint="Check code_gen_model_name and code_gen_base_url",
            )
        if status == 402:
            return failures.MissingKeyError(f"The account has no credit (402): {said(error)}", where=where)
        if status == 429:
            return failures.RateLimitedError(
                f"The provider is asked too often, also after {self.settings.retries} retries",
                where=where,
                hint=f"Lower code_gen_concurrency or wait. {again}",
            )
        if isinstance(status, int) and 400 <= status < 500 and status not in (408, 409):
            return failures.BadRequestError(
                f"The provider does not take the request ({status}): {said(error)}",
                where=where,
                hint="Try code_gen_constrained off, or code_gen_omit with the field that it names",
            )
        if words := words_of(error):
            what = f"{words[:1].upper()}{words[1:]} ({self.base_url})"
        elif isinstance(error, openai.APITimeoutError):
            what = f"No answer within {self.settings.timeout:g} s"
        elif isinstance(error, openai.APIConnectionError):
            what = f"No connection to {self.base_url}"
        elif status is not None:
            what = f"The provider failed ({status}): {said(error)}"
        else:
            what = f"The provider's answer can not be read: {short(error)}"
        return failures.ConnectionFailedError(
            what, where=where, hint=f"Check that the server runs (code_gen_base_url, code_gen_timeout). {again}"
        )
