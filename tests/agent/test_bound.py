"""Replies bound to a grammar: whatever it lets through is a program of the language or an answer."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import fails, serving
from helpers.gbnf_reader import Gbnf
from helpers.openai_asked import no_waits
from helpers.turn_tasks import dots

import dsl
from neptune.agent.formats import read_reply
from neptune.cli import main
from neptune.writer.grammars import PROGRAM, REPLIES, Group, Rule, Word, gbnf, llguidance, request_fields, rules_of
from neptune.writer.patterns import Chars, Choice, Repeat, Sequence, read_pattern

FORMS = tuple(REPLIES)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits(monkeypatch)


def drawn(form: str, rng: random.Random) -> str:
    """Return a text of the grammar, drawn at random."""
    rules = rules_of(form)

    def word(tree: Any) -> str:
        match tree:
            case str():
                return tree
            case Chars(ranges, negated):
                return rng.choice("abcxyz01") if negated else chr(rng.randint(*rng.choice(ranges)))
            case Sequence(items):
                return "".join(map(word, items))
            case Choice(items):
                return word(rng.choice(items))
            case Repeat(item, least, most):
                return "".join(word(item) for _ in range(rng.randint(least, min(least + 3, most or least + 3))))
        raise AssertionError(tree)

    left = [rng.randint(20, 120)]  # so many choices are free; then every one is the shortest

    def part(one: Any) -> str:
        if isinstance(one, Word):
            return one.text or word(read_pattern(one.regex))
        if isinstance(one, Rule):
            return ways(rules[one.name])
        assert isinstance(one, Group)
        least, most = {"": (1, 1), "?": (0, 1), "*": (0, 2), "+": (1, 2)}[one.sign]
        times = least if left[0] < 0 else rng.randint(least, most)
        return "".join(ways(one.ways) for _ in range(times))

    def ways(of: Any) -> str:
        left[0] -= 1
        way = min(of, key=len) if left[0] < 0 else rng.choice(of)
        return "".join(part(one) for one in way)

    return ways(rules["generate"])


@pytest.mark.parametrize("form", FORMS)
def test_whatever_the_grammar_lets_through_is_read(form: str) -> None:
    rng, kinds = random.Random(1), dict.fromkeys(("code", "answer"), 0)
    bound = Gbnf(gbnf(form))
    for _ in range(60):
        reply = drawn(form, rng)
        move = read_reply(form, reply)  # type: ignore[arg-type]
        assert move.kind in kinds, reply
        kinds[move.kind] += 1
        if move.kind == "code":
            dsl.parse(move.text, dialect="patches")
        if len(reply) < 60:
            assert bound.accepts(reply), reply
    assert min(kinds.values()) > 8, kinds


@pytest.mark.parametrize("form", FORMS)
def test_what_a_conversation_needs_can_be_written_and_no_more(form: str) -> None:
    begun, ended, answer, after = REPLIES[form]
    bound = Gbnf(gbnf(form))
    good = [
        f"{begun}show(image_clue_0.crop([1, 2, 30, 40]).zoom(3))\n{ended}",
        f'I look closer.\n{begun}def shade(p):\n    return p.statistics()["mean"]\n{ended}',
        f'{begun}p = ImagePatch(image)\nprint(len(p.find("cube")), p.exists("red cube"))\n{ended}',
        f"{begun}return 3\n{ended}",
        f"Now I know.\n{answer}a red cube (B){after}",
    ]
    bad = [
        f"{begun}import os\n{ended}",
        f"{begun}x = 1\n",
        f"{begun}{ended}",
        f"{begun}x\n{ended}{begun}y\n{ended}",
        "",
        "I think so.",
        f"{answer} {after}",
        f"{begun}while True:\n    pass\n{ended}",
    ]
    assert [text for text in good if not bound.accepts(text)] == []
    assert [text for text in bad if bound.accepts(text)] == []
    for text in good:
        assert read_reply(form, text).kind in ("code", "answer")  # type: ignore[arg-type]


def test_programs_alone_are_bound_as_before() -> None:
    assert rules_of(PROGRAM) is rules_of(PROGRAM)
    assert gbnf() == gbnf(PROGRAM)
    assert "turn-program" not in gbnf()
    assert "turn_program" not in llguidance()
    assert "turn_program" in llguidance("own")
    assert request_fields("openai", "own") == {}
    assert request_fields("gbnf", "own")["extra_body"]["grammar"] == gbnf("own")


def asked(tmp_path: Path, replies: list[Any], owner: str, *more: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Have a conversation; return the requests, and the record."""
    dots(3).save(tmp_path / "in.png")
    words = ["ask", str(tmp_path / "in.png"), "What is it?", "--turns", "4", "--code_gen_provider", "local"]
    words += ["--code_gen_model_name", "m", "--od_model", "regions", "--vlm_model_name", "random"]
    words += ["--vocabulary", "null", "--output_dir", str(tmp_path / "out"), *more]
    with serving(lambda request, number: replies[min(number, len(replies) - 1)], owner=owner) as server:
        main([*words, "--code_gen_base_url", server.url])
    found: dict[str, Any] = json.loads((tmp_path / "out" / "results.json").read_text())
    return server.requests, found["conversation"]


