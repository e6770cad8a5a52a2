"""The start symbol ``generate`` of the one grammar, written for the programs that constrain decoding.

    llguidance()             Lark text for llguidance: vLLM, SGLang
    gbnf()                   for llama.cpp
    openai_tool()            a custom tool with Lark syntax for OpenAI

The first two are also there for whole replies of a conversation: a program between its marks, or an answer.
All come from ``grammars/neptune.lark`` as Lark itself reads it, by way of one small form: rules of alternatives, in
which Lark's helper rules are repeats again and direct left recursion is a repeat (llama.cpp takes none).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from neptune.writer.patterns import Chars, Choice, Pattern, Repeat, Sequence, read_pattern

FORMS = ("gbnf", "llguidance", "openai")
"""What ``code_gen_constrained`` may be, besides ``auto`` and ``off``."""

PROGRAM = "program"
REPLIES = {
    "own": ("```python\n", "```", "Answer: ", ""),
    "pyvision": ("<code>\n```python\n", "```\n</code>", "<answer>\n\\boxed{", "}\n</answer>"),
}
"""What is bound: :data:`PROGRAM`, or a reply in one of these forms, each with what stands around a program and around
an answer (:mod:`neptune.agent.formats` reads them)."""

TOOL = "program"
"""The name of the custom tool."""

_DESCRIPTION = "Takes the program that answers the question. Write the program only."


@dataclass(frozen=True, slots=True)
class Word:
    """A terminal: its name, and a fixed text or a regular expression."""

    name: str
    text: str = ""
    regex: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A reference to a rule."""

    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """One of `ways`, as often as `sign` says: ``""`` once, ``"?"``, ``"*"`` or ``"+"``."""

    ways: tuple[Way, ...]
    sign: str


Part: TypeAlias = "Word | Rule | Group"
Way: TypeAlias = "tuple[Part, ...]"


@lru_cache(maxsize=1)
def rules() -> Mapping[str, tuple[Way, ...]]:
    """Return the rules of ``generate``: name → alternatives, ``"generate"`` first.

    Raises
    ------
    ValueError
        If a rule is left-recursive by way of another rule.
    """
    import lark

    from dsl import resources
    from dsl.syntax.keywords import STRICT_NAME, name_pattern

    grammar = lark.Lark(resources.grammar(), start=["generate"], parser="lalr", lexer="basic", maybe_placeholders=False)
    words = {
        t.name: Word(t.name, t.pattern.value) if t.pattern.type == "str" else Word(t.name, regex=t.pattern.value)
        for t in grammar.terminals
    }
    words[STRICT_NAME] = Word(STRICT_NAME, regex=name_pattern())
    raw: dict[str, list[list[Word | Rule]]] = {}
    for rule in grammar.rules:
        if any(s.is_term and s.name not in words for s in rule.expansion):
            continue  # a rule of `accept`, whose indents come from its lexer
        symbols: list[Word | Rule] = [words[s.name] if s.is_term else Rule(str(s.name)) for s in rule.expansion]
        raw.setdefault(str(rule.origin.name), []).append(symbols)
    helpers = {name for name in raw if name.startswith("__")}
    # Short rules that only name other things are written out, so that what begins alike can be factored.
    short = {
        name: ways[0]
        for name, ways in raw.items()
        if len(ways) == 1 and len(ways[0]) <= 2 and ways[0][0].name not in helpers and name not in helpers
    }
    done: dict[str, tuple[Way, ...]] = {}

    def part(symbol: Word | Rule) -> Part:
        if isinstance(symbol, Rule) and symbol.name in helpers:
            ways = raw[symbol.name]
            return Group(_factored(tuple(way(w) for w in ways if w[0] != symbol)), "+")
        return symbol

    def way(symbols: Iterable[Word | Rule]) -> Way:
        return tuple(p for s in symbols for p in (way(short[s.name]) if s.name in short else (part(s),)))

    def add(name: str) -> None:
        if name in done:
            return
        done[name] = ()
        bases = tuple(way(w) for w in raw[name] if w[0] != Rule(name))
        tails = tuple(way(w[1:]) for w in raw[name] if w[0] == Rule(name))
        if tails and len(bases) > 1:
            # name: name tail | base …  becomes  name: name_base tail*
            done[f"{name}_base"] = bases
            bases = ((Rule(f"{name}_base"),),)
        done[name] = tuple((*base, Group(_factored(tails), "*")) for base in bases) if tails else bases
        for follow in _mentioned(done[name]) + _mentioned(bases) + _mentioned(done.get(f"{name}_base", ())):
            if follow in raw:
                add(follow)

    add("generate")
    _refuse_left_recursion(done)
    return {name: _factored(ways) for name, ways in done.items()}


