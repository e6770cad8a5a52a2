"""NePTune Reasoner: answers questions about pictures by reasoning.

Public names are loaded when they are first used: ``import neptune`` loads neither torch nor `dsl`.

>>> from neptune import Engine, Scene                                              # doctest: +SKIP
>>> engine = Engine(oracle="scene")                                                # doctest: +SKIP
>>> engine.run("count(Object, lambda x: red(x))", Scene.synthetic(20, seed=0))     # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from neptune.algebra import LogicParameters as LogicParameters
    from neptune.algebra import ProbabilisticTensor as ProbabilisticTensor
    from neptune.algebra import logic as logic
    from neptune.answer import Answer as Answer
    from neptune.answer import Usage as Usage
    from neptune.config import Config as Config
    from neptune.engine import Engine as Engine
    from neptune.errors import NeptuneError as NeptuneError
    from neptune.scene import Annotation as Annotation
    from neptune.scene import Scene as Scene
    from neptune.scene.picture import Picture as Picture

__version__ = "0.1.0"

_PUBLIC = {
    "Annotation": "neptune.scene",
    "Answer": "neptune.answer",
    "Config": "neptune.config",
    "Engine": "neptune.engine",
    "LogicParameters": "neptune.algebra",
    "NeptuneError": "neptune.errors",
    "Picture": "neptune.scene.picture",
    "ProbabilisticTensor": "neptune.algebra",
    "Scene": "neptune.scene",
    "Usage": "neptune.answer",
    "logic": "neptune.algebra",
}
"""Public name → the module that holds it."""

__all__ = ["ask", *_PUBLIC]


def ask(
    image: str | Path | Picture,
    question: str,
    program: str | None = None,
    *,
    engine: Engine | None = None,
    **options: Any,
) -> Answer:
    """Answer one question about a picture.

    Parameters
    ----------
    image
        A picture, or its path.
    question
        The question in words.
    program
        The program that answers it; needed as long as no writer of programs is configured.
    engine
        What runs it; by default one with the embedded detector and oracle.
    options
        Arguments of :class:`neptune.Engine`, where no `engine` is given.

    Returns
    -------
    Answer
        Value, probability in [0, 1], trace and usage.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong.
    NeptuneError
        If the picture can not be read, nothing is detected, or there is no program.
    """
    if engine is None:
        from neptune.engine import Engine

        engine = Engine(**{"oracle": "embedded", "detector": "embedded", **options})
    elif options:
        raise TypeError(f"options ({', '.join(options)}) do not go with an engine; give them to Engine(…)")
    return engine.ask(image, question, program)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neptune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
