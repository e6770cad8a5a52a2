"""Functions that conversations made and that served: a file that later conversations are offered.

A function is kept when the same source served right answers in several samples, and each of those conversations comes
out the same again with the kept function in the place of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dsl
from dsl.syntax import ast
from neptune.agent.conversation import Talk, Tool
from neptune.errors import ConfigError, one_of
from neptune.saving import locked, replacing

ENOUGH = 2
"""So many samples a function has to have served."""
MOST_OFFERED = 20
WHAT = "The library of functions"

Check = Callable[[str, str], bool]
"""Of a sample's id and a function's source: whether that sample's conversation comes out the same with it."""


class Library:
    """A library's file.

    Parameters
    ----------
    path
        The file; it need not be there.

    Raises
    ------
    ConfigError
        If it is there and is no library.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries = self._read()

    def _read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            entries = list(content["functions"])
            for entry in entries:
                _ = entry["name"] + entry["signature"] + entry["source"] + entry["language"], list(entry["samples"])
                _ = bool(entry["kept"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                "This is no library of functions", where=str(self.path), expected='{"functions": [{"name": …}]}',
                hint="Name another file as tool_library, or remove this one",
            ) from error  # fmt: skip
        return entries

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the entries as they are in the file by now, while no other process does; then write them."""
        with locked(self.path, WHAT):
            self.entries = self._read()
            yield
            with replacing(self.path, WHAT) as file:
                file.write(json.dumps({"functions": self.entries}, indent=1, ensure_ascii=False).encode() + b"\n")

    def offered(self, sandbox: str) -> list[Tool]:
        """Return the kept functions of the language (``none``) or of Python, those first that served most."""
        kept = [e for e in self.entries if e["kept"] and e["language"] == _language(sandbox)]
        kept.sort(key=lambda e: -len(e["samples"]))
        return [Tool(e["name"], e["signature"], e["source"], 0) for e in kept[:MOST_OFFERED]]

    def learn(self, sample: str, talk: Talk, sandbox: str, correct: bool, check: Check) -> list[str]:
        """Take note of the functions of one conversation; return the names of those that are kept from now on.

        Parameters
        ----------
        sample
            Its sample's id.
        talk
            The conversation.
        sandbox
            Where its programs ran.
        correct
            Whether its answer was right: of others nothing is learned.
        check
            Runs the conversation of a sample again with a function in the place of its own.
        """
        if not correct:
            return []
        made = []
        with self._changing():
            for tool in talk.tools.values():
                if tool.used and self._served(tool, sample, sandbox, check):
                    made.append(tool.name)
        return made

    def _served(self, tool: Tool, sample: str, sandbox: str, check: Check) -> bool:
        """Take note that a function served a sample; tell whether it is kept from now on."""
        source = definition(tool.source, tool.name) if sandbox == "none" else tool.source
        if source is None:
            return False
        entry = next((e for e in self.entries if (e["name"], e["source"]) == (tool.name, source)), None)
        if entry is None:
            entry = {
                "name": tool.name, "signature": tool.signature, "source": source, "language": _language(sandbox),
                "samples": [], "kept": False,
            }  # fmt: skip
            self.entries.append(entry)
        if sample not in entry["samples"]:
            entry["samples"].append(sample)
        taken = any(e["kept"] and e["name"] == tool.name for e in self.entries)
        if entry["kept"] or taken or len(entry["samples"]) < ENOUGH:
            return False
        entry["kept"] = all(check(one, source) for one in entry["samples"])
        return bool(entry["kept"])

    def remove(self, *names: str) -> None:
        """Take functions out: all that have one of these names.

        Raises
        ------
        ConfigError
            If there is none of a name; then all stay.
        """
        if not names:
            return
        with self._changing():
            known = {e["name"] for e in self.entries}
            for name in names:
                if name not in known:
                    hint = one_of(name, sorted(known)) if known else {"expected": "it is empty"}
                    raise ConfigError(f"The library holds no function '{name}'", where=str(self.path), **hint)
            self.entries = [e for e in self.entries if e["name"] not in names]


def definition(block: str, name: str) -> str | None:
    """Return the last definition of a function in a block of the language, printed; ``None``: there is none."""
    try:
        tree = dsl.parse(block, dialect="patches")
    except dsl.ProgramError:
        return None
    found = [s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == name]
    return dsl.print_program(ast.Program((found[-1],), dialect="patches")) if found else None


def without(block: str, name: str) -> str:
    """Return a block of the language without the definition of a function; ``pass`` where it was no more than that."""
    tree = dsl.parse(block, dialect="patches")
    rest = tuple(s for s in tree.body if not (isinstance(s, ast.FunctionDef) and s.name == name))
    return dsl.print_program(ast.Program(rest, dialect="patches")) if rest else "pass"


def same_with(programs: Sequence[str], name: str, source: str, run: Callable[[Sequence[str]], Any]) -> bool:
    """Tell whether programs come out the same with a function from the library in the place of their own.

    Parameters
    ----------
    programs
        The blocks of a conversation, in order.
    name, source
        The function.
    run
        Runs blocks from the beginning, and returns what came of the last.
    """
    before = run(programs)
    return bool(before == run([source, *(without(p, name) for p in programs)]))


def _language(sandbox: str) -> str:
    return "neptune" if sandbox == "none" else "python"
