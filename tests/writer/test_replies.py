"""Free text to a value: one cleaner for all dialects, and readers with three outcomes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from neptune.runs.evaluate.judge import read_verdict
from neptune.servers.readers import UNREADABLE, choice, number, tagged, verdict
from neptune.servers.replies import LONGEST, clean, said, unfenced
from neptune.writer import failures
from neptune.writer.asking import refuse_unasked
from neptune.writer.chat import Reply
from neptune.writer.extract import extract

THOUGHTS = [
    "<think>no, no</think>",
    "<thinking>no</thinking>",
    "<THINK>no</THINK>",
    "[THINK]no[/THINK]",
    "◁think▷no◁/think▷",
    "<thought>no</thought>",
    "<reasoning>no</reasoning>",
    "<seed:think>no</seed:think>",
    "so: no</think>",
    "<|begin_of_thought|>no<|end_of_thought|>",
    "<think>a <think> b</think> c</think>",
    "<think>of the tag <think></think>",
    "<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>commentary<|message|>no<|end|>"
    "<|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    "analysisThe user says no.assistantfinal",
    "<think></think>",
    '<think type="deep">no</think>',
]
ENDS = [
    "",
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "</s>",
    "<end_of_turn>",
    "<|return|>",
    "<｜end▁of▁sentence｜>",
    "<|im_end|>\n<|im_start|>user\nno, no",
]


@pytest.mark.parametrize("thought", THOUGHTS)
@pytest.mark.parametrize("end", ENDS)
def test_thoughts_and_control_tokens_are_no_answer(thought, end):
    found = clean(f"{thought}\n\nYes{end}")
    assert found.text.strip() == "Yes"
    assert found.thought
    assert not found.cut
    assert verdict(f"{thought}\n\nYes{end}") is True


@pytest.mark.parametrize(
    "text",
    [
        "<think>so yes",
        "[THINK]yes",
        "◁think▷yes",
        "<thinking>yes",
        "<|channel|>analysis<|message|>yes",
        "analysisYes it is",
        "<think>a</think>yes<think>but",
        "Yes <think>no, wait",
    ],
)
def test_a_thought_that_is_cut_off_is_no_answer(text):
    assert clean(text).cut
    assert clean(text).text == ""
    assert verdict(text) is UNREADABLE
    assert number(text) is UNREADABLE
    assert choice(text, ("yes", "no")) is None
    assert extract(text).program == ""


def test_plain_text_is_not_changed():
    for text in (
        "count(Object, lambda x: a < b and c > d)",
        "a | b",
        "[x for x in y]",
        "  f = 1\n",
        "<b>yes</b>",
        "1 </ 2",
    ):
        assert clean(text).text == text


def one(content, finish="stop", **message):
    return {"finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}


@pytest.mark.parametrize(
    ("part", "text", "cut"),
    [
        (one("Yes"), "Yes", False),
        (
            one([{"type": "thinking", "thinking": [{"type": "text", "text": "no"}]}, {"type": "text", "text": "Yes"}]),
            "Yes",
            False,
        ),
        (one([{"type": "thinking", "thinking": "no"}]), "", True),
        (one([{"type": "reasoning", "text": "no"}, {"type": "output_text", "text": "Yes"}]), "Yes", False),
        (one(["Y", "es"]), "Yes", False),
        (one({"type": "text", "text": "Yes"}), "Yes", False),
        (one([{"type": "text", "text": {"value": "Yes"}}]), "Yes", False),
        (one("Yes", reasoning_content="no"), "Yes", False),
        (one("", reasoning="no"), "", True),
        (one(None, reasoning_content="no"), "", True),
        (one(None), "", False),
        (one(3), "", False),
        (one([None, 3, {}, []]), "", False),
        ({}, "", False),
        (None, "", False),
        ({"message": "Yes"}, "", False),
    ],
)
def test_content_in_any_shape(part, text, cut):
    found = said(part)
    assert found.text == text
    assert found.cut is cut


def test_refusals_and_errors_within_a_choice():
    assert said(one(None, refusal="I won't")).refusal == "I won't"
    assert said(one("x", "content_filter")).refusal == ""
    assert said(one([{"type": "refusal", "refusal": "no"}])).refusal == "no"
    assert said({"error": {"message": "gone"}, "message": {"content": "x"}}).error == "gone"
    assert said(one("x", "error")).error


def test_a_reply_without_end_is_read_in_bounded_time():
    begun = time.process_time()
    for unit in (
        "<think>",
        "</think>",
        "<|start|> ",
        "```\n",
        " ",
        '"',
        "red ",
        "yes no ",
        "<answer>",
        "\\boxed{",
        "{",
        "- ",
        "(",
        "1,",
    ):
        text = unit * (3_000_000 // len(unit))
        cleaned = said(one(text))
        assert len(cleaned.text) <= LONGEST
        assert cleaned.finish == "length"
        verdict(cleaned.text), number(cleaned.text), choice(cleaned.text, ("red", "blue")), tagged(cleaned.text)
        unfenced(cleaned.text)
    assert time.process_time() - begun < 15


# --- verdicts ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes. There is no difference in meaning.", True),
        ("No. The answer differs", False),
        ("There is no difference.", None),
        ("There is no difference, so yes.", True),
        ("**Yes**", True),
        ("```\nyes\n```", True),
        ('"no"', False),
        ("YES!", True),
        ('{"verdict": "yes"}', True),
        ('{"correct": false}', False),
        ("<answer>no</answer>", False),
        ("\\boxed{yes}", True),
        ("Answer: **No**", False),
        ("The answer is yes.", True),
        ("I can not tell", None),
        ("", None),
        ("Nothing known", None),
        ("Yes and no.", None),
        ("I would not say yes.", None),
        ("Say yes if right, no if wrong.", None),
        ("yes or no? Yes", True),
        ("No. The expected answer is yes.", False),
        ("The expected answer is yes.", None),
        ("Yes, because no word differs.", True),
        ('The answer "no" differs from "yes".', None),
        ("No\n\nYes", None),
        ("True", True),
        ("Incorrect.", False),
        ("yes\nThe two say the same.", True),
        ("Not the same. No.", False),
        ("No the answers differ", False),
        ("They mean the same thing, no doubt about it: yes", True),
        ("I thought no at first, so yes.", True),
    ],
)
def test_verdicts(text, expected):
    found = verdict(text)
    assert (None if found is UNREADABLE else found) is expected
    assert read_verdict(text) is expected


def test_a_judges_reply_that_failed_is_unreadable_unless_it_begins_with_the_verdict():
    long = failures.TruncatedError("cut off")
    assert read_verdict(Reply("Yes. There is no", long)) is True
    assert read_verdict(Reply("There is no difference, yes", long)) is None
    assert read_verdict(Reply("yes", failures.RefusedError("no"))) is None
    assert read_verdict(Reply("", failures.EmptyReplyError("empty"))) is None


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_a_reader(text):
    for reader in (verdict, number, tagged, clean, unfenced, extract):
        reader(text)
    choice(text, ("red", "a+b", "dark blue"))
    choice(text, ())


# --- choices, numbers, marked answers ---


@pytest.mark.parametrize(
    ("text", "choices", "expected"),
    [
        ("It is dark blue.", ("blue", "dark blue"), "dark blue"),
        ("Not green but red", ("red", "green"), "red"),
        ("It is red or blue", ("red", "blue"), None),
        ("red, not blue", ("red", "blue"), "red"),
        ("**Red**", (), "Red"),
        ("It might be red. Answer: blue", ("red", "blue"), "blue"),
        ("<answer>blue</answer> red", ("red", "blue"), "blue"),
        ('{"answer": "red"}', ("red", "blue"), "red"),
        ("<think>red</think>blue", ("red", "blue"), "blue"),
        ("dark-blue", ("dark blue",), "dark blue"),
        ("reddish", ("red",), None),
        ("", ("red",), None),
        ("", (), None),
    ],
)
def test_choices(text, choices, expected):
    assert choice(text, choices) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("There are three.", 3),
        ("1,250", 1250),
        ("-2.5", -2.5),
        ("2 or 3", None),
        ("between 2 and 4", None),
        ("I count 2 red and 1 blue. Answer: 3", 3),
        ("\\boxed{12}", 12),
        ("<answer>5</answer> of 6", 5),
        ("none", 0),
        ("1e999", None),
        ("", None),
        ("many", None),
        ("12abc", None),
        ('{"answer": 4}', 4),
        ("<think>3", None),
        ("3.", 3),
        ("- 3", 3),
        ("about 3", 3),
        ("3 objects, not spheres", 3),
        ("three hundred", None),
        ("3 million", None),
        ("two dozen", None),
        ("two and a half", None),
        ("one half", None),
        ("minus three", None),
        ("-three", None),
        ("at least 3", None),
        ("no more than three", None),
        ("fewer than 3", None),
        ("3 or more", None),
        ("3+", None),
        ("not 3", None),
        ("Answer: at most 4", None),
    ],
)
def test_numbers(text, expected):
    found = number(text)
    assert (None if found is UNREADABLE else found) == expected


# --- programs ---

P = "exists(Object, lambda x: cube(x))"
Q = "count(Object, lambda x: red(x))"


@pytest.mark.parametrize(
    "reply",
    [
        f'["{P}"]',
        f'{{"program": "{P}"}}',
        f"{{'program': '{P}'}}",
        f'"{P}"',
        f"'{P}'",
        f"- {P}",
        f"* {P}",
        f"1. {P}",
        f"{P},",
        f"{P};",
        f"{P}.",
        f">>> {P}",
        f"`{P}`",
        f"**{P}**",
        f"Program: {P}",
        f"**Program:** {P}",
        f"The program: - {P}",
        f'```json\n{{"program": "{P}"}}\n```',
        f"```python\n{P}\n```\nOutput:\n```\nTrue\n```",
        f"```\n{P}\n```\n```\nyes\n```",
        f"```python\n{P}\n```\nFor example it prints\n```text\n{Q}\n```",
        f"```\n{P}\n```\nAnother way:\n```\n{Q}\n```",
        f"```\n{Q}\n```\nWait, corrected:\n```\n{P}\n```",
        f"~~~\n{P}\n~~~",
        f"<|channel|>final<|message|>{P}<|return|>",
        f"<think>{Q}</think>{P}<|im_end|>",
        f'{{"answer": "{P}", "why": "it asks (x)"}}',
        f"Here it is:\n- {P}\nIt asks for cubes.",
    ],
)
def test_what_stands_around_a_program_is_taken_away(reply):
    found = extract(reply)
    assert found.program == P
    refuse_unasked(found.program)


@pytest.mark.parametrize(
    "reply",
    [
        "True",
        '"yes"',
        "3",
        "len([1, 2])",
        "x = 3\nreturn x",
        "None",
        '{"program": "yes"}',
        "[1, 2]",
        "2 > 1",
        f'return "{P}"',
        f'c = count(Object)\nreturn {{"program": "{P}"}}',
        f'["{P}", "{Q}"]',
        'answer = "no"\nreturn answer',
    ],
)
def test_a_program_that_asks_nothing_is_an_error_to_its_writer(reply):
    with pytest.raises(dsl.ProgramError) as caught:
        refuse_unasked(extract(reply).program)
    assert caught.value.what
    assert caught.value.expected
    assert caught.value.hint


@pytest.mark.parametrize(
    "program", [P, Q, "-count(Object)", 'score("is it day?", 0)', 'return "yes" if score("is it?", 0) else "no"']
)
def test_a_program_that_asks_is_left_alone(program):
    refuse_unasked(program)
    assert extract(program).program == program
