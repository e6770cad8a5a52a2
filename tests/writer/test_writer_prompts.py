"""The prompts: every example parses, checks and runs; the hash covers what is sent; replies give up their programs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

import dsl
from dsl import Vocabulary
from dsl.percepts import PERCEPTS
from neptune import tasks
from neptune.answer import Answer
from neptune.engine import Engine
from neptune.errors import ConfigError
from neptune.scene import Scene
from neptune.writer.asking import refuse_unasked
from neptune.writer.extract import extract
from neptune.writer.prompt import (
    DIALECTS,
    LENGTHS,
    PATCHES,
    REGION_EXAMPLES,
    Prompt,
    examples,
    percepts_summary,
    program_of,
)

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p.stem for p in (ROOT / "prompts/program/examples").glob("*.json"))
CLEVR = Vocabulary.load("clevr")
ROWS = [(name, row) for name in FILES for row in examples(name)]
SCENES = [Scene.synthetic(12, seed=s) for s in range(4)]
ENGINE = Engine(oracle="scene", vocabulary=CLEVR)
NLVR = Vocabulary.load("nlvr")
DRAWINGS = [Scene.synthetic(6, seed=s, vocabulary=NLVR) for s in range(4)]
IN_BOXES = Engine(oracle="scene", vocabulary=NLVR)
WORLDS = {"nlvr": NLVR}
"""File of examples → the world that they speak of, where it is not CLEVR's."""


@cache
def answers(program: str, name: str = "") -> tuple[Answer, ...]:
    engine, scenes = (IN_BOXES, DRAWINGS) if name == "nlvr" else (ENGINE, SCENES)
    return tuple(engine.run(program, scene) for scene in scenes)


def test_every_task_has_examples():
    assert set(FILES) == {"vqa", "refexps", "puzzle", "rpm", "humans", "nlvr"}
    known = json.loads((ROOT / "prompts/program/tasks.json").read_text())
    assert set(tasks.NAMES) | {"default", "clevr-humans"} <= set(known)
    for row in known.values():
        assert set(row["examples"]) <= set(FILES)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{n}-{r['question'][:30]}" for n, r in ROWS])
def test_examples_parse_check_and_run(name, row, dialect):
    program = program_of(row, dialect)
    dsl.check(program, vocabulary=WORLDS.get(name, CLEVR))
    kinds = {answer.kind for answer in answers(program, name)}
    expected = {"refexps": {"object"}, "puzzle": {"truth"}, "rpm": {"truth"}, "nlvr": {"truth"}}.get(
        name, {"truth", "number", "text"}
    )
    assert kinds <= expected
    assert len(kinds) == 1


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[f"{n}-{r['question'][:30]}" for n, r in ROWS])
def test_both_dialects_say_the_same(name, row):
    same = sure = 0
    for one, other in zip(*(answers(program_of(row, d), name) for d in DIALECTS), strict=True):
        if not one.presuppositions and not other.presuppositions:
            sure += 1
            same += one.value == other.value
    assert same == sure


@pytest.mark.parametrize("row", [r for _, r in ROWS], ids=[r["question"][:30] for _, r in ROWS])
def test_examples_are_texts_of_generate(row):
    """What a prompt shows must be what constrained decoding can write."""
    dsl.parse(program_of(row, "first_order"), start="generate")


