"""A student of distilled samples: a tiny model of a real class learns to answer at once."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_models import VLMS

from neptune.cli import main
from neptune.config.read import read_run
from neptune.errors import ConfigError, DatasetError
from neptune.learn.distil.export import DISTILLED, read_distilled
from neptune.learn.distil.task import DistilConfig, distil
from neptune.learn.student.lessons import Lesson, Lessons, read_lessons
from neptune.learn.student.task import StudentConfig, student
from neptune.perception.oracle.vlm.oracle import TransformersOracle

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")


def silent(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distilled")
    fields = {"data_dir": str(ROOT / "examples" / "clevr"), "num_samples": 6}
    distil(DistilConfig(**fields, vlm_model_name="scene", od_model="scene"), folder, silent)
    return folder / DISTILLED


def tiny(kind: str = "qwen2_vl", **options: Any) -> TransformersOracle:
    return TransformersOracle(VLMS[kind](), **({"max_pixels": 4096, "device": "cpu"} | options))


def config(data: Path, **fields: Any) -> StudentConfig:
    steps = {"batch": 4, "lr": 0.01, "save_every": 1} | fields.pop("steps", {})
    basic = {"data": str(data), "lora": {"targets": "all-linear"}, "device": "cpu", "threads": 1}
    basic |= {"gradient_checkpointing": False, "mixed_precision": "no"}
    return StudentConfig.model_validate(basic | {"steps": steps} | fields)


def teacher(oracle: TransformersOracle, softness: float = 0.0, **weights: float) -> Lessons:
    parameters = list(oracle.reader.model.requires_grad_(True).parameters())
    return Lessons(oracle, parameters, {"answer": 1.0, "rationale": 1.0} | weights, softness, nullcontext)


def answer(picture: str, text: str = "red", **more: Any) -> Lesson:
    return Lesson("q/answer", "answer", picture, "What color is it?", text, **more)


# --- losses --------------------------------------------------------------------------------------------


def test_a_loss_is_the_mean_over_tokens_and_weighed_by_its_kind(distilled: Path) -> None:
    lessons = read_lessons([distilled])
    oracle = tiny()
    oracle.reader.model.eval()
    for kind in ("answer", "rationale"):
        lesson = next(one for one in lessons if one.kind == kind)
        prompt = teacher(oracle).prompt(lesson)
        whole = replace(prompt, answer=oracle.chat.answers(lesson.text)[0])
        tokens = len(oracle.reader.answer_ids(whole))
        with torch.no_grad():
            (likelihood,) = oracle.reader.likelihood([whole])
        assert teacher(oracle).loss([lesson], 1, 0) == pytest.approx(-likelihood / tokens, rel=1e-3)
        assert teacher(oracle, **{kind: 0.25}).loss([lesson], 2, 0) == pytest.approx(-likelihood / tokens / 8, rel=1e-3)
    assert tokens > 20


def test_a_soft_target_is_the_engines_distribution(distilled: Path) -> None:
    picture = read_lessons([distilled])[0].picture
    lesson = answer(picture, soft=(("red", 0.7), ("blue", 0.2), ("green", 0.1), ("gray", 0.001)))
    oracle = tiny()
    oracle.reader.model.eval()
    assert teacher(oracle).targets(lesson) == [("red", 1.0)]
    shares = dict(teacher(oracle, 0.5).targets(lesson))
    assert shares == pytest.approx({"red": 0.85, "blue": 0.1, "green": 0.05})
    alone = {text: teacher(oracle).loss([answer(picture, text)], 1, 0) for text in shares}
    mixed = sum(shares[text] * alone[text] for text in shares)
    assert teacher(oracle, 0.5).loss([lesson], 1, 0) == pytest.approx(mixed, rel=1e-3)
    wrong = answer(picture, "gray", soft=(("red", 1.0),))
    assert dict(teacher(oracle, 1.0).targets(wrong)) == {"red": 1.0}


def test_the_question_is_asked_as_task_direct_asks_it(distilled: Path) -> None:
    import numpy as np

    from neptune.runs.direct.task import asks_yes_or_no
    from neptune.scene import Scene
    from neptune.scene.picture import Picture
    from neptune.scene.types import QueryRequest, Question, ScoreRequest

    oracle, kinds = tiny(), set()
    for row in read_distilled(distilled):
        if row["kind"] != "answer":
            continue
        picture = Picture(Path(row["images"][0]))
        scene = Scene(np.zeros((0, 4), dtype=np.float32), picture.size, picture)
        yes = asks_yes_or_no(row["question"])
        made = ScoreRequest if yes else QueryRequest
        (asked,) = oracle.prompts(made(scene, Question(row["question"], 0), np.zeros((1, 0), dtype=np.int64)))
        lesson = answer(row["images"][0])
        taught = teacher(oracle).prompt(Lesson(lesson.id, "answer", lesson.picture, row["messages"][0]["content"], "x"))
        assert (taught.text, taught.picture) == (asked.text, asked.picture)
        kinds.add(yes)
    assert kinds == {True, False}


# --- from samples to a model ------------------------------------------------------------------------


def test_all_weights_learn_and_the_model_is_asked_directly(distilled: Path, tmp_path: Path) -> None:
    before = tiny()
    before.reader.model.generation_config.eos_token_id = before.reader.tokenizer.eos_token_id
    rows = [r for r in read_distilled(distilled) if r["kind"] == "answer"]
    out = tmp_path / "out"
    steps = {"epochs": 12, "batch": 6, "lr": 0.02}
    fields = {"tuning": "full", "weights": {"rationale": 0.0}, "softness": 0.3}
    results = student(config(distilled, steps=steps, **fields), out, silent, before)
    assert results["loss"]["last"] < 0.3 * results["loss"]["first"]
    assert results["lessons"] == {"answer": 6}
    assert (out / "curve.png").is_file()
    words = ["run", "clevr", "--task", "direct", "--vlm_model_name", str(out / "model"), "--num_samples", "6"]
    words += ["--output_dir", str(tmp_path / "direct"), "--vlm_options", '{"max_pixels": 4096, "device": "cpu"}']
    assert main(words) == 0
    records = [json.loads(line) for line in (tmp_path / "direct" / "samples.jsonl").read_text().splitlines()]
    right = sum(str(r["answer"]).lower() == row["answer"] for r, row in zip(records, rows, strict=True))
    assert right >= 4, [(r["answer"], row["answer"]) for r, row in zip(records, rows, strict=True)]


def test_lora_with_held_out_pictures_and_a_resumption_that_is_the_same(distilled: Path, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"holdout": 1, "steps": {"epochs": 2, "batch": 3, "eval_every": 2}}
    whole = student(config(distilled, **fields), tmp_path / "whole", silent, tiny())
    assert set(whole["lessons"]) == {"answer", "rationale"}
    assert whole["held_out"] + whole["lessons"]["answer"] == 6
    assert (tmp_path / "whole" / "adapter" / "adapter_model.safetensors").is_file()

    class Killed(Exception):
        pass

    def stop(part: str, share: float, message: str) -> None:
        if share > 0.4:
            raise Killed

    with pytest.raises(Killed):
        student(config(distilled, **fields), tmp_path / "half", stop, tiny())
    resumed = student(config(distilled, **fields), tmp_path / "half", silent, tiny())
    assert resumed["losses"] == whole["losses"]
    assert resumed["scores"] == whole["scores"]
    with pytest.raises(ConfigError, match="differs in weights"):
        student(config(distilled, weights={"answer": 2.0}, **fields), tmp_path / "half", silent, tiny())


SLOW = """
import sys, time
from neptune.learn.student import task
done = task._Teaching.loss
def slow(*a):
    time.sleep(0.2)
    return done(*a)
