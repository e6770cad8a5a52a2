"""From a question to a program that passes the checks.

    writer = Writer.from_config(config)
    written = writer.write("How many red cubes are there?", "clevr")

One question: the cache first; then the embedded reader, which needs no model (:mod:`neptune.writer.english`); or a
model, whose program is taken out of its reply, checked, and sent back with its error at most `repairs` times; then the
cache again, for the next run. What the checker finds costs no oracle call.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dsl
from dsl.limits import Limits
from dsl.vocabulary import Vocabulary
from neptune.errors import ConfigError
from neptune.resources import vocabulary_of
from neptune.writer import failures
from neptune.writer.asking import refuse_unasked
from neptune.writer.chat import Chat, Message, Reply, Settings, Spent
from neptune.writer.extract import extract
from neptune.writer.prompt import PATCHES, Prompt
from neptune.writer.several.settle import Asker, Several
from neptune.writer.store import Entry, ProgramStore, make_key
from neptune.writer.vote import Candidate, Examine, examine_text, merge

if TYPE_CHECKING:
    from neptune.config import Config
    from neptune.writer.english import Reader

EMBEDDED = "embedded"
"""The provider that needs no model."""

WARMER = 0.7
"""The least temperature of a repair after a model has repeated its mistake word by word."""


@dataclass(frozen=True, slots=True)
class Written:
    """A program for a question.

    Parameters
    ----------
    program
        Its text; of several, the one that most samples meant.
    notes
        What was taken away, mended or merged on the way, in words.
    usage
        What this call used; nothing if it came from the cache.
    source
        ``"cache"``, ``"embedded"``, or the model's name.
    candidates
        All different programs with their weights, `program` first.
    prompt_hash
        See :class:`~neptune.writer.prompt.Prompt`; ``""`` where no prompt is known.
    dispute
        Where different programs were written and a small scene parts them: the scene, and what each says of it; see
        :class:`~neptune.writer.several.settle.Settled`.
    """

    program: str
    notes: tuple[str, ...] = ()
    usage: Spent = field(default_factory=Spent)
    source: str = "cache"
    candidates: tuple[Candidate, ...] = ()
    prompt_hash: str = ""
    dispute: Mapping[str, Any] | None = None


class Writer:
    """Writes programs. Safe to use from many threads.

    Parameters
    ----------
    chat
        The model; ``None``: the cache alone, or the reader.
    store
        The cache; ``None``: nothing is kept.
    vocabulary
        The domain's words, for the prompt and the checks.
    limits
        Of the checks.
    samples
        How many programs are asked for each question.
    repairs
        How often a program may be sent back with its error.
    dialect, length
        Of the prompt; ``"patches"`` of the checks too.
    examine
        Checks a program and says which are the same; by default the language's own checks. The engine gives one that
        compares plans.
    model
        With the cache alone: take programs of this model only.
    reader
        Reads questions by itself, without a model; what is in the cache comes first.
    several
        What is done with different programs for one question; by default they vote by their keys.
    """

    def __init__(
        self,
        chat: Chat | None,
        store: ProgramStore | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        limits: Limits | None = None,
        samples: int = 1,
        repairs: int = 2,
        dialect: str = "first_order",
        length: str = "full",
        examine: Examine | None = None,
        model: str | None = None,
        reader: Reader | None = None,
        several: Several | None = None,
    ) -> None:
        self.several = several or Several()
        self.chat, self.store, self.reader = chat, store, reader
        self.vocabulary = vocabulary if vocabulary is not None else Vocabulary.open()
        self.samples, self.repairs, self.model = samples, repairs, model
        self.dialect, self.length = dialect, length
        self.limits = limits or Limits()
        self.examine = examine or examine_text(self.vocabulary, self.limits, self.language)
        self._prompts: dict[str, Prompt] = {}
        self._lock = threading.Lock()
        self.spent = Spent()

    @classmethod
    def from_config(cls, config: Config, examine: Examine | None = None, several: Several | None = None) -> Writer:
        """Return the writer that a configuration describes.

        Raises
        ------
        ConfigError
            If a field is missing or has no sense.
        NeptuneError
            If the key, the package ``openai`` or the program cache is missing.
        """
        vocabulary = vocabulary_of(config.vocabulary)
        provider, model = config.code_gen_provider, config.code_gen_model_name
        address = config.program_cache_address
        limits = Limits(**config.limits)
        if provider == "cache":
            if address is None:
                raise ConfigError("program_cache_address is not given", hint="code_gen_provider cache needs it")
            store = ProgramStore(address, writable=False)
            return cls(None, store, vocabulary=vocabulary, limits=limits, examine=examine, model=model)
        if provider == EMBEDDED:
            known = ProgramStore(address, writable=False) if address is not None else None
            return cls.embedded(vocabulary, limits=limits, store=known)
        if not model:
            raise ConfigError(
                f"code_gen_model_name is not given; code_gen_provider {provider} needs it",
                expected="the provider's name of a language model",
            )
        chat = Chat(Settings.of(config))
        return cls(
            chat,
            ProgramStore(address or default_cache(model)),
            vocabulary=vocabulary,
            limits=limits,
            samples=config.code_gen_samples,
            repairs=config.code_gen_repairs,
            dialect=config.code_gen_dialect,
            length=config.code_gen_prompt,
            examine=examine,
            several=several,
        )

    @classmethod
    def embedded(
        cls, vocabulary: Vocabulary, *, limits: Limits | None = None, store: ProgramStore | None = None
    ) -> Writer:
        """Return the writer that needs no model: it reads questions in English about a world whose words it knows.

        Parameters
        ----------
        vocabulary
            The world's words.
        limits
            Of programs.
        store
            Programs that are known already.

        Raises
        ------
        ConfigError
            If the vocabulary has no words.
        """
        from neptune.writer.english import reader_of

        return cls(None, store, vocabulary=vocabulary, limits=limits, reader=reader_of(vocabulary))

    def prompt(self, task: str) -> Prompt:
        """Return the prompt of a task; made once."""
        with self._lock:
            if task not in self._prompts:
                self._prompts[task] = Prompt(task, self.vocabulary, self.dialect, self.length)
            return self._prompts[task]

    def prompt_hash(self, task: str) -> str:
        """Return the hash of a task's prompt; ``""`` where no model is asked."""
        return self.prompt(task).hash if self.chat is not None else ""

    @property
    def language(self) -> str | None:
        """The dialect that its programs are known to be of: ``"patches"``, or ``None`` where each tells itself."""
        return PATCHES if self.dialect == PATCHES else None

    # --- writing ---------------------------------------------------------------------------------

    def write(self, question: str, task: str = "default") -> Written:
        """Return the program of a question.

        Raises
        ------
        ProviderError
            If the provider fails, whatever the question.
        ReplyError
            If no sample is a program: refused, empty, cut off.
        dsl.ProgramError
            If the best program is still wrong after every repair; it carries the program's text.
        NoProgramError
            If there is neither model nor reader, and the cache does not have the question.
        NotUnderstoodError
            If the reader does not understand it.
        """
        if self.chat is None:
            entry = self.store.find(question, task, self.model) if self.store is not None else None
            if entry is None and self.reader is not None:
                reading = self.reader.read(question)
                return Written(reading.program, reading.notes, source=EMBEDDED)
            if entry is None:
                assert self.store is not None
                raise failures.NoProgramError(
                    f"The question has no program: {question[:80]!r}",
                    where=str(self.store.path if self.store.plain is None else self.store.plain.source),
                    hint="Add it to the file, or set code_gen_provider to one that writes programs",
                )
            return _from_entry(entry)
        prompt = self.prompt(task)
        key = make_key(question, task, prompt.hash, self.chat.settings.model, self._settings())
        if self.store is not None:
            entry = self.store.get(key)
            if entry is None and self.store.plain is not None and self.store.plain.get(question):
                entry = self.store.find(question, model="")
            if entry is not None:
                return _from_entry(entry)
        written = self._ask(prompt, question)
        if self.store is not None:
            self.store.add(key, self._entry(question, task, written))
        return written

    def close(self) -> None:
        """Bring the cache into its final form."""
        if self.store is not None and self.chat is not None:
            self.store.close()

    def _settings(self) -> dict[str, Any]:
        assert self.chat is not None
        asked = ("provider", "temperature", "seed", "max_tokens", "constrained")
        fields = {name: getattr(self.chat.settings, name) for name in asked}
        omit = sorted(self.chat.settings.omit)
        checks = {"checks": sorted(self.several.checks)} if self.several.checks else {}
        return fields | {"samples": self.samples, "repairs": self.repairs} | ({"omit": omit} if omit else {}) | checks

    def _entry(self, question: str, task: str, written: Written) -> Entry:
        return {
            "question": question,
            "task": task,
            "model": written.source,
            "prompt_hash": written.prompt_hash,
            "settings": self._settings(),
            "programs": [{"program": c.program, "weight": round(c.weight, 6)} for c in written.candidates],
            "notes": list(written.notes),
            "usage": written.usage.as_dict(),
            **({"dispute": written.dispute} if written.dispute else {}),
        }

    def _ask(self, prompt: Prompt, question: str) -> Written:
        assert self.chat is not None
        messages = prompt.ask(question)
        replies, spent = self.chat.ask(messages, self.samples)
        good: list[tuple[str, Hashable]] = []
        notes: list[str] = []
        faults: list[Exception] = []
        try:
            for number, reply in enumerate(replies):
                try:
                    program, key, more, cost = self._mend(messages, reply, seed_offset=number)
                except _Failed as failed:
                    spent += failed.spent
                    faults.append(failed.cause)
                    continue
                spent += cost
                good.append((program, key if key is not None else ("text", program)))
                notes += [f"program {number + 1}: {n}" for n in more] if len(replies) > 1 else more
        finally:
            with self._lock:
                self.spent += spent
        if not good:
            # a program with its error says more than a reply without one
            worst = next((f for f in faults if isinstance(f, dsl.ProgramError)), faults[0])
            worst.__dict__["spent"] = spent
            raise worst
        if self.chat.note:
            notes.append(self.chat.note)
        if faults:
            notes.append(f"{len(faults)} of {len(replies)} samples were no programs")
        candidates, dispute = merge(good), None
        if len(replies) > 1:
            notes.append(f"{len(good)} programs, {len(candidates)} different")
        if len(candidates) > 1:
            try:
                candidates, more, cost, dispute = self.several.settled(candidates, question, self._asker(messages))
            except failures.ProviderError as error:
                error.__dict__["spent"] = spent
                raise
            notes, spent = [*notes, *more], spent + cost
            with self._lock:
                self.spent += cost
        model = self.chat.settings.model
        return Written(candidates[0].program, tuple(notes), spent, model, tuple(candidates), prompt.hash, dispute)

    def _asker(self, messages: list[Message]) -> Asker:
        """Return what asks the model once more after its prompt, for a text or for a program that passes the checks."""

        def ask(text: str, program: bool) -> tuple[str | None, Spent]:
            assert self.chat is not None
            more: list[Message] = [*messages, {"role": "assistant", "content": "…"}, {"role": "user", "content": text}]
            replies, spent = self.chat.ask(more, 1)
            if not program:
                return (replies[0].text if replies[0].failure is None else None), spent
            try:
                found, _, _, cost = self._mend(messages, replies[0], seed_offset=0)
            except _Failed as failed:
                return None, spent + failed.spent
            return found, spent + cost

        return ask

    def _mend(self, messages: list[Message], reply: Reply, seed_offset: int) -> tuple[str, Hashable, list[str], Spent]:
        """Return (program, key, notes, cost) of one reply, sent back with its error while repairs are left."""
        assert self.chat is not None
        spent, notes, question = Spent(), list[str](), messages[-1]["content"]
        before: str | None = None
        for attempt in range(self.repairs + 1):
            fault: Exception
            if reply.failure is not None:
                fault = reply.failure
                again = Prompt.retry(fault.one_line(), question)
                final = isinstance(fault, failures.RefusedError)
            else:
                found = extract(reply.text)
                try:
                    refuse_unasked(found.program, self.language)
                    key = self.examine(found.program)
                    return found.program, key, [*notes, *found.notes], spent
                except dsl.ProgramError as error:
                    fault = error if error.source is not None else error.with_source(found.program)
                    again, final = Prompt.repair(str(error), question), False
            if final or attempt == self.repairs:
                raise _Failed(fault, spent)
            said = {"role": "assistant", "content": reply.text.strip()[:2000] or "…"}
            # a model that has said the same twice says it again, unless it is made to choose differently
            warmer = WARMER if reply.text == before else 0.0
            before = reply.text
            replies, cost = self.chat.ask([*messages, said, again], 1, seed_offset + attempt, warmer)
            reply, spent = replies[0], spent + cost
            what = fault.what if isinstance(fault, dsl.ProgramError) else str(fault)
            notes.append(f"sent back: {what}")
        raise AssertionError("unreachable")


class _Failed(Exception):
    """One sample failed; what it cost is still counted."""

    def __init__(self, cause: Exception, spent: Spent) -> None:
        self.cause, self.spent = cause, spent


def _from_entry(entry: Entry) -> Written:
    candidates = tuple(Candidate(p["program"], float(p.get("weight", 1.0))) for p in entry["programs"])
    notes = tuple(str(n) for n in entry.get("notes", ()))
    dispute, of = entry.get("dispute"), str(entry.get("prompt_hash") or "")
    kept = dispute if isinstance(dispute, Mapping) else None
    return Written(candidates[0].program, notes, Spent(), "cache", candidates, of, kept)


def default_cache(model: str) -> Path:
    """Return where the programs of a model are kept when ``program_cache_address`` does not say."""
    slug = "".join(c if c.isalnum() or c in "-." else "-" for c in model.lower()).strip("-.") or "model"
    return Path("programs") / f"written-{slug}.json"
