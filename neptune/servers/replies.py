"""What a model says: its words without thoughts, control tokens and turns, however a server hands them over.

Text comes as a string or as chunks; thoughts stand in tags of many dialects, in channels, or in a field of their own.
One cleaner takes them away for everyone who reads replies: programs, answers, verdicts, yes and no. A thought that is
cut off is no answer.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from neptune.servers.listed import get

_NAMES = r"(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad|seed:think|analysis)"
_OPEN = (
    rf"<{_NAMES}(?:\s[^<>\n]{{0,80}})?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|(?:start_)?(?:of_)?think(?:ing)?\|>"
    r"|<unused94>(?:thought)?"
)
_CLOSE = rf"</{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|(?:/|end_(?:of_)?)think(?:ing)?\|>|<unused95>"
_TAG = re.compile(rf"(?P<open>{_OPEN})|(?P<close>{_CLOSE})", re.IGNORECASE)
_CHANNEL = re.compile(
    r"(?:<\|start\|>\s{0,9}\w{0,20}\s{0,9})?<\|channel\|>\s{0,9}(?P<name>\w{1,20})[^<]{0,80}(?:<\|[a-z]{1,20}\|>[^<]{0,80})?"
    r"<\|message\|>",
    re.IGNORECASE,
)
_BARE_CHANNELS = re.compile(r"\A\s*(?:analysis|commentary)(?=[A-Z\"'(\[\d])")
"""Channels whose control tokens a server took away: ``analysisThe user …assistantfinalYes``."""

_ROLE = re.compile(
    r"(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>|<\|start\|>)[ \t]{0,9}"
    r"(?:assistant|model|system|user)?[ \t]{0,9}(?:<\|end_header_id\|>|<\|message\|>)?\n*",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|eom_id|end|end_of_text|end_of_turn|return|call|eos)\|>|<end_of_turn>|</s>|<eos>"
    r"|<[|｜]end▁of▁sentence[|｜]>",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"<[|｜][^<>|｜\s]{1,60}[|｜]>|</?s>|<(?:bos|eos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]")

FENCE = re.compile(r"(?P<mark>```|~~~)[^\n`]*\n(?P<body>.*?)(?:\n?[ \t]{0,12}(?P=mark)|\Z)", re.DOTALL)
"""A code fence; one that is not closed goes to the end."""

QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "„": "“"}


LONGEST = 200_000
"""Characters of a reply that are read: no program or answer is as long."""


class Clean(NamedTuple):
    """A text without what a model thought before it.

    Parameters
    ----------
    text
        What is left.
    thought
        Whether there was a thought.
    cut
        Whether it was cut off: what is left is no answer.
    """

    text: str
    thought: bool = False
    cut: bool = False


class Said(NamedTuple):
    """One choice of a chat completion.

    Parameters
    ----------
    text
        Its words, cleaned; those of a tool call where it has one.
    thought, cut
        As for :class:`Clean`.
    refusal
        Why the model or a filter refused; ``None``: neither did.
    finish
        ``stop``, ``length``, …; ``""`` where the server does not say.
    error
        What the server says went wrong within this choice; ``""``: nothing.
    """

    text: str
    thought: bool
    cut: bool
    refusal: str | None
    finish: str
    error: str = ""


def clean(text: str) -> Clean:
    """Return a reply without thoughts, control tokens and further turns; the words that stay are not changed.

    >>> clean("<think>Is it? No.</think>\\n\\nYes<|im_end|>").text.strip()
    'Yes'
    >>> clean("<think>Is it? No").cut
    True
    """
    text, thought, cut = _final_channel(text.replace("\r\n", "\n").replace("\r", "\n"))
    if cut:
        return Clean("", True, True)
    kept: list[str] = []
    depth = start = 0
    tag = None
    for tag in _TAG.finditer(text):
        if tag["open"]:
            if not depth:
                kept.append(text[start : tag.start()])
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                start = tag.end()
                thought = True
        else:  # the prompt's template opened it
            kept, start, thought = [], tag.end(), True
    if depth:
        if tag is None or tag["open"]:
            return Clean("", True, True)
        start, thought = tag.end(), True  # a thought that speaks of the tag: its last end is its end
    text = "".join(kept) + text[start:] if kept or start else text
    return Clean(_control_taken_away(text), thought)


def _final_channel(text: str) -> Clean:
    """Return what was said on the channel ``final``; a text without channels as it is."""
    marks = list(_CHANNEL.finditer(text))
    if not marks:
        if not _BARE_CHANNELS.match(text):
            return Clean(text)
        _, final, rest = text.rpartition("assistantfinal")
        return Clean(rest, True, not final)
    said, thought = [], False
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(text)]):
        if mark["name"].lower() == "final":
            said.append(text[mark.end() : end])
        else:
            thought = True
    return Clean(said[-1] if said else "", thought, not said)


def _control_taken_away(text: str) -> str:
    text = _ROLE.sub("", text, count=1) if _ROLE.match(text.lstrip()) else text
    end = _ENDS.search(text)
    while end is not None:  # what follows a reply's end is another turn
        if text[: end.start()].strip():
            text = text[: end.start()]
            break
        text = _ROLE.sub("", text[end.end() :], count=1)
        end = _ENDS.search(text)
    return _CONTROL.sub("", text)


def unfenced(text: str) -> str:
    """Return a short text without the code fence, quotes and marks of emphasis around all of it.

    >>> unfenced('```\\n"**yes**"\\n```')
    'yes'
    """
    text = text.strip()
    fence = FENCE.fullmatch(text)
    if fence:
        text = fence["body"].strip()
    for _ in range(9):
        if len(text) < 2:
            break
        if text[0] in QUOTES and text[-1] == QUOTES[text[0]]:
            text = text[1:-1].strip()
        elif len(text) > 4 and text[:2] == text[-2:] and text[:2] in ("**", "__"):
            text = text[2:-2].strip()
        elif len(text) > 2 and text[0] == text[-1] and text[0] in "*_":
            text = text[1:-1].strip()
        else:
            break
    return text


MOST_CHOICES = 256
"""Nobody asks for more answers at once; what a server sends beyond is not read."""


def choices(response: Any) -> list[Any]:
    """Return the choices of a response; [] where it is no chat completion."""
    found = get(response, "choices")
    return found[:MOST_CHOICES] if isinstance(found, list) else []


def said(choice: Any) -> Said:
    """Return what a choice of a chat completion says, whatever its parts look like."""
    message = get(choice, "message")
    finish = get(choice, "finish_reason")
    text, thought, refusal = _joined(get(message, "content"))
    if get(message, "refusal"):
        refusal = str(get(message, "refusal"))
    elif refusal is None and finish == "content_filter":
        refusal = ""
    for name in ("reasoning_content", "reasoning", "thinking", "thoughts"):
        thought = thought or bool(_joined(get(message, name))[0].strip())
    calls = get(message, "tool_calls")
    for call in calls if isinstance(calls, list) else ():
        given = get(get(call, "custom"), "input")
        text = given if isinstance(given, str) and given else text
    if len(text) > LONGEST:
        text, finish = text[:LONGEST], "length"
    bare = clean(text)
    # Servers that know a model's thoughts put them beside an answer; there is none where they were cut off.
    cut = bare.cut or (thought and not bare.text.strip())
    error = get(choice, "error")
    wrong = str(get(error, "message") or error) if error else ""
    if not wrong and finish == "error":
        wrong = "the server broke off"
    return Said(bare.text, thought or bare.thought, cut, refusal, finish if isinstance(finish, str) else "", wrong)


def _joined(content: Any) -> tuple[str, bool, str | None]:
    """Return (text, whether there is a thought besides, refusal) of a message's content: a text, or chunks of it."""
    if isinstance(content, str):
        return content, False, None
    if content is None:
        return "", False, None
    texts, thought, refusal = [], False, None
    for chunk in content if isinstance(content, list) else [content]:
        if isinstance(chunk, str):
            texts.append(chunk)
            continue
        kind, text = str(get(chunk, "type") or "text").lower(), get(chunk, "text")
        if "think" in kind or "reason" in kind or "thought" in kind or get(chunk, "thought") is True:
            thought = True
        elif kind == "refusal":
            refusal = str(get(chunk, "refusal") or text or "")
        elif isinstance(text, str):
            texts.append(text)
        elif isinstance(get(text, "value"), str):
            texts.append(get(text, "value"))
    return "".join(texts), thought, refusal
