"""Runs whose provider of programs fails: each ends cleanly, keeps what it has, and the same command resumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.fault_server import cuts, drops, fails, garbage, hangs, says, serving

from neptune.cli import main

pytest.importorskip("openai", reason="openai is not installed: make setup")
ROOT = Path(__file__).resolve().parents[2]
GOLD = json.loads((ROOT / "programs" / "clevr-sample.json").read_text(encoding="utf-8"))
N = 6


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """Runs write their programs below the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def gold(request, number):
    """Answer with the gold program of the question."""
    question = next(m["content"] for m in request["messages"][::-1] if m["content"] in GOLD)
    return GOLD[question]


def run(url: str, **more) -> int:
    words = {
        "config": str(ROOT / "configs/clevr.json"), "data_dir": str(ROOT / "examples" / "clevr"), "od_model": "scene",
        "vlm_model_name": "scene", "num_samples": N, "output_dir": "run", "code_gen_provider": "local",
        "code_gen_model_name": "m", "code_gen_base_url": url, "code_gen_retries": 0, "code_gen_timeout": 5.0,
        "code_gen_concurrency": 1, "code_gen_constrained": "off", "schedule": "all",
    } | more  # fmt: skip
    return main([word for name, value in words.items() for word in (f"--{name}", str(value))])


def records() -> list[dict]:
    path = Path("run/samples.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def results() -> dict:
    return json.loads(Path("run/results.json").read_text(encoding="utf-8"))


def test_a_whole_run_and_what_it_records(capsys):
    with serving(gold) as server:
        assert run(server.url, code_gen_concurrency=3, code_gen_prices='{"prompt": 1.0, "completion": 2.0}') == 0
        assert len(server.requests) == N
    assert results()["correct"] == N
    assert results()["usage"]["code_gen_calls"] == N
    assert results()["usage"]["code_gen_cost"] == pytest.approx(N * 120e-6, abs=1e-3)
    config = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    hashes = config["_run"]["prompt_hashes"]
    assert {r["prompt_hash"] for r in records()} == set(hashes.values())
    assert {r["program_source"] for r in records()} == {"m"}
    assert f"{N} requests for programs" in capsys.readouterr().out
    # offline, with what was written: nothing is asked
    kept = str(next(Path("programs").glob("written-*.json")))
    assert (
        run("http://127.0.0.1:1/v1", output_dir="offline", code_gen_provider="cache", program_cache_address=kept) == 0
    )
    offline = [json.loads(x) for x in Path("offline/samples.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [r["program"] for r in offline] == [r["program"] for r in records()]
    assert {r["program_source"] for r in offline} == {"cache"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (fails(401), "refuses the key"),
        (fails(404), "There is no model 'm'"),
        (fails(400), "does not take the request"),
        (fails(429), "asked too often"),
        (fails(500), "The provider failed (500)"),
        (garbage(), "can not be read"),
        (hangs(15.0), "No answer within 5 s"),
        (drops(), ""),
        (cuts(says("count(Object)")), ""),
    ],
    ids=["401", "404", "400", "429", "500", "garbage", "hang", "dropped", "cut"],
)
def test_a_provider_that_fails_midway(fault, words, capsys):
    with serving(lambda request, n: gold(request, n) if n < 3 else fault) as server:
        assert run(server.url) == 2
        said = capsys.readouterr().err
        assert words in said
        assert "Traceback" not in said
        assert f"{N - 3} samples have no program yet" in said
        before = records()
        assert [r["correct"] for r in before] == [True] * 3
        assert results()["complete"] is False
        assert results()["n"] == N
        assert Path("run/report.html").exists()
        failed = len(server.requests)
        server.behave = gold
        assert run(server.url) == 0
        # the three that were written are not asked again
        assert len(server.requests) - failed <= N - 3
    after = records()
    assert after[:3] == before
    assert len({r["id"] for r in after}) == len(after) == N
    assert results()["correct"] == N
    assert results()["complete"] is True


def test_one_hiccup_does_not_end_the_run(capsys):
    with serving(lambda request, n: fails(500) if n == 2 else gold(request, n)) as server:
        assert run(server.url) == 2
        assert len(records()) == N - 1
        assert "1 samples have no program yet" in capsys.readouterr().err
        assert run(server.url) == 0
    assert results()["correct"] == N


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (says(""), "EmptyReplyError"),
        (says("count(Object, lambda", finish="length"), "TruncatedError"),
        (says(None, refusal="no"), "RefusedError"),
        (says("count(Object, lambda x: red(y))"), "ProgramError"),
    ],
)
def test_a_useless_reply_is_the_fault_of_its_sample_alone(reply, kind):
    def behave(request, number):
        asked = [m["content"] for m in request["messages"] if m["content"] in GOLD]
        return reply if asked[-1] == asked_first[0] else gold(request, number)

    with serving(gold) as server:
        assert run(server.url, output_dir="calm", program_cache_address="calm.json") == 0
    asked_first = [json.loads(Path("calm/samples.jsonl").read_text(encoding="utf-8").splitlines()[1])["question"]]
    with serving(behave) as server:
        assert run(server.url, code_gen_repairs=1) == 2
    wrong = [r for r in records() if r["error"]]
    assert [r["error_kind"] for r in wrong] == [kind]
    assert wrong[0]["id"] == "clevr-000001"
    assert wrong[0]["usage"]["code_gen_calls"] == (1 if kind == "RefusedError" else 2)
    assert results()["correct"] == N - 1
    assert results()["complete"] is True
    if kind == "ProgramError":
        assert "lambda x: red(y)" in wrong[0]["program"]
    # It is the sample's answer to keep: the same command asks nothing again and changes nothing.
    kept = records()
    with serving(gold) as server:
        assert run(server.url, code_gen_repairs=1) == 2
        assert not server.requests
    assert records() == kept


