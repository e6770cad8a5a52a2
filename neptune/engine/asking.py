"""Questions about pictures, answered by programs that are given or written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from dsl.limits import Limits
from dsl.syntax import ast
from dsl.vocabulary import Vocabulary
from neptune.answer import Answer
from neptune.engine.arguments import pictures_of
from neptune.engine.context import RunContext
from neptune.engine.films.frames import coarse_to_fine as HALVING
from neptune.errors import ConfigError, fields_named
from neptune.scene import Annotation, Scene
from neptune.scene.picture import Picture, PictureLike
from neptune.writer.vote import Candidate, answer_together

if TYPE_CHECKING:
    from neptune.engine.evidence.priors import Prior
    from neptune.films import FilmLike
    from neptune.writer.writer import Writer, Written


class Asking(ABC):
    """What an engine does with a question; it makes scenes and runs programs."""

    _names: Mapping[str, str]
    context: RunContext
    vocabulary: Vocabulary
    limits: Limits

    @property
    @abstractmethod
    def writer(self) -> Writer | None:
        """Who writes programs; ``None`` where they are given."""

    @abstractmethod
    def labels(self, *programs: str | ast.Program) -> tuple[str, ...]:
        """Return what a detector looks for."""

    @abstractmethod
    def scene(
        self, picture: PictureLike | None, annotation: Annotation | None = None, labels: Sequence[str] = ()
    ) -> Scene:
        """Return the scene of a picture."""

    @abstractmethod
    def run(
        self,
        program: str | ast.Program,
        scene: Scene,
        budget: int | None = None,
        presuppositions: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Run a program on a scene."""

    @overload
    def ask(  # type: ignore[overload-overlap]  # an array is a picture, not a list of numbers
        self, image: PictureLike, question: str | None = None, program: str | None = None
    ) -> Answer: ...

    @overload
    def ask(
        self, image: Sequence[PictureLike], question: str | None = None, program: str | None = None
    ) -> list[Answer]: ...

    def ask(
        self, image: PictureLike | Sequence[PictureLike], question: str | None = None, program: str | None = None
    ) -> Answer | list[Answer]:
        """Answer a question about a picture by a program: the one given, or one that the writer writes.

        Parameters
        ----------
        image
            The picture (:class:`~neptune.scene.picture.Picture` says what it may be given as), or a list of pictures.
        question
            The question in words; may be left out where there is a program. Where no writer is configured it is read
            without a language model, in the words of the vocabulary.
        program
            The program that answers it.

        Returns
        -------
        Answer or list of Answer
            Of a list of pictures one answer each.

        Raises
        ------
        ConfigError
            If nothing is asked, or there is neither a writer nor a vocabulary whose words a question could have.
        dsl.ProgramError, NeptuneError
            As :meth:`scene` and :meth:`run`, and if no program is found for the question.
        """
        with fields_named(self._names):
            candidates: Sequence[Candidate] = (Candidate(program),) if program is not None else ()
            if program is None:
                if question is None:
                    raise ConfigError("Nothing is asked", expected="a question, or a program")
                written = self._written(question)
                candidates = written.candidates or (Candidate(written.program),)
            answers = [self._answered(picture, candidates, question) for picture in pictures_of(image)]
            return answers if isinstance(image, list | tuple) else answers[0]

    def ask_film(
        self, film: FilmLike, question: str | None = None, program: str | None = None, prior: Prior | None = HALVING
    ) -> Answer:
        """Answer a question about a film, looking at as few frames as settle it.

        Parameters
        ----------
        film
            The film, or its file: a frame a second is looked at, at most 30. A :class:`~neptune.films.Film` says else.
        question
            The question in words; what it says of time ("in some frame", "always", "before", "until") joins questions
            about pictures.
        program
            The program, instead: formulas about a picture in ``some_frame(…)``, ``every_frame(…)``, ``before(…, …)``
            and ``until(…, …)``; or a program over regions that takes ``video``.
        prior
            Guesses at frames, for the order of asking only: by default steps are halved; ``None``: in order of time.

        Raises
        ------
        ConfigError
            If nothing is asked.
        FilmError, MissingExtraError
            If the film can not be read.
        dsl.ProgramError, NeptuneError
            As :meth:`ask`, and if a program says no truth of a frame.
        """
        from neptune.engine.films.asking import run_film
        from neptune.engine.films.temporal import about_film
        from neptune.engine.films.words import film_program
        from neptune.engine.views import PictureViews
        from neptune.films import Film

        with fields_named(self._names), ExitStack() as opened:
            if program is None and question is None:
                raise ConfigError("Nothing is asked", expected="a question, or a program")
            made = film if isinstance(film, Film) else opened.enter_context(Film(film))
            if program is not None and about_film(program):
                views = self.context.views
                assert isinstance(views, PictureViews)
                answer = self.run(program, views.of_film(made), inputs={"query": question} if question else None)
                return replace(answer, notes=(*answer.notes, *made.notes)) if made.notes else answer
            if program is not None:
                return run_film(self, self.context, program, made, prior)
            _, read = film_program(str(question), lambda part: self._written(part).program, self.limits)
            return run_film(self, self.context, read, made, prior)

    def film_scene(self, film: FilmLike) -> Scene:
        """Return the scene of a film, for programs over regions that take ``video``; raises as :meth:`ask_film`."""
        from neptune.engine.views import PictureViews
        from neptune.films import Film

        views = self.context.views
        assert isinstance(views, PictureViews)
        made = film if isinstance(film, Film) else Film(film)
        made.close()  # until a frame is looked at: a run has many films
        return views.of_film(made)

    def _answered(self, picture: Picture, candidates: Sequence[Candidate], question: str | None) -> Answer:
        scene = self.scene(picture, labels=self.labels(*(c.program for c in candidates)))
        policy = "abstain" if self.context.presuppositions == "auto" else None
        inputs = {"query": question} if question else None
        return answer_together(candidates, lambda p: self.run(p, scene, presuppositions=policy, inputs=inputs))[0]

    def _written(self, question: str) -> Written:
        from neptune.writer.writer import Writer

        return (self.writer or Writer.embedded(self.vocabulary, limits=self.limits)).write(question)