@lru_cache(maxsize=4)
def rules_of(replies: str) -> Mapping[str, tuple[Way, ...]]:
    """Return the rules of what a model replies, ``"generate"`` first.

    Parameters
    ----------
    replies
        :data:`PROGRAM`, or a form of :data:`REPLIES`: perhaps a line of thought, then one program (a block may end
        without a result) or one answer.
    """
    if replies == PROGRAM:
        return rules()
    begun, ended, answer, after = REPLIES[replies]
    found = dict(rules())
    (lines, result, _), *_ = found.pop("generate")
    newline = Word("NEWLINE", "\n")
    thought = Group(((Word("TURN_THOUGHT", regex="[^`<\n]{1,200}"), newline),), "?")
    said = (Word("TURN_ANSWER", answer), Word("TURN_WORDS", regex="[^ \"'*`<{}\\\n\t]" + "[^`<{}\n]{0,199}"))
    return {
        "generate": (
            (thought, Rule("turn_program")),
            (thought, *said, *([Word("TURN_AFTER", after)] if after else [])),
        ),
        "turn_program": ((Word("TURN_BEGUN", begun), Rule("turn_block"), Word("TURN_ENDED", ended)),),
        "turn_block": ((lines, Group(((result, newline),), "?")), (result, newline)),
        **found,
    }


