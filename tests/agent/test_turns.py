"""Conversations with a model of a script, which checks what it is sent: in the language, and in the sandbox."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Server, says, serving
from helpers.openai_asked import no_waits
from helpers.turn_tasks import Task, last_text, read_words, sign, tasks

from neptune.agent.limits import ENDS
from neptune.cli import main

pytest.importorskip("openai", reason="the extra 'openai' is not installed")
pytest.importorskip("cv2", reason="the extra 'vision' is not installed")


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    no_waits(monkeypatch)


def sandbox_missing() -> str:
    pytest.importorskip("pyseccomp", reason="the extra 'sandbox' is not installed", exc_type=ImportError)
    from neptune.errors import MissingExtraError
    from neptune.sandbox import Sandbox
    from neptune.sandbox.process import SandboxError

    try:
        with Sandbox() as sandbox:
            sandbox.start()
    except (SandboxError, MissingExtraError) as error:
        return error.one_line()
    return ""


def scripted(task: Task, sandbox: str) -> Any:
    """Return the behaviour of a server that plays a task's model; what it finds wrong it says in its reply's place."""
    replies = task.language if sandbox == "none" else task.python

    def behave(request: dict[str, Any], number: int) -> Any:
        assert request["model"] == "m"
        assert request["messages"][0]["role"] == "system"
        if number >= len(replies):
            return f"Answer: WRONG, the script is over: {last_text(request)}"
        reply = replies[number]
        if isinstance(reply, str):
            return reply
        try:
            return reply(request)
        except AssertionError as error:
            return f"Answer: WRONG {error!r}"

    return behave


def ask(server: Server, task: Task, folder: Path, sandbox: str = "none", *more: str) -> tuple[int, dict[str, Any]]:
    """Have a conversation through the command line; return its exit code and its record."""
    paths = []
    folder.mkdir(parents=True, exist_ok=True)
    for k, picture in enumerate(task.pictures):
        paths.append(str(folder / f"in-{k}.png"))
        picture.save(paths[-1])
    limits = dict(task.limits)
    words = ["ask", *paths, task.question, "--turns", str(limits.pop("turns", 6)), "--code_gen_provider", "local"]
    words += ["--code_gen_model_name", "m", "--code_gen_base_url", server.url, "--turn_format", task.form]
    words += ["--output_dir", str(folder / "out"), "--sandbox", sandbox, "--od_model", "regions"]
    words += ["--vlm_model_name", "random", "--turn_limits", json.dumps(limits), "--vocabulary", "null"]
    words += ["--code_gen_timeout", "300", *more]
    code = main(words)
    path = folder / "out" / "results.json"
    return code, json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("sandbox", ["none", "bwrap"])
@pytest.mark.parametrize("task", tasks(), ids=lambda t: t.name)
def test_the_conversation_ends_right(task: Task, sandbox: str, tmp_path: Path) -> None:
    if sandbox == "bwrap" and (reason := sandbox_missing()):
        pytest.skip(reason)
    if task.expected in ("HARBOR", "COFFEE", "MARKET"):
        # The reader is loaded before time runs.
        assert read_words(sign("WARM", (30, 30)).crop((0, 0, 200, 80))) == "WARM"
    with serving(scripted(task, sandbox)) as server:
        code, record = ask(server, task, tmp_path, sandbox)
    talk = record["conversation"]
    assert talk["end"] == task.end, json.dumps(talk["turns"], indent=1)
    assert record["answer"] == task.expected, json.dumps(talk["turns"], indent=1)
    assert code == (0 if task.end == "answered" else 1)
    assert talk["end"] in ENDS
    shown = {p["sha256"] for p in record["pictures"]}
    assert shown == {p.stem for p in (tmp_path / "out" / "pictures").glob("*.png")}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="turn"') == len(talk["turns"])
    assert page.count("data:image/png") >= len(shown)


def test_a_tool_is_listed_with_the_turns_that_used_it(tmp_path: Path) -> None:
    task = next(t for t in tasks() if t.name.startswith("a tool"))
    with serving(scripted(task, "none")) as server:
        _, record = ask(server, task, tmp_path)
    assert record["conversation"]["tools"] == [{"name": "shade", "signature": "shade(p, k)", "turn": 1, "used": [2, 3]}]


def test_a_finished_conversation_replays_without_model_and_network(tmp_path: Path) -> None:
    task = tasks()[6]
    with serving(scripted(task, "none")) as server:
        _, first = ask(server, task, tmp_path)
    gone = Server(url=server.url)  # nobody listens there any more
    code, again = ask(gone, task, tmp_path)
    assert code == 0
    assert again == first


@pytest.mark.parametrize("kept", [1, 2])
def test_a_killed_conversation_goes_on_at_the_turn_where_it_stopped(kept: int, tmp_path: Path) -> None:
    task = tasks()[6]
    with serving(scripted(task, "none")) as server:
        _, whole = ask(server, task, tmp_path / "whole")
    folder = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", folder)
    journal = folder / "out" / "conversation.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[: 1 + kept]) + lines[1 + kept][:20])  # the line that was being written is torn
    (folder / "out" / "results.json").unlink()

    def rest(request: dict[str, Any], number: int) -> Any:
        reply = task.language[number + kept]
        assert not isinstance(reply, str)
        return reply(request)

    with serving(rest) as server:
        _, resumed = ask(server, task, folder)
        assert len(server.requests) == len(task.language) - kept
    assert resumed["answer"] == whole["answer"]
    assert [t["read"] for t in resumed["conversation"]["turns"]] == [t["read"] for t in whole["conversation"]["turns"]]


def test_another_question_in_the_same_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tasks()[6]
    with serving(scripted(task, "none")) as server:
        ask(server, task, tmp_path)
        task.question = "Which is the brightest?"
        code, _ = ask(server, task, tmp_path)
    assert code == 2
    assert "another conversation" in capsys.readouterr().err


def test_a_record_that_was_changed_does_not_pass_for_a_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tasks()[6]
    with serving(scripted(task, "none")) as server:
        ask(server, task, tmp_path)
    journal = tmp_path / "out" / "conversation.jsonl"
    journal.write_text(journal.read_text().replace("84.0", "85.0").replace("[60, 68", "[61, 68"))
    code, _ = ask(Server(url=server.url), task, tmp_path)
    assert code == 2
    assert "differently than it was recorded" in capsys.readouterr().err


def test_an_estimate_bounds_it_and_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tasks()[0]
    limits = json.dumps({"tokens": 5000, "money": 0.02, "oracle_calls": 77})
    prices = json.dumps({"prompt": 10.0, "completion": 20.0})
    with serving(scripted(task, "none")) as server:
        code, _ = ask(
            server, task, tmp_path, "none", "--turn_limits", limits, "--code_gen_prices", prices, "--estimate"
        )
        assert not server.requests
    out = capsys.readouterr().out
    assert code == 0
    assert "turns: at most 6" in out
    assert "tokens: at most 5,000" in out
    assert "money: at most 0.0200" in out
    assert "oracle calls: at most 77" in out


# --- bad input ---


def play(replies: list[str], tmp_path: Path, form: str = "own", sandbox: str = "none", **limits: Any) -> dict[str, Any]:
    """Have a conversation whose model says these, the last one again and again."""
    task = Task("bad", "What is it?", None, tasks()[1].pictures, [], [], {"turns": 8, **limits}, form=form)

    def behave(request: dict[str, Any], number: int) -> Any:
        answer = says(replies[min(number, len(replies) - 1)])
        return replace(answer, body=answer.body.replace(b'"prompt_tokens": 100', b'"prompt_tokens": 2000'))

    with serving(behave) as server:
        _, record = ask(server, task, tmp_path, sandbox, "--code_gen_prices", '{"prompt": 10.0, "completion": 10.0}')
    return record["conversation"]


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


BAD: dict[str, tuple[list[str], str, dict[str, Any]]] = {
    "never ends": ([fenced("print(1)"), fenced("print(2)")] * 9, "turns", {}),
    "repeats itself": ([fenced("print(1)")], "repeats", {}),
    "two programs": ([fenced("print(1)") + "\n" + fenced("print(2)")], "refused", {}),
    "an unclosed fence": (["```python\nprint(1)"], "refused", {}),
    "neither": (["I am not sure."], "refused", {}),
    "nothing at all": ([" "], "model", {}),
    "a picture it was never shown": ([fenced("show(image_clue_9)")], "refused", {}),
    "a tool that there is not": ([fenced("show(image_clue_0.enhance())")], "refused", {}),
    "an answer that ends nowhere": (["Answer:"], "refused", {}),
    "refused three times": ([fenced("import os"), fenced("open('x')"), fenced("while True:\n    pass")], "refused", {}),
    "too many pictures": (
        [fenced("for k in range(9):\n    show(image_clue_0.rotate(k + 1))")], "pictures", {"pictures": 4}),
    "too many tokens": ([fenced("print(1)"), fenced("print(2)")] * 9, "tokens", {"tokens": 9000}),
    "too dear": ([fenced("print(1)"), fenced("print(2)")] * 9, "money", {"money": 0.08}),
    "too slow": ([fenced("print(1)"), fenced("print(2)")] * 9, "seconds", {"seconds": 0.001}),
    "asks too much": (
        [fenced(f"print(ImagePatch(image).exists('red {k}'))") for k in range(9)], "oracle_calls", {"oracle_calls": 2}),
}  # fmt: skip


@pytest.mark.parametrize(("replies", "end", "limits"), BAD.values(), ids=BAD.keys())
def test_a_bad_model_is_a_recorded_end(replies: list[str], end: str, limits: dict[str, Any], tmp_path: Path) -> None:
    talk = play(replies, tmp_path, **limits)
    assert talk["end"] == end, json.dumps(talk["turns"], indent=1)[-1500:]
    assert len(talk["turns"]) <= 8
    assert talk["prompt_tokens"] + talk["completion_tokens"] <= limits.get("tokens", 200_000)
    assert talk["code_gen_cost"] <= limits.get("money", 1e9)


TAGS = {
    "an unclosed tag": ("<code>\n```python\nprint(1)\n```", "refused"),
    "two blocks": ("<code>print(1)</code><code>print(2)</code>", "refused"),
    "no code": ("It is a cat.", "no_code"),
    "an unclosed answer": ("<answer>\\boxed{3}", "refused"),
}


@pytest.mark.parametrize(("reply", "end"), TAGS.values(), ids=TAGS.keys())
def test_bad_tags_are_a_recorded_end(reply: str, end: str, tmp_path: Path) -> None:
    assert play([reply], tmp_path, form="pyvision")["end"] == end


def test_endless_prints_are_cut(tmp_path: Path) -> None:
    loop = fenced("for k in range(9000):\n    print('x', k)")
    talk = play([loop, "Answer: done"], tmp_path)
    assert talk["end"] == "answered"
    assert len(talk["turns"][0]["text"]) < 7000


def test_endless_prints_of_python_are_cut(tmp_path: Path) -> None:
    if reason := sandbox_missing():
        pytest.skip(reason)
    talk = play([fenced("for k in range(500):\n    print('x' * 1_000_000)"), "Answer: done"], tmp_path, sandbox="bwrap")
    assert talk["end"] == "answered"
    assert len(talk["turns"][0]["text"]) < 7000


def test_a_picture_that_python_was_never_shown_costs_turns_until_it_ends(tmp_path: Path) -> None:
    if reason := sandbox_missing():
        pytest.skip(reason)
    talk = play([fenced("show(image_clue_7)")], tmp_path, sandbox="bwrap")
    assert talk["end"] == "repeats"
    assert "NameError" in talk["turns"][0]["error"]


def test_500_mb_of_prints_of_the_language_are_cut(tmp_path: Path) -> None:
    program = "line = 'x' * 50000\nfor k in range(9000):\n    print(line, k)"
    talk = play([fenced(program), "Answer: done"], tmp_path)
    assert talk["end"] == "answered"
    assert len(talk["turns"][0]["text"]) < 7000


def test_a_block_of_python_that_hangs_is_stopped_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := sandbox_missing():
        pytest.skip(reason)
    from neptune.sandbox import Sandbox, SandboxLimits

    monkeypatch.setattr("neptune.agent.session.Sandbox", lambda kind: Sandbox(kind, SandboxLimits(seconds=2)))
    talk = play([fenced("x = 1\nwhile True:\n    pass"), fenced("return 'x' in globals()")], tmp_path, sandbox="bwrap")
    assert talk["turns"][0]["stopped"] == "timeout"
    assert "The next block starts in a new process" in talk["turns"][0]["error"]
    assert talk["end"] == "answered"
    assert talk["turns"][1]["error"] == ""


def test_money_without_prices_refuses_to_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = tasks()[0]
    task.limits = {"money": 1.0}
    with serving(scripted(task, "none")) as server:
        code, _ = ask(server, task, tmp_path)
        assert not server.requests
    assert code == 2
    assert "no price is known" in capsys.readouterr().err
