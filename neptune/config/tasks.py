"""What can be run besides the questions of a dataset: tasks by name, and the fields that some bring."""

from __future__ import annotations

USAGE = "usage: run.py --config FILE [--field value …]"

TASKS: dict[str, str] = {
    "ask": "neptune.cli.commands.ask:ask",
    "agent": "neptune.cli.turns:agent",
    "train": "neptune.cli.commands.train:train",
    "train-answers": "neptune.cli.commands.train:train",
    "train-drawings": "neptune.cli.commands.train:train",
    "train-depth": "neptune.cli.commands.train:train",
    "tune": "neptune.cli.commands.train:train",
    "finetune": "neptune.cli.commands.train:train",
    "induce": "neptune.cli.commands.induce:induce",
    "student": "neptune.cli.commands.train:train",
    "direct": "neptune.runs.runner.run:run_direct",
    "distil": "neptune.cli.commands.distil:distil",
    "certify": "neptune.cli.commands.train:certify",
    "find": "neptune.cli.finding:find",
    "serve": "neptune.serve:serve",
    "mcp": "neptune.serve:mcp",
    "cache": "neptune.cli.commands.cache:show_cache",
    "contact-sheet": "neptune.cli.commands.contact:contact_sheet",
}
"""Tasks other than "answer the samples of a dataset": name → ``"module:function"``, loaded on first use.

A function takes the validated config and the run's name and returns an exit code.
"""

MODELS: dict[str, str] = {
    "train": "neptune.learn.train.train:TrainConfig",
    "train-answers": "neptune.learn.finetune.answers:AnswersConfig",
    "train-drawings": "neptune.learn.finetune.drawings:DrawingsConfig",
    "train-depth": "neptune.learn.train.depth:DepthConfig",
    "tune": "neptune.learn.tune.task:TuneConfig",
    "finetune": "neptune.learn.finetune.vlm:FinetuneConfig",
    "induce": "neptune.learn.induce.task:InduceConfig",
    "distil": "neptune.learn.distil.task:DistilConfig",
    "student": "neptune.learn.student.task:StudentConfig",
    "find": "neptune.config.derived:FindConfig",
    "serve": "neptune.config.derived:ServeConfig",
    "mcp": "neptune.config.derived:McpConfig",
}
"""Tasks that bring their own fields: name → ``"module:Model"`` (a pydantic model)."""

OWN: dict[str, tuple[str, ...]] = {
    "image": ("ask", "agent"),
    "video": ("ask",),
    "frames_per_second": ("ask",),
    "most_frames": ("ask",),
    "question": ("ask", "agent"),
    "program": ("ask",),
    "explain": ("ask",),
    "turns": ("agent", "ask", "serve"),
    "ways": ("agent",),
    "turn_format": ("agent", "ask", "serve"),
    "turn_limits": ("agent", "ask", "serve"),
    "sandbox": ("agent", "ask", "serve"),
    "tools": ("agent", "ask"),
    "tool_library": ("agent", "ask"),
    "prune": ("cache",),
    "sample": ("contact-sheet",),
    "guarantee": ("certify",),
    "randomised": ("certify",),
    "proxy_model_name": ("certify",),
    "proxy_options": ("certify",),
    "alpha": ("certify",),
    "delta": ("certify",),
}
"""Fields of `Config` that some tasks alone read: field → tasks. Elsewhere they would do nothing, and say nothing."""
