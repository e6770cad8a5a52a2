"""The commands of ``neptune-reasoner``: what each takes, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from neptune.config.tasks import MODELS

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Parameters
    ----------
    takes
        What stands after its name, in capitals; ``[…]`` may be left out.
    about
        What it is for, in one line.
    more
        What else its own help says.
    fields
        The fields that its own help shows; all others are in ``--help all``.
    examples
        Command lines, without the program's name.
    task
        The task whose fields it takes; by default those of `Config`.
    """

    takes: str
    about: str
    more: str = ""
    fields: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    task: str | None = None


COMMANDS: dict[str, Command] = {
    "ask": Command(
        'IMAGE… "QUESTION"',
        "answer a question about pictures, or about a film",
        "IMAGE is a file or an http(s) address, or the file of a film. Prints the answer with its steps, and writes "
        "the annotated picture and a report into experiments/ask. With --program the program is given, instead of the "
        "question or beside it.",
        ("program", "explain", "config", "output_dir", "vlm_model_name", "vlm_options", "od_model")
        + ("code_gen_provider", "code_gen_model_name", "logic", "vocabulary"),
        (
            'ask photo.png "How many red cubes are there?"',
            'ask photo.png --program "count(Object, lambda x: red(x))"',
            'ask film.mp4 "Is the red ball left of the cube in some frame?"',
            'ask --explain --program "exists(Object, lambda x: red(x))"',
        ),
    ),
    "run": Command(
        "CONFIG",
        "answer a dataset as a config says; resume a run",
        "CONFIG is a packaged config's name, a JSON or YAML file, or a run folder, which is resumed. Relative paths in "
        "a file are taken from where the file is. Writes config.json, samples.jsonl, results.json and report.html into "
        "experiments/<name>; the same command resumes it.",
        ("num_samples", "output_dir", "resume", "vlm_model_name", "od_model", "logic", "schedule", "workers", "gpus")
        + ("evaluate", "dry_run", "estimate", "watch", "bundle"),
        ("run clevr --num_samples 20", "run my.yaml --gpus 0 1", "run experiments/clevr", "run clevr --dry_run"),
    ),
    "report": Command(
        "FOLDER",
        "write the report of a run folder anew",
        "Prints the report's path. Of a folder of runs it writes an index page. Pictures outside the folder are shown "
        "only below --data_dir: what the folder's own config names may be another's word.",
        ("data_dir", "follow_links"),
        ("report experiments/clevr", "report experiments/clevr --data_dir DATA/val"),
    ),
    "compare": Command(
        "FOLDER FOLDER",
        "two runs: which answers changed, and is it chance?",
        "Of more than two, their figures side by side: how many are right, how far their probabilities can be trusted, "
        "seconds and calls a question. Pictures outside the two folders are shown only below --data_dir.",
        ("data_dir", "follow_links"),
        ("compare experiments/a experiments/b", "compare engine student base"),
    ),
    "replay": Command(
        "FILE.zip",
        "replay a packed run, and check that all is equal",
        "A run is packed by run … --bundle FILE.zip. No data, model, key or network is needed.",
        ("output_dir",),
        ("replay out.zip",),
    ),
    "cache": Command(
        "[FILE]",
        "what the cache of oracle answers holds",
        "FILE is by default experiments/oracle-cache.sqlite.",
        ("prune",),
        ("cache", "cache experiments/oracle-cache.sqlite --prune qwen"),
    ),
    "tools": Command(
        "FILE",
        "functions that conversations made, for later ones",
        "Lists them with the samples that they served; --remove NAME… takes some out. FILE is that of tool_library: "
        "run … --task agent --tools learn fills it, --tools offer offers what it keeps.",
        examples=("tools tools.json", "tools tools.json --remove brightness"),
    ),
    "train": Command(
        "[CONFIG]",
        "train the two shipped networks from annotations",
        fields=("data_dir", "val_dir", "output_dir", "parts", "device", "max_minutes"),
        examples=("train --data_dir DATA/train --val_dir DATA/val",),
        task="train",
    ),
    "tune": Command(
        "[CONFIG]",
        'fit temperatures and the strictness of "and"',
        fields=("data_dir", "val_dir", "output_dir", "vlm_model_name", "limit", "epochs"),
        examples=("tune --data_dir DATA/train --val_dir DATA/val",),
        task="tune",
    ),
    "train-answers": Command(
        "[CONFIG]",
        "train the scorer from answers alone",
        fields=("data_dir", "val_dir", "output_dir", "epochs", "max_minutes"),
        examples=("train-answers --data_dir DATA/train --val_dir DATA/val",),
        task="train-answers",
    ),
    "train-drawings": Command(
        "[CONFIG]",
        "train the scorer of drawings",
        fields=("labels", "data_dir", "split", "val_split", "output_dir", "epochs"),
        examples=("train-drawings --data_dir DATA/nlvr --labels answers",),
        task="train-drawings",
    ),
    "finetune": Command(
        "[CONFIG]",
        "fine-tune a vision-language model with LoRA",
        fields=("data_dir", "output_dir", "vlm_model_name", "vlm_options", "mixed_precision"),
        examples=("finetune finetune-lora --vlm_model_name qwen2_2b",),
        task="finetune",
    ),
    "induce": Command(
        "[CONFIG]",
        "find the rule that some pictures follow, others not",
        "The oracle is asked once about each picture; the same command with other words forbidden asks nothing.",
        fields=("positive", "negative", "forbid", "top", "literals", "vocabulary", "output_dir", "vlm_model_name"),
        examples=("induce --positive YES --negative NO", "induce --positive YES --negative NO --forbid color"),
        task="induce",
    ),
    "distil": Command(
        "[CONFIG]",
        "training samples from programs that are right",
        "Programs answer the questions of a dataset; of the right ones, what they found out is put into words and "
        "checked. Writes distilled.jsonl, for a model that is to answer without programs.",
        fields=("dataset", "data_dir", "output_dir", "vlm_model_name", "od_model", "code_gen_provider", "programs")
        + ("num_samples", "rewrite_model", "export", "estimate"),
        examples=("distil --data_dir DATA/train --num_samples 100", "distil --export llamafactory"),
        task="distil",
    ),
    "student": Command(
        "[CONFIG]",
        "teach a model the samples that distil made",
        "A vision-language model learns to answer at once, and to explain; run CONFIG --task direct asks it.",
        fields=("data", "output_dir", "vlm_model_name", "vlm_options", "tuning", "softness", "holdout"),
        examples=("student --data experiments/distil/distilled.jsonl",),
        task="student",
    ),
    "certify": Command(
        "[CONFIG]",
        "certify a cheap stand-in for the oracle",
        "Writes certificate.json, which run CONFIG --certificate FILE uses: a proxy stands in for the oracle where "
        "decisions do not change, but for a share alpha of questions, with confidence 1 - delta.",
        fields=("dataset", "data_dir", "num_samples", "proxy_model_name", "proxy_options", "alpha", "delta")
        + ("vlm_model_name", "vlm_options", "output_dir"),
        examples=("certify clevr --vlm_model_name qwen2_2b --proxy_model_name embedded --alpha 0.05",),
    ),
    "find": Command(
        "QUERY FOLDER…",
        "find pictures in folders: the best, all, or how many",
        "QUERY is in words, or --program says it. Asks as little as possible, the most promising pictures first, and "
        "says at any time what is known. Writes results.json into experiments/find.",
        ("program", "want", "top", "max_oracle_calls", "output_dir", "vlm_model_name", "vlm_options", "od_model")
        + ("code_gen_provider", "code_gen_model_name", "logic", "vocabulary"),
        (
            'find "a red ball left of a cube" photos/ --top 20 --max_oracle_calls 5000',
            'find "two brown things" photos/ --want count',
        ),
        task="find",
    ),
    "serve": Command(
        "[CONFIG]",
        "a page in the browser, and an HTTP address",
        "Drop a picture, type a question or a program, and see how the answer comes about. Listens on this machine "
        "alone unless --host says otherwise; then a token is needed. The extra 'serve' has to be installed.",
        ("host", "port", "roots", "origins", "max_upload_mb", "max_seconds", "at_once", "waiting")
        + ("vlm_model_name", "od_model", "code_gen_provider", "code_gen_model_name", "vocabulary"),
        ("serve", "serve --roots photos --port 9000"),
        task="serve",
    ),
    "mcp": Command(
        "[CONFIG]",
        "tools for an assistant (MCP), over stdin and stdout",
        "An editor's assistant starts it: look, ask, check_program, run_program, explain, describe_language. The extra "
        "'serve' has to be installed.",
        ("roots", "max_upload_mb", "vlm_model_name", "od_model", "code_gen_provider", "vocabulary"),
        ("mcp", "mcp --roots photos"),
        task="mcp",
    ),
    "contact-sheet": Command(
        "[CONFIG]",
        "what a model will be shown of one sample",
        fields=("sample", "dataset", "data_dir", "vlm_options"),
        examples=("contact-sheet clevr --sample clevr-000003",),
    ),
    "examples": Command(
        "[FOLDER]",
        "write the packaged sample pictures into a folder",
        "FOLDER is by default examples. What is there already is left as it is. The packaged configs need none of it.",
        examples=("examples",),
    ),
    "completion": Command(
        "SHELL",
        "completion in bash, zsh or fish",
        'For bash put eval "$(neptune-reasoner completion bash)" into ~/.bashrc; for zsh the same with zsh into '
        "~/.zshrc; for fish: neptune-reasoner completion fish > ~/.config/fish/completions/neptune-reasoner.fish",
        examples=("completion bash",),
    ),
}
"""Name → command, in the order of the help."""


def model_of_command(name: str) -> type[BaseModel]:
    """Return the model whose fields a command takes."""
    from neptune.config.model import Config
    from neptune.config.read import model_of

    task = COMMANDS[name].task
    return model_of(task) if task in MODELS else Config
