"""The engine as one calls it from Python: what is asked about, and errors in its own names."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import neptune
from neptune import Answer, Config, Engine, NeptuneError, Scene
from neptune.engine.arguments import ARGUMENTS
from neptune.errors import ConfigError, fields_named

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "examples" / "clevr" / "images" / "CLEVR_val_000049.png"
CUBES = "count(Object, lambda x: cube(x))"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


def test_an_engine_as_it_stands_answers_about_a_picture(engine: Engine) -> None:
    image = Image.open(PICTURE)
    sources = [PICTURE, str(PICTURE), image, np.asarray(image.convert("RGB")), PICTURE.read_bytes()]
    assert [engine.ask(source, program=CUBES).value for source in sources] == [4] * 5
    assert neptune.ask(PICTURE, "How many?", CUBES, engine=engine).value == 4
    assert neptune.ask(PICTURE, program=CUBES).value == 4


def test_a_list_of_pictures_gives_a_list_of_answers(engine: Engine) -> None:
    other = PICTURE.with_name("CLEVR_val_000004.png")
    alone = [engine.ask(p, program=CUBES) for p in (PICTURE, other)]
    together = engine.ask([PICTURE, Image.open(other)], program=CUBES)
    assert [(a.value, a.probability) for a in together] == [(a.value, a.probability) for a in alone]
    assert engine.ask([], program=CUBES) == []
    assert [a.value for a in neptune.ask((PICTURE,), program=CUBES, engine=engine)] == [4]
    with pytest.raises(NeptuneError, match="does not exist"):
        engine.ask([PICTURE, "nowhere.png"], program=CUBES)


def test_a_file_that_is_written_anew_is_looked_at_anew(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "camera.png"
    values = []
    for source in (PICTURE, PICTURE.with_name("CLEVR_val_000004.png"), PICTURE):
        path.write_bytes(source.read_bytes())
        values.append(len(engine.scene(path)))
        assert engine.scene(path) is engine.scene(str(path))
    assert values[0] == values[2] != values[1]


@pytest.mark.parametrize(
    "program",
    [
        CUBES,
        "exists(Object, lambda x: cube(x))",
        "point(Object, lambda x: cube(x))",
        "describe(Color, iota(Object, lambda x: cube(x)))",
        "[1, 2.5, 'a', (True, None)]",
        "{'a': 1}",
    ],
)
def test_an_answer_as_json(program: str) -> None:
    answer = Engine("scene").run(program, Scene.synthetic(5, seed=1))
    data = answer.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert set(data) == {"text", *(f.name for f in fields(Answer))}
    assert data["text"] == str(answer)
    assert data["usage"]["oracle_calls"] == answer.usage.oracle_calls
    assert [step["source"] for step in data["trace"]] == [step.source for step in answer.trace]


def test_numbers_that_json_lacks() -> None:
    data = Answer(float("nan"), "number", float("inf"), scores=(np.float32(0.5), np.float64("nan"))).to_dict()  # type: ignore[arg-type]
    assert (data["value"], data["probability"], data["scores"]) == (None, None, [0.5, None])


# --- errors in the names of whoever reads them ---

BAD = {
    "oracle": {"oracle": "openai"},
    "oracle_options": {"oracle": "openai", "oracle_options": {"model": "m"}},
    "detector": {"detector": "embeded"},
    "detector_options": {"detector": "owlv2", "detector_options": {"max_boxes": 0}},
    "devices": {"oracle": "scene", "detector": "scene", "devices": ("cuda:0",)},
}


@pytest.mark.parametrize("argument", BAD)
def test_errors_of_the_constructor_name_its_arguments(argument: str) -> None:
    with pytest.raises(NeptuneError) as caught:
        Engine(**BAD[argument])  # type: ignore[arg-type]
    said = str(caught.value)
    assert not re.search(r"vlm_|od_model|od_options|code_gen|--\w|\bgpus\b|\bnull\b", said), said


def test_errors_of_a_call_name_arguments_too(engine: Engine) -> None:
    with pytest.raises(NeptuneError, match=r"No detector is configured; expected detector\."):
        Engine("scene").ask(PICTURE, program=CUBES)
    with pytest.raises(ConfigError, match="Nothing is asked; expected a question, or a program"):
        engine.ask(PICTURE)


def test_errors_of_a_configuration_name_its_fields() -> None:
    config = Config(vlm_model_name="openai", vlm_options={"model": "m"}, oracle_cache=None)
    with pytest.raises(ConfigError, match=r"vlm_options.base_url"):
        Engine.from_config(config)
    made = Engine.from_config(Config(vlm_model_name="scene", od_model="scene"))
    with pytest.raises(NeptuneError, match="od_model"):
        made.ask(PICTURE, program=CUBES)


def test_the_names_are_those_of_fields_and_arguments() -> None:
    taken = inspect.signature(Engine.__init__).parameters
    for field, argument in ARGUMENTS.items():
        assert field == "null" or field in Config.model_fields, field
        assert field.startswith("code_gen_") or field == "null" or argument in taken, argument
        assert argument not in Config.model_fields, argument


def test_whole_names_alone_are_renamed_and_the_outermost_speaker_decides() -> None:
    text = "Leave out --gpus, od_model_2 or gpus_free (/data/gpus/x, vlm_options.model)"
    with pytest.raises(ConfigError) as caught, fields_named({"gpus": "devices", "vlm_options": "oracle_options"}):
        raise ConfigError(text, hint="--gpus")
    assert caught.value.what == "Leave out devices, od_model_2 or gpus_free (/data/gpus/x, oracle_options.model)"
    assert str(caught.value).endswith(". devices.")
    with pytest.raises(ConfigError, match="gpus"), fields_named({}), fields_named({"gpus": "devices"}):
        raise ConfigError("gpus")