def test_a_missing_key_stops_before_the_run_folder_is_made(monkeypatch, capsys):
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    assert run("http://127.0.0.1:1/v1", code_gen_provider="openrouter") == 2
    assert "OPENROUTER_API_KEY" in capsys.readouterr().err
    assert not Path("run").exists()


def test_a_key_that_is_lost_midway_stops_the_run_which_resumes_with_it(monkeypatch, capsys):
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    with serving(gold) as server:
        more = {"code_gen_provider": "openrouter", "code_gen_base_url": server.url}
        more |= {"trusted_hosts": server.url.split("/")[2]}
        assert run(server.url, num_samples=2, **more) == 0
        before = records()
        monkeypatch.delenv("OPENROUTER_API_KEY")
        assert run(server.url, **more) == 2
        assert "OPENROUTER_API_KEY" in capsys.readouterr().err
        assert records() == before
        monkeypatch.setenv("OPENROUTER_API_KEY", "k")
        assert run(server.url, **more) == 0
        assert len(server.requests) == N
    assert records()[:2] == before
    assert results()["correct"] == N


def test_a_run_killed_by_the_user_keeps_what_was_written(capsys):
    calls = []

    def behave(request, number):
        calls.append(number)
        return gold(request, number)

    with serving(behave) as server:
        assert run(server.url, num_samples=4) == 0
        assert run(server.url, num_samples=N) == 0  # grows: only the new ones are asked
    assert len(calls) == N


def test_several_programs_vote_in_a_run():
    wrong = "count(Object, lambda x: sphere(x) and cube(x))"
    with serving(lambda request, n: says(wrong, gold(request, n), gold(request, n).replace("x", "v"))) as server:
        run(server.url, code_gen_samples=3)
    assert results()["correct"] == N
    assert all(len(r["programs"]) == 2 for r in records() if r["error"] is None)
    noted = [n for r in records() for n in r["notes"]]
    assert any("disagree" in n for n in noted)
    assert any("differ first on" in n for n in noted)
    shown = [r["dispute"] for r in records() if "dispute" in r]
    assert shown
    assert all(d["drawing"].startswith("<svg ") and len(d["programs"]) == 2 for d in shown)
    before = records()
    Path("run").rename("first")
    with serving(lambda request, n: pytest.fail("the programs are known")) as server:
        run(server.url, code_gen_samples=3)
    assert [r.get("dispute") for r in records()] == [r.get("dispute") for r in before]  # kept with the programs


def test_engine_ask_writes_the_program_itself(tmp_path):
    from neptune.config import make_config
    from neptune.engine import Engine

    picture = next((ROOT / "examples" / "clevr" / "images").rglob("*.*"))
    with serving(lambda request, n: "count(Object)") as server:
        config = {"task": "ask", "image": str(picture), "question": "How many things?", "code_gen_provider": "local"}
        config |= {"code_gen_model_name": "m", "code_gen_base_url": server.url, "vlm_model_name": "random"}
        config |= {"program_cache_address": str(tmp_path / "p.json")}
        answer = Engine.from_config(make_config(config)).ask(picture, "How many things?")
    assert answer.kind == "number"
    assert answer.value >= 1


def test_task_ask_writes_the_program(capsys):
    packaged = sorted((ROOT / "programs").iterdir())
    picture = next((ROOT / "examples" / "clevr" / "images").rglob("*.*"))
    with serving(lambda request, n: "```\ncount(Object)\n```") as server:
        words = [
            "--config",
            str(ROOT / "configs/ask.json"),
            "--image",
            str(picture),
            "--question",
            "How many things?",
            "--output_dir",
            "asked",
        ]
        words += ["--vlm_model_name", "random", "--code_gen_provider", "local", "--code_gen_model_name", "m"]
        assert main([*words, "--code_gen_base_url", server.url]) == 0
        assert main([*words, "--code_gen_base_url", server.url]) == 0
        assert len(server.requests) == 1
    assert Path("programs/clevr-sample-written.json").is_file(), "of packaged programs it goes into the working folder"
    assert sorted((ROOT / "programs").iterdir()) == packaged
    record = json.loads(Path("asked/samples.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert record["program"] == "count(Object)"
