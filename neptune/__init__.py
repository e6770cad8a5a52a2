"""NePTune Reasoner: answers questions about pictures by reasoning.

Public names are loaded when they are first used: ``import neptune`` loads neither torch nor `dsl`.

>>> from neptune import Engine, Scene                                              # doctest: +SKIP
>>> engine = Engine(oracle="scene")                                                # doctest: +SKIP
>>> engine.run("count(Object, lambda x: red(x))", Scene.synthetic(20, seed=0))     # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    from neptune.scene.picture import PictureLike

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


@overload
def ask(
    image: PictureLike,
    question: str | None = None,
    program: str | None = None,
    *,
    engine: Engine | None = None,
    **options: Any,
) -> Answer: ...


@overload
def ask(
    image: Sequence[PictureLike],
    question: str | None = None,
    program: str | None = None,
    *,
    engine: Engine | None = None,
    **options: Any,
) -> list[Answer]: ...


def ask(
    image: PictureLike | Sequence[PictureLike],
    question: str | None = None,
    program: str | None = None,
    *,
    engine: Engine | None = None,
    **options: Any,
) -> Answer | list[Answer]:
    """Answer one question about a picture, or about each of several.

    Parameters
    ----------
    image
        The picture: a path or an http(s) address, the bytes of a picture's file, an open file, a PIL image, an array
        (:class:`neptune.Picture` says which), or a :class:`neptune.Picture`; or a list of these.
    question
        The question in words; may be left out where there is a program.
    program
        The program that answers it; without one the engine's writer writes it.
    engine
        What runs it; by default ``Engine()``, with the embedded detector and oracle.
    options
        Arguments of :class:`neptune.Engine`, where no `engine` is given.

    Returns
    -------
    Answer or list of Answer
        Value, probability in [0, 1], trace and usage; of a list of pictures one each.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong.
    NeptuneError
        If a picture can not be read, or there is no program.
    """
    if engine is None:
        from neptune.engine import Engine

        engine = Engine(**options)
    elif options:
        raise TypeError(f"options ({', '.join(options)}) do not go with an engine; give them to Engine(…)")
    return engine.ask(image, question, program)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'neptune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