@pytest.mark.parametrize("task", [*tasks.NAMES, "clevr-humans", "something-else"])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("length", LENGTHS)
def test_prompts_are_whole(task, dialect, length):
    prompt = Prompt(task, CLEVR, dialect, length)
    system = prompt.messages[0]["content"]
    assert "{{" not in system
    assert "purple" in system
    roles = [m["role"] for m in prompt.messages]
    assert roles == ["system"] + ["user", "assistant"] * (len(roles) // 2)
    assert prompt.ask("  How\nmany? ")[-1] == {"role": "user", "content": "How many?"}


def test_the_short_prompt_is_short():
    assert sum(len(m["content"]) for m in Prompt("clevr", CLEVR, length="short").messages) < 2600


def test_the_hash_covers_task_dialect_length_and_vocabulary():
    prompts = [
        Prompt("clevr", CLEVR),
        Prompt("clevr-rpm", CLEVR),
        Prompt("clevr", CLEVR, "neptune"),
        Prompt("clevr", CLEVR, length="short"),
        Prompt("clevr", Vocabulary.open()),
    ]
    assert len({p.hash for p in prompts}) == 5
    assert Prompt("clevr", CLEVR).hash == prompts[0].hash
    assert len(prompts[0].hash) == 16


def test_wrong_settings_are_errors():
    with pytest.raises(ConfigError, match="code_gen_dialect is 'b'"):
        Prompt("clevr", CLEVR, "b")
    with pytest.raises(ConfigError, match="code_gen_prompt is 'long'"):
        Prompt("clevr", CLEVR, length="long")


def test_the_repair_message_carries_the_programs_line_and_the_four_parts():
    program = "count(Object, lambda x: red(x) and cube(x)"
    with pytest.raises(dsl.ProgramError) as caught:
        dsl.parse(program)
    text = Prompt.repair(str(caught.value), "How many\nred cubes?")["content"]
    assert "question is still: How many red cubes?" in text
    assert program in text
    assert "^" in text
    assert "expected:" in text
    assert "hint:" in text


P = "count(Object, lambda x: red(x))"
TWO = 'f = score("is it red?")\nreturn f.count()'


@pytest.mark.parametrize(
    ("reply", "program", "note"),
    [
        (P, P, ""),
        (f"{P}\n\n", P, ""),
        (TWO, TWO, ""),
        (f"```python\n{P}\n```", P, "code fence"),
        (f"Sure! Here it is:\n\n```\n{TWO}\n```\nIt counts.", TWO, "code fence"),
        (f"First try:\n```\ncount(\n```\nBetter:\n```python\n{P}\n```", P, "2 code fences"),
        (f"```python\n{P}\n```\nthat is not\n```text\nthe answer is 3!\n```", P, "2 code fences"),
        (f"Program: {P}", P, "label"),
        (f"Here is the program.\n{P}\nIt counts red things.", P, "prose"),
        (f"Let me think, it is easy.\n\n{TWO}", TWO, "prose"),
        (f"<think>red things, (so) count(x)</think>\n{P}", P, "thoughts"),
        (f"so I count.</think>{P}", P, "thoughts"),
        (f"```python\n{P}", P, "code fence"),
    ],
)
def test_programs_are_taken_out_of_replies(reply, program, note):
    found = extract(reply)
    assert found.program == program
    assert (note in " ".join(found.notes)) if note else not found.notes


def test_a_reply_without_a_program_is_handed_on():
    assert extract("I can not see the picture.").program == "I can not see the picture."
    assert extract("").program == ""
    assert extract("```\nnot a program!\n```").program == "not a program!"


# --- programs over regions ---------------------------------------------------------------------------

REGION_ROWS = [(name, row) for name in REGION_EXAMPLES for row in examples(name, PATCHES)]


@pytest.mark.parametrize(("name", "row"), REGION_ROWS, ids=[f"{n}-{r['question'][:30]}" for n, r in REGION_ROWS])
def test_examples_over_regions_are_of_their_dialect_and_of_generate(name, row):
    program = program_of(row, PATCHES)
    found = dsl.check(program)
    assert found.dialect == PATCHES
    assert not found.notes
    assert dsl.parse(program, start="generate") == dsl.parse(program)


@pytest.mark.parametrize("task", [*tasks.NAMES, "clevr-humans", "something-else"])
@pytest.mark.parametrize("length", LENGTHS)
def test_prompts_over_regions_are_whole(task, length):
    prompt = Prompt(task, CLEVR, PATCHES, length)
    system = prompt.messages[0]["content"]
    assert "{{" not in system
    for word in ("purple", ".find(object_name)", ".horizontal_center", "best_image_match(", "y runs up"):
        assert word in system
    assert "iota" not in system
    shown = [m["content"] for m in prompt.messages if m["role"] == "assistant"]
    assert shown
    assert all("ImagePatch(image)" in program for program in shown)
    assert prompt.hash != Prompt(task, CLEVR, length=length).hash


@pytest.mark.parametrize(
    ("program", "asked"),
    [
        ('return ImagePatch(image).find("cat")[0]', True),
        ("return image_patch", False),
        ('return simple_query("who?")', True),
        ("def execute_command(image):\n    return 'yes'", False),
        ("def execute_command(image):\n    return llm_query('who?')", True),
        ("x = 1\n    return x", False),
    ],
)
def test_a_program_over_regions_has_to_look_at_one(program, asked):
    if asked:
        refuse_unasked(program, PATCHES)
        return
    with pytest.raises(dsl.ProgramError, match="asks nothing of the picture") as caught:
        refuse_unasked(program, PATCHES)
    assert "ImagePatch" in caught.value.expected


def test_what_is_measured_in_the_picture_is_told_where_the_vocabulary_leaves_the_name() -> None:
    names = [percept.signature for percept in PERCEPTS.values()]
    told = Prompt("vqa", Vocabulary.open()).messages[0]["content"]
    assert all(f"- {signature}: " in told for signature in names)
    own = Vocabulary.from_data({"name": "own", "predicates": {"inside": {"arity": 2}, "depth": {"arity": 1}}})
    mine = percepts_summary(own)
    assert "- nearer(x, y): " in mine
    assert "- inside(" not in mine
    assert "- depth(" not in mine
    for quiet in (Prompt("vqa", NLVR), Prompt("vqa", Vocabulary.open(), length="short")):
        assert "Measured in the picture" not in quiet.messages[0]["content"]


def test_what_prompts_tell_of_the_picture_is_a_program() -> None:
    for percept in PERCEPTS.values():
        said = f"forall(Object, lambda y: {percept.signature})" if "y" in percept.signature else percept.signature
        said = {"number": f"{said} > 5", "text": f'{said} == "a"', "mask": "inside(x, mask(x))"}.get(
            percept.gives, said
        )
        dsl.parse(f"count(Object, lambda x: {said})")
