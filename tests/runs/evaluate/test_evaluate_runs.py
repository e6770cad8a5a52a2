"""What is said of a finished run: comparison, several logics, judge, blame. Each by one command, on real runs."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import fails, says, serving
from rich.console import Console

from neptune.cli import main
from neptune.config import make_config
from neptune.runs.evaluate.attribution import shapley
from neptune.runs.evaluate.compare import mcnemar
from neptune.runs.evaluate.judge import read_verdict
from neptune.runs.evaluate.logics import summarise_logics
from neptune.runs.evaluate.tables import WIDTH, print_more

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def run(folder: Path, **more: Any) -> int:
    """Run a config into a folder; annotated boxes and scores unless told otherwise, which needs no model."""
    words: dict[str, Any] = {"config": "configs/clevr.json", "od_model": "scene", "vlm_model_name": "scene"}
    words |= {"num_samples": 30, "output_dir": folder} | more
    return main([word for name, value in words.items() for word in (f"--{name}", str(value))])


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


# --- compare ---


def test_mcnemar_is_exact() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 6) == mcnemar(6, 0) == pytest.approx(2 / 2**6)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert 0 < mcnemar(4000, 5000) < 1e-20


def test_two_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "a")
    run(tmp_path / "b", vlm_options='{"noise": 0.6}')
    a, b = records(tmp_path / "a"), records(tmp_path / "b")
    lost = sum(x["correct"] and not y["correct"] for x, y in zip(a, b))
    won = sum(y["correct"] and not x["correct"] for x, y in zip(a, b))
    said = [[(r["outcome"], r["why"] or r["error_kind"] or r["answer"]) for r in rows] for rows in (a, b)]
    changed = sum(x != y for x, y in zip(*said))
    assert lost > 3, "the noise must matter, or this test shows nothing"
    capsys.readouterr()
    assert main(["--compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    printed = capsys.readouterr().out
    assert 'vlm_options: {} → {"noise": 0.6}' in printed
    assert f"only in the first {lost}, only in the second {won}" in printed
    assert f"p = {mcnemar(lost, won):.3g}" in printed
    assert f"{changed} answers changed." in printed
    assert printed.count("  lost ") == lost
    assert main(["--compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 0
    same = capsys.readouterr().out
    assert "0 answers changed." in same
    assert "p = 1." in same


def test_what_can_not_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "a", num_samples=2)
    run(tmp_path / "b", num_samples=2, config="configs/clevr-rpm.json")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    capsys.readouterr()
    for words, said in (
        (["--compare", a], "takes two run folders"),
        (["--compare", a, b, "--seed", "1"], "takes no fields but --data_dir"),
        (["--compare", a, str(tmp_path)], "The folder holds no run"),
        (["--compare", a, b], "no sample in common"),
    ):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


# --- logics ---


def test_several_logics_ask_the_oracle_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"vlm_options": '{"noise": 0.35}', "num_samples": 40}
    run(tmp_path / "one", **options)
    run(tmp_path / "many", logic="godel,product,lukasiewicz,frank:0.5", **options)
    printed = capsys.readouterr().out
    one, many = records(tmp_path / "one"), records(tmp_path / "many")
    assert [r["answer"] for r in one] == [r["answer"] for r in many]
    table = results(tmp_path / "many")["logics"]
    assert list(table) == ["godel", "product", "lukasiewicz", "frank:0.5"]
    asked = results(tmp_path / "one")["usage"]["oracle_calls"]
    total = sum(row["oracle_calls"] for row in table.values())
    # Another logic may point to another object, and ask what that one is like; nothing is asked twice.
    assert asked <= total <= 1.01 * asked
    assert table["godel"]["correct"] == results(tmp_path / "many")["correct"]
    assert table["lukasiewicz"]["changed"] > 0, "the noise must make logics differ, or this test shows nothing"
    for name in table:
        run(tmp_path / name, logic=name, **options)
        alone = records(tmp_path / name)
        for mine, theirs in zip(many, alone):
            assert mine["logics"][name]["answer"] == theirs["answer"]
            assert mine["logics"][name]["correct"] == theirs["correct"]
    assert "Logics (one run of the oracle)" in printed
    assert main(["--config", "configs/clevr.json", "--logic", "godel,godel"]) == 2
    assert "names a logic twice" in capsys.readouterr().err


def test_a_logic_that_fails_says_nothing_of_the_first_one() -> None:
    """Its probability and its abstentions are its own: of a sample that it can not answer it has none."""
    failed = {"correct": False, "error": "never recorded", "error_kind": "OracleError"}
    fine = {"answer": "yes", "correct": True, "probability": 0.9, "abstained": False, "oracle_calls": 3}
    unsure = {"answer": None, "correct": False, "probability": 0.5, "abstained": True, "oracle_calls": 2}
    rows = [
        {"id": i, "dataset": "d", "picture": str(i), "error": None, **first, "logics": logics}
        for i, (first, logics) in enumerate(
            [
                (fine, {"godel": fine, "product": fine | {"probability": 0.7}}),
                (fine, {"godel": fine, "product": failed}),
                (unsure, {"godel": unsure, "product": failed}),
            ]
        )
    ]
    table = summarise_logics(rows)
    kept = ("n", "correct", "errors", "abstained", "mean_probability", "oracle_calls")
    assert [table["godel"][k] for k in kept] == [3, 2, 0, 1, pytest.approx(2.3 / 3, abs=1e-6), 8]
    assert [table["product"][k] for k in kept] == [3, 1, 2, 0, 0.7, 3]
    assert (table["product"]["won"], table["product"]["lost"]) == (0, 1)
    console = Console(width=WIDTH, record=True, file=io.StringIO())
    print_more({"logics": table}, console)
    heads, product = (
        [cell.strip() for cell in re.split("[│┃]", line)]
        for line in console.export_text().splitlines()
        if "errors" in line or "product" in line
    )
    assert product[heads.index("errors")] == "2"


# --- judge ---


def judging(request: dict[str, Any], number: int) -> Any:
    """A judge that is right about all but numbers, of which it accepts everything."""
    text = request["messages"][-1]["content"]
    expected = text.split("Expected answer: ")[1].split("\n")[0]
    given = text.split("Given answer: ")[1].split("\n")[0]
    return "Yes." if given == expected or given.isdecimal() else "no"


def judge(folder: Path, url: str, **more: Any) -> int:
    words = {"evaluate": "true", "judge_model": "m", "judge_provider": "local", "judge_base_url": url}
    words |= {"vlm_options": '{"noise": 0.6}', "workers": 4, "code_gen_retries": 0}
    return run(folder, **(words | more))


def test_a_judge_and_its_disagreements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    run(folder, vlm_options='{"noise": 0.6}')
    rows = records(folder)
    free = [r for r in rows if not r["error"] and not r["abstained"]]
    lenient = [r for r in free if not r["correct"] and isinstance(r["answer"], int)]
    assert lenient, "the run must have wrong numbers, or this test shows nothing"
    with serving(judging) as server:
        assert judge(folder, server.url) == 0
        asked = len(server.requests)
        assert judge(folder, server.url) == 0
        assert len(server.requests) == asked, "verdicts are kept"
    assert asked == len({(r["question"], str(r["expected"]), str(r["answer"])) for r in free})
    found = results(folder)["judge"]
    assert records(folder) == rows, "the records are never changed"
    assert found["judged"] == len(free)
    assert found["only_judge"] == len(lenient) == len(found["disagreements"])
    assert found["only_exact"] == 0
    assert found["right"] == sum(r["correct"] for r in rows) + len(lenient)
    assert found["interval"][0] <= found["accuracy"] <= found["interval"][1]
    printed = capsys.readouterr().out
    assert "Judge (m) and exact match" in printed
    assert f"  {lenient[0]['id']}: " in printed
    run(folder, vlm_options='{"noise": 0.6}')
    assert results(folder)["judge"] == found, "what was found stays, also without asking for it again"


def test_a_judge_that_fails_midway_is_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    with serving(lambda r, n: judging(r, n) if n < 5 else fails(500)) as server:
        assert judge(folder, server.url, workers=1) == 2
        err = capsys.readouterr().err
        assert "not all is said" in err
        assert "judge_base_url" in err
        assert "code_gen" not in err.split("code_gen_timeout")[0]
        assert "Traceback" not in err
        kept = len((folder / "judge.jsonl").read_text().splitlines())
        assert kept >= 5
        with (folder / "judge.jsonl").open("a") as file:
            file.write('{"dataset": "clevr", "id": "torn')
        before, server.behave = len(server.requests), judging
        assert judge(folder, server.url) == 0
        assert len(server.requests) - before <= 30 - 5
    assert results(folder)["judge"]["judged"] == 30 - results(folder)["abstained"]


def test_verdicts_that_say_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with serving(lambda r, n: says("") if n % 2 else "I can not tell") as server:
        assert judge(folder, server.url, num_samples=4, workers=1) == 0
    found = results(folder)["judge"]
    answered = results(folder)["answered"]  # what is abstained from is not judged
    assert answered >= 3
    assert (found["judged"], found["unreadable"]) == (0, answered)
    assert found["right"] == results(folder)["correct"], "exact match decides where the judge says nothing"


def test_the_judge_is_neptunes_where_none_is_named() -> None:
    config = make_config({"dataset": "clevr", "data_dir": "d", "evaluate": True})
    assert (config.judge_model, config.judge_provider) == ("deepseek-chat", "deepseek")
    assert read_verdict("No. The answer differs") is False
    assert read_verdict("<think>is it no?</think> yes") is True
    assert read_verdict("Nothing known") is None


def test_the_time_spent_looking_inside_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = time.monotonic()
    run(tmp_path / "a", num_samples=10, inspect="flips")
    wall = time.monotonic() - begun
    found = re.search(
        r"([\d.]+) s answering, ([\d.]+) s looking inside, ([\d.]+) s by the clock", capsys.readouterr().out
    )
    assert found is not None
    answering, inside, clock = map(float, found.groups())
    assert inside > 0.1
    assert answering + inside <= clock + 0.2 <= wall + 0.3
    assert inside == pytest.approx(results(tmp_path / "a")["usage"]["inspect_ms"] / 1000, abs=0.06)
    run(tmp_path / "b", num_samples=10, inspect="none")
    assert "inside" not in capsys.readouterr().out


# --- blame ---


def blame_of(tmp_path: Path, name: str, **more: Any) -> dict[str, Any]:
    run(tmp_path / name, blame="true", **more)
    found: dict[str, Any] = results(tmp_path / name)["blame"]
    shares = sum(row["share"] for row in found["by"].values())
    assert found["explained"] == found["wrong"] > 0, "there must be errors, or this test shows nothing"
    assert shares == pytest.approx(found["explained"], abs=1e-3)
    return found


def test_a_noisy_oracle_is_to_blame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = blame_of(tmp_path, "run", vlm_options='{"noise": 0.6}')
    assert found["by"]["oracle"]["share"] == found["wrong"] == found["by"]["oracle"]["mended_alone"]
    assert "Blame for" in capsys.readouterr().out
    assert all("blame" not in r for r in records(tmp_path / "run"))
    rows = [json.loads(x) for x in (tmp_path / "run" / "blame.jsonl").read_text().splitlines()]
    assert {r["id"] for r in rows} == {r["id"] for r in records(tmp_path / "run") if not r["correct"]}


def test_a_detector_is_not_blamed_for_noise(tmp_path: Path) -> None:
    # It finds the same objects in another order: with them swapped in, the oracle says the same.
    found = blame_of(tmp_path, "run", od_model="embedded", vlm_options='{"noise": 0.6}')
    assert found["by"]["detector"] == {"share": 0, "mainly": 0, "mended_alone": 0}


def test_a_blind_detector_is_to_blame(tmp_path: Path) -> None:
    found = blame_of(tmp_path, "run", od_model="embedded", od_options='{"threshold": 0.93}')
    assert found["by"]["detector"]["share"] == found["wrong"]


def test_a_wrong_program_is_to_blame(tmp_path: Path) -> None:
    programs = json.loads((ROOT / "programs/clevr-sample.json").read_text(encoding="utf-8"))
    broken = {
        q: p.replace("left(", "right(") if i % 2 else "count(nonsense" for i, (q, p) in enumerate(programs.items())
    }
    (tmp_path / "programs.json").write_text(json.dumps(broken), encoding="utf-8")
    found = blame_of(tmp_path, "run", code_gen_provider="cache", program_cache_address=tmp_path / "programs.json")
    assert found["by"]["program"]["share"] == found["wrong"]
    assert found["by"]["program"]["mended_alone"] == found["wrong"]


def test_a_wrong_label_is_left_to_the_logic(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(ROOT / "examples/clevr", tmp_path / "d", ignore=shutil.ignore_patterns("*.png"))
    (tmp_path / "d" / "images").rmdir()
    (tmp_path / "d" / "images").symlink_to(ROOT / "examples/clevr/images")
    content = json.loads((tmp_path / "d" / "questions.json").read_text())
    content["questions"][0]["answer"] = "9"
    (tmp_path / "d" / "questions.json").write_text(json.dumps(content))
    found = blame_of(tmp_path, "run", data_dir=tmp_path / "d", num_samples=3, follow_links="true")
    assert (found["wrong"], found["by"]["logic"]["share"]) == (1, 1.0)


def test_without_the_truth_nobody_is_blamed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    line = {"image": "a.png", "question": "How many?", "answer": 99, "program": "count(Object)"}
    (tmp_path / "d" / "questions.jsonl").write_text(json.dumps(line))
    (tmp_path / "d" / "a.png").symlink_to(ROOT / "examples/clevr/images/CLEVR_val_000004.png")
    words = {"dataset": "folder", "data_dir": tmp_path / "d", "od_model": "embedded", "vlm_model_name": "random"}
    assert run(tmp_path / "run", blame="true", follow_links="true", **words) == 0
    found = results(tmp_path / "run")["blame"]
    assert (found["wrong"], found["explained"], found["unknown"]) == (1, 0, 1)


def test_shares_add_up_and_are_fair() -> None:
    from itertools import combinations

    def rights(mends: Any) -> dict[frozenset[str], bool]:
        names = ("boxes", "scores", "program")
        every = [frozenset(c) for n in range(4) for c in combinations(names, n)]
        return {s: mends(s) for s in every}

    alone = shapley(rights(lambda s: "scores" in s))
    assert alone == pytest.approx({"detector": 0, "oracle": 1, "program": 0, "logic": 0})
    either = shapley(rights(lambda s: bool(s & {"boxes", "scores"})))
    assert either == pytest.approx({"detector": 0.5, "oracle": 0.5, "program": 0, "logic": 0})
    both = shapley(rights(lambda s: {"boxes", "program"} <= s))
    assert both == pytest.approx({"detector": 0.5, "oracle": 0, "program": 0.5, "logic": 0})
    never = shapley(rights(lambda s: False))
    assert never == pytest.approx({"detector": 0, "oracle": 0, "program": 0, "logic": 1})