task._Teaching.loss = slow
from neptune.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_killed_while_it_learns_it_goes_on_to_the_same_weights(distilled: Path, tmp_path: Path) -> None:
    start, words = tiny(), dict[str, list[str]]()
    start.reader.model.save_pretrained(tmp_path / "start")
    start.reader.processor.save_pretrained(tmp_path / "start")
    for name in ("whole", "cut"):
        words[name] = ["student", "--data", str(distilled), "--vlm_model_name", str(tmp_path / "start")]
        words[name] += ["--tuning", "full", "--device", "cpu", "--threads", "1", "--mixed_precision", "no"]
        words[name] += ["--steps.save_every", "1", "--steps.batch", "2", "--steps.max_steps", "5", "--seed", "1"]
        words[name] += [
            "--holdout",
            "0",
            "--gradient_checkpointing",
            "false",
            "--vlm_options",
            '{"max_pixels": 4096, "device": "cpu"}',
        ]
        words[name] += ["--output_dir", str(tmp_path / name)]
    assert main(words["whole"]) == 0
    checkpoint = tmp_path / "cut" / "student.checkpoint.pt"
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words["cut"]], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 600
    while not checkpoint.is_file() and run.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert run.poll() is None, "it ended before it was killed"
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert checkpoint.is_file()
    assert not (tmp_path / "cut" / "model").exists()
    assert main(words["cut"]) == 0
    mine, its = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("cut", "whole"))
    assert mine["losses"] == its["losses"]
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("cut", "whole")]
    assert weights[0] == weights[1]


def test_mistakes_teach(distilled: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text('{"id": 1}\n')
    with pytest.raises(DatasetError, match="Line 1 is no distilled sample"):
        read_lessons([other])
    with pytest.raises(DatasetError, match="can not be read"):
        read_lessons([tmp_path / "missing.jsonl"])
    none = {"weights": {"answer": 0.0, "rationale": 0.0}}
    with pytest.raises(DatasetError, match="Nothing is left to teach"):
        student(config(distilled, **none), tmp_path / "out", silent, tiny())


def test_one_step_of_trl_accepts_the_file(distilled: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is in the extra dev-all")
    trl = pytest.importorskip("trl", reason="trl is in the extra dev-all")
    data = datasets.load_dataset("json", data_files=str(distilled), split="train", cache_dir=str(tmp_path / "cache"))
    data = data.cast_column("images", datasets.List(datasets.Image())).select_columns(["messages", "images"])
    model, processor = VLMS["qwen2_vl"]()
    arguments = trl.SFTConfig(
        output_dir=str(tmp_path / "sft"), max_steps=1, per_device_train_batch_size=2, max_length=None, report_to="none",
        use_cpu=True, save_strategy="no", bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = trl.SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=processor)
    before = [p.detach().clone() for p in model.parameters()]
    done = trainer.train()
    assert done.global_step == 1
    assert done.training_loss > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_command_of_the_page_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "distillation.md").read_text(encoding="utf-8")
    (line,) = [x for x in page.splitlines() if x.startswith("neptune-reasoner student")]
    found: list[Any] = []
    monkeypatch.setattr("neptune.cli.subcommands.execute", lambda c, given: found.append(read_run(c, given)) or 0)
    assert main(shlex.split(line)[1:]) == 0
    assert isinstance(found[0][0], StudentConfig)