def test_a_server_that_can_is_sent_the_grammar_of_replies(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    requests, _ = asked(tmp_path, ["Answer: dots"], "llamacpp")
    assert requests[0]["grammar"] == gbnf("own")


UNBOUND = {
    "a server of another kind": ("test", ()),
    "tags of models that were trained for them": ("llamacpp", ("--turn_format", "pyvision")),
    "switched off": ("llamacpp", ("--code_gen_constrained", "off")),
}


@pytest.mark.parametrize(("owner", "more"), UNBOUND.values(), ids=UNBOUND.keys())
def test_others_write_freely(owner: str, more: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    requests, _ = asked(tmp_path, ["Answer: dots <answer>dots</answer>"], owner, *more)
    assert "grammar" not in requests[0]


def test_tags_are_bound_where_a_form_is_named(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    more = ("--turn_format", "pyvision", "--code_gen_constrained", "gbnf")
    requests, _ = asked(tmp_path, ["<answer>\n\\boxed{dots}\n</answer>"], "test", *more)
    assert requests[0]["grammar"] == gbnf("pyvision")


def test_a_server_that_refuses_the_grammar_is_asked_without_and_the_record_says_so(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    requests, talk = asked(tmp_path, [fails(400, "no grammar here"), "Answer: dots"], "llamacpp")
    assert ["grammar" in r for r in requests] == [True, False]
    assert "refused the grammar" in talk["turns"][0]["note"]


def test_a_model_of_texts_alone_is_sent_no_picture(tmp_path: Path) -> None:
    pytest.importorskip("openai", reason="the extra 'openai' is not installed")
    program = "```python\nshow(image_clue_0.gray())\nprint(image_clue_0.statistics()['mean'] > 100)\n```"
    more = ("--turn_limits", '{"pictures": 0}')
    requests, talk = asked(tmp_path, [program, program.replace("gray", "flip"), "Answer: dots"], "test", *more)
    assert talk["end"] == "answered"
    for request in requests:
        for message in request["messages"][1:]:
            assert isinstance(message["content"], str) or all(p["type"] == "text" for p in message["content"])
    texts = "".join(p["text"] for m in requests[-1]["messages"] if m["role"] == "user" for p in m["content"])
    assert "image_clue_0, 160 x 80 pixels" in texts
    assert "image_clue_1" in texts
    assert "not shown to you" in texts


def test_no_grammar_goes_with_a_sandbox(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ask", "x.png", "What?", "--turns", "3", "--code_gen_provider", "local", "--code_gen_model_name", "m"]
    words += ["--code_gen_base_url", "http://127.0.0.1:9/v1", "--sandbox", "bwrap", "--code_gen_constrained", "gbnf"]
    assert main(words) == 2
    assert "no grammar binds Python" in capsys.readouterr().err