def _factored(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """Return the same alternatives with what several begin with written once.

    llama.cpp follows every alternative that still fits: unfactored, their number doubles at each level of nesting.
    """
    by_first: dict[Part, list[Way]] = {}
    for way in ways:
        by_first.setdefault(way[0], []).append(way)
    out: list[Way] = []
    for first, same in by_first.items():
        if len(same) == 1:
            out.append(same[0])
            continue
        rests = tuple(dict.fromkeys(way[1:] for way in same))
        inner = _factored(tuple(rest for rest in rests if rest))
        if () not in rests:
            out.append((first, *inner[0]) if len(inner) == 1 else (first, Group(inner, "")))
        elif len(inner) == 1 and len(inner[0]) == 1 and isinstance(inner[0][0], Group) and inner[0][0].sign == "+":
            out.append((first, Group(inner[0][0].ways, "*")))
        else:
            out.append((first, Group(inner, "?")))
    return tuple(out)


def _mentioned(ways: tuple[Way, ...]) -> list[str]:
    found: list[str] = []
    for way in ways:
        for part in way:
            if isinstance(part, Rule):
                found.append(part.name)
            elif isinstance(part, Group):
                found += _mentioned(part.ways)
    return found


def _refuse_left_recursion(found: Mapping[str, tuple[Way, ...]]) -> None:
    """No rule and no word of this grammar may be empty, so only the first part of a way can recur at once."""
    first: dict[str, set[str]] = {}
    for name, ways in found.items():
        heads: set[str] = set()
        stack = [way[0] for way in ways]
        while stack:
            part = stack.pop()
            if isinstance(part, Rule):
                heads.add(part.name)
            elif isinstance(part, Group):
                stack += [way[0] for way in part.ways]
        first[name] = heads
    for name in first:
        seen, todo = set(), list(first[name])
        while todo:
            head = todo.pop()
            if head == name:
                raise ValueError(f"the rule {name} of 'generate' is left-recursive by way of another rule")
            if head not in seen:
                seen.add(head)
                todo += first.get(head, ())


# --- Lark, for llguidance and OpenAI -----------------------------------------------------------------


@lru_cache(maxsize=4)
def llguidance(replies: str = PROGRAM) -> str:
    """Return ``generate``, or whole `replies`, as the Lark text of llguidance; the start rule is called ``start``."""
    lines, named = [], {}

    def show(part: Part) -> str:
        if isinstance(part, Word):
            if part.regex:
                named[part.name.lstrip("_")] = part.regex
                return part.name.lstrip("_")
            return json.dumps(part.text, ensure_ascii=False)
        return _rule_name(part.name, "_") if isinstance(part, Rule) else _group(part, show)

    for name, ways in rules_of(replies).items():
        lines.append(f"{_rule_name(name, '_')}: " + "\n    | ".join(_way(w, show) for w in ways))
    lines += [f"{name}: /{regex}/" for name, regex in named.items()]
    return "\n".join(lines) + "\n"


def openai_tool() -> dict[str, Any]:
    """Return the custom tool that takes a program, for the field ``tools`` of OpenAI's chat completions."""
    form = {"type": "grammar", "grammar": {"syntax": "lark", "definition": llguidance()}}
    return {"type": "custom", "custom": {"name": TOOL, "description": _DESCRIPTION, "format": form}}


# --- GBNF, for llama.cpp ---------------------------------------------------------------------------


@lru_cache(maxsize=4)
def gbnf(replies: str = PROGRAM) -> str:
    """Return ``generate``, or whole `replies`, in the GBNF of llama.cpp; the start rule is called ``root``."""
    lines, named = [], {}

    def show(part: Part) -> str:
        if isinstance(part, Word):
            if not part.regex:
                return _quoted(part.text)
            name = part.name.lstrip("_").lower().replace("_", "-")
            named[name] = part.regex
            return name
        return _rule_name(part.name, "-") if isinstance(part, Rule) else _group(part, show)

    for name, ways in rules_of(replies).items():
        lines.append(f"{_rule_name(name, '-')} ::= " + " | ".join(_way(w, show) for w in ways))
    lines += [f"{name} ::= {_gbnf_pattern(read_pattern(regex))}" for name, regex in named.items()]
    return "\n".join(lines) + "\n"


def _gbnf_pattern(tree: Pattern, inside: bool = False) -> str:
    match tree:
        case str():
            return _quoted(tree) if len(tree) < 2 or not inside else f"({_quoted(tree)})"
        case Chars():
            shown = "".join(
                _class_char(low) if low == high else f"{_class_char(low)}-{_class_char(high)}"
                for low, high in tree.ranges
            )
            return f"[{'^' if tree.negated else ''}{shown}]"
        case Sequence():
            text = " ".join(_gbnf_pattern(i, isinstance(i, Choice)) for i in tree.items)
            return f"({text})" if inside else text
        case Choice():
            text = " | ".join(_gbnf_pattern(i) for i in tree.items)
            return f"({text})" if inside else text
        case Repeat(item, least, most):
            sign = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
            if sign is None:
                sign = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
            return _gbnf_pattern(item, inside=True) + sign
    raise AssertionError(tree)


def _quoted(text: str) -> str:
    out = "".join(f"\\{c}" if c in '"\\' else {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(c, c) for c in text)
    return f'"{out}"'


def _class_char(code: int) -> str:
    char = chr(code)
    if char in "\\[]^-":
        return f"\\x{code:02X}"
    return char if 32 <= code < 127 else f"\\x{code:02X}" if code < 256 else f"\\u{code:04X}"


# --- shared ----------------------------------------------------------------------------------------


def _rule_name(name: str, dash: str) -> str:
    if name == "generate":
        return "start" if dash == "_" else "root"
    return name.lstrip("_").replace("_", dash)


def _way(way: Way, show: Callable[[Part], str]) -> str:
    return " ".join(show(part) for part in way)


def _group(part: Group, show: Callable[[Part], str]) -> str:
    return f"({' | '.join(_way(way, show) for way in part.ways)}){part.sign}"


def request_fields(form: str, replies: str = PROGRAM) -> dict[str, Any]:
    """Return what a chat completion's request needs for a form of constrained decoding (``"off"``: nothing).

    Parameters
    ----------
    form
        One of :data:`FORMS`; OpenAI's tool takes programs alone, so that replies of a conversation are free there.
    replies
        As of :func:`rules_of`.

    Raises
    ------
    ValueError
        For an unknown form.
    """
    if form == "off" or (form == "openai" and replies != PROGRAM):
        return {}
    if form == "gbnf":
        return {"extra_body": {"grammar": gbnf(replies)}}
    if form == "llguidance":
        # vLLM reads the first, SGLang the second; each leaves the other's alone.
        text = llguidance(replies)
        return {"extra_body": {"structured_outputs": {"grammar": text}, "ebnf": f"%llguidance {{}}\n\n{text}"}}
    if form == "openai":
        return {"tools": [openai_tool()], "tool_choice": {"type": "custom", "custom": {"name": TOOL}}}
    raise ValueError(f"constrained decoding is off or one of {', '.join(FORMS)}, not {form!r}")
