"""The two forms of a conversation: this project's own, and PyVision's tags. What is said to the model, what it says."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dsl.patches.declared import FUNCTIONS, METHODS, REGION, Function
from dsl.patches.tools import TOOLS
from dsl.patches.turns import TURN_FUNCTIONS
from neptune.agent.blocks import Result
from neptune.agent.shots import Clue
from neptune.resources import prompts

Format = Literal["own", "pyvision"]
FORMATS = ("own", "pyvision")
MOST_TEXT = 6000
"""So many characters of a block's text go back to the model."""
LONGEST_REPLY = 100_000
NOTHING = "The reply has neither code nor an answer."

Content = list[dict[str, Any]]
"""Parts of a message: texts and pictures, as OpenAI-compatible servers take them."""


@dataclass(frozen=True, slots=True)
class Move:
    """What a reply says.

    Parameters
    ----------
    kind
        ``code``, ``answer``, or ``nothing``: it is neither, or cannot be read.
    text
        The code, the answer, or what is wrong with the reply.
    """

    kind: Literal["code", "answer", "nothing"]
    text: str


# --- what the model is told ---


def system_text(
    form: Format,
    turns: int,
    python: bool,
    tools: Sequence[str] = (),
    seconds: float = 20.0,
    lacking: Collection[str] = (),
) -> str:
    """Return the first message: the form, the language, the tools.

    Parameters
    ----------
    form
        Of the replies.
    turns
        How many there may be.
    python
        Whether blocks are Python in a sandbox.
    tools
        Signatures of tools that earlier conversations made.
    seconds
        Of one block of Python.
    lacking
        What is not there: ``depth``, ``knowledge``, ``text``; functions that need it are not told of.
    """
    folder = prompts() / "turns"
    language = (folder / ("python.md" if python else "language.md")).read_text(encoding="utf-8").strip()
    regions = [f for f in METHODS[REGION].values() if f.told]
    tables = {
        "regions": _told(regions, "p.", lacking),
        "picture_tools": _told(TOOLS.values(), ".", lacking),
        "functions": _told([*TURN_FUNCTIONS.values(), *(f for f in FUNCTIONS.values() if f.told)], "", lacking),
        "seconds": f"{seconds:g}",
    }
    for name, table in tables.items():
        language = language.replace(f"{{{{{name}}}}}", table)
    made = f"\nFunctions from earlier questions: {'; '.join(tools)}.\n" if tools else ""
    text = (folder / f"{form}.md").read_text(encoding="utf-8").strip()
    return text.replace("{{language}}", language).replace("{{tools}}", made).replace("{{turns}}", str(turns))


def _told(functions: Iterable[Function], before: str, lacking: Collection[str]) -> str:
    """Return a line for each function, from its declaration."""
    return "\n".join(f"- {before}{f.signature}: {f.doc}" for f in functions if f.needs not in lacking)


def question_content(form: Format, question: str, clues: Sequence[Clue]) -> Content:
    """Return the message with the question and its pictures."""
    parts: Content = []
    for clue in clues:
        width, height = clue.picture.size
        parts += _pictured(form, clue, f"{clue.name}, {width} x {height} pixels:")
    return [*parts, _text(f"Question: {question}")]


def result_content(form: Format, result: Result, tools: Mapping[str, str], turns_left: int) -> Content:
    """Return the message with what came of a block."""
    said = [part for part in (cut(result.text), cut(result.error), *(f"Note: {n}" for n in result.notes[:4])) if part]
    text = "\n".join(said) or "(nothing was printed)"
    made = f"\nFunctions that you made: {'; '.join(tools.values())}." if tools else ""
    last = "\nThis is the last turn: answer now." if turns_left == 1 else f"\n{turns_left} turns are left."
    if form == "pyvision":
        parts = [_text(f"<interpreter>\nText Result:\n{text}\nImage Result:\n{'' if result.pictures else 'None'}")]
        for clue in result.pictures:
            parts += _pictured(form, clue, "")
        return [*parts, _text(f"</interpreter>{made}{last}")]
    parts = [_text(f"Result:\n{text}")]
    for clue in result.pictures:
        width, height = clue.picture.size
        parts += _pictured(form, clue, f"{clue.name}, {width} x {height} pixels:")
    return [*parts, _text(f"{made}{last}".strip())]


def in_words(content: Content) -> Content:
    """Return a message without its pictures; their names and sizes are in its texts."""
    kept = [part for part in content if part["type"] == "text"]
    unseen = [_text("(Pictures are not shown to you: programs find out what is in them.)")]
    return kept if len(kept) == len(content) else [*kept, *unseen]


def reminder(form: Format, problem: str, turns_left: int) -> Content:
    """Return the message after a reply that is neither code nor an answer."""
    asked = "one program between ```python and ```, or a line 'Answer: …'"
    if form == "pyvision":
        asked = "one block between <code> and </code>, or \\boxed{…} between <answer> and </answer>"
    return [_text(f"{problem} Reply with {asked}. {turns_left} turns are left.")]


def cut(text: str) -> str:
    """Return a text of at most :data:`MOST_TEXT` characters, its middle left out."""
    if len(text) <= MOST_TEXT:
        return text
    half = MOST_TEXT // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _pictured(form: Format, clue: Clue, title: str) -> Content:
    url = f"data:image/png;base64,{base64.b64encode(clue.png).decode()}"
    picture = {"type": "image_url", "image_url": {"url": url}}
    if form == "pyvision":
        return [_text(f"{title}\n<{clue.name}>".strip()), picture, _text(f"</{clue.name}>")]
    return [_text(title or f"{clue.name}:"), picture]


# --- what it says ---

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"<code>(.*?)</code>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_LINE = re.compile(
    r"^[ \t]*(?:\*\*)?(?:final )?answer(?:\*\*)?[ \t]*[:：][ \t]*(?:\*\*)?(.+?)[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_LANGUAGES = {"", "python", "py", "python3", "patches", "neptune"}


def read_reply(form: Format, reply: str) -> Move:
    """Return what a reply says; never fails."""
    reply = reply[:LONGEST_REPLY]
    return _read_pyvision(reply) if form == "pyvision" else _read_own(reply)


def _read_own(reply: str) -> Move:
    blocks = [body for language, body in _FENCE.findall(reply) if language.lower() in _LANGUAGES]
    outside = _FENCE.sub("", reply)
    if len(blocks) > 1:
        return Move("nothing", f"The reply holds {len(blocks)} programs.")
    if "```" in outside:
        return Move("nothing", "A program was begun and not ended: ``` is missing.")
    if blocks:
        code = blocks[0].strip("\n")
        return Move("code", code) if code.strip() else Move("nothing", "The program is empty.")
    answers = _LINE.findall(outside)
    if answers:
        return Move("answer", bare(answers[-1]))
    boxed = last_boxed(outside)
    return Move("answer", bare(boxed)) if boxed else Move("nothing", "The reply holds neither a program nor an answer.")


def _read_pyvision(reply: str) -> Move:
    blocks = _CODE.findall(reply)
    outside = _CODE.sub("", reply)
    if len(blocks) > 1:
        return Move("nothing", f"The reply holds {len(blocks)} blocks of code.")
    if "<code>" in outside or (blocks and "</code>" in outside):
        return Move("nothing", "The tag <code> is not closed.")
    if blocks:
        fenced = [body for language, body in _FENCE.findall(blocks[0] + "\n") if language.lower() in _LANGUAGES]
        if len(fenced) > 1:
            return Move("nothing", f"The block holds {len(fenced)} programs.")
        code = fenced[0] if fenced else blocks[0].replace("```python", "").replace("```", "")
        return Move("code", code.strip("\n")) if code.strip() else Move("nothing", "The block of code is empty.")
    answers = _ANSWER.findall(reply)
    if answers:
        return Move("answer", bare(last_boxed(answers[-1]) or answers[-1]))
    if "<answer>" in reply:
        return Move("nothing", "The tag <answer> is not closed.")
    boxed = last_boxed(reply)
    return Move("answer", bare(boxed)) if boxed else Move("nothing", NOTHING)


def last_boxed(text: str) -> str:
    r"""Return what stands in the last ``\boxed{…}``, or ``""``."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return ""
    depth, begin = 0, start + len("\\boxed{")
    for k in range(begin - 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[k], 0)
        if depth == 0:
            return text[begin:k]
    return ""


def bare(text: str) -> str:
    """Return an answer without marks around it: quotes, emphasis, ``\\text{…}``."""
    text = text.strip()
    wrapped = re.fullmatch(r"\\(?:text|mathrm|textbf)\{(.*)\}", text, re.DOTALL)
    if wrapped:
        text = wrapped[1].strip()
    for _ in range(4):
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`*":
            text = text[1:-1].strip()
    return text.rstrip(".") if re.fullmatch(r"[\w ,'-]+\.", text) else text
