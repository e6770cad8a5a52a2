"""A program about a film is run: over frames, one after the other, as few as settle the answer."""

from __future__ import annotations

from dataclasses import replace

from dsl.errors import ProgramError
from neptune.answer import Answer, FrameSeen
from neptune.engine.context import RunContext, Schedule
from neptune.engine.evidence.kept import EvidenceKept
from neptune.engine.evidence.priors import Estimates, Prior
from neptune.engine.evidence.questions import Wording
from neptune.engine.films.frames import FilmWording, FrameOracle, Pictures, coarse_to_fine, film_scene, film_vocabulary
from neptune.engine.films.temporal import ARITIES, SIGNATURES, FilmProgram, over_frames
from neptune.engine.session.answers import run_program
from neptune.films import Film


def run_film(
    pictures: Pictures,
    context: RunContext,
    program: str | FilmProgram,
    film: Film,
    prior: Prior | None = coarse_to_fine,
    every: bool = False,
) -> Answer:
    """Run a program on a film.

    Parameters
    ----------
    pictures, context
        The engine that looks at frames, and what it runs programs with: logic, limits and budget are the film's too.
    program
        Program text; what it may say of time is in :mod:`neptune.engine.films.temporal`. Or what was read of one.
    film
        The film.
    prior
        Guesses at frames, for the order of asking only; ``None``: in the order of time.
    every
        Ask of all frames at once what the program says, instead of one after the other until the answer is settled.

    Returns
    -------
    Answer
        Its `frames` say what was seen, in the order of asking, its `usage` what all frames cost.

    Raises
    ------
    dsl.ProgramError
        If the program is wrong, or says no truth of a frame.
    NeptuneError
        If a frame can not be decoded, or looked at.
    """
    read = over_frames(program, context.limits) if isinstance(program, str) else program
    vocabulary = film_vocabulary(read.seen)
    oracle = FrameOracle(pictures, film, context.budget)
    over = replace(
        context,
        oracle=oracle,
        vocabulary=vocabulary,
        wording=FilmWording(read.seen, Wording.load(vocabulary=vocabulary)),
        estimates=Estimates(vocabulary, prior),
        schedule=None if every else Schedule("best-first", 1),
        budget=None,
        kept=EvidenceKept(),
        dialect="auto",
        inputs={},
        finder=None,
        narrowing=None,
    )
    try:
        answer = run_program(over, read.over_frames, film_scene(film))
    except ProgramError as error:
        if error.source is None and "predicate" in error.what:
            raise _not_of_time(error) from error
        raise
    names = tuple(
        f"{name} of a frame: {'it is not so that ' if name.startswith('un') else ''}{' '.join(text.split())}"
        for name, text in read.seen.items()
    )
    notes = (*read.notes, *answer.notes, *names, *_told(oracle, film))
    why = answer.why
    if answer.abstained and oracle.spent:
        why = "budget"
    elif answer.abstained and why == "missing evidence":
        told = {s.why for s in oracle.seen if s.why}
        why = told.pop() if len(told) == 1 else why
    doubts = [s.out_of_domain for s in oracle.seen if s.out_of_domain]
    return replace(
        answer, usage=oracle.usage, frames=tuple(oracle.seen), notes=notes, why=why,
        out_of_domain=doubts[0] if doubts and why == "out of domain" else answer.out_of_domain,
    )  # fmt: skip


def _not_of_time(error: ProgramError) -> ProgramError:
    return ProgramError(
        f"Of a film, a formula about objects is of some frame: {error.what}",
        error.span,
        expected=", ".join(SIGNATURES),
        hint=f"write it inside {' or '.join(ARITIES)}",
    )


def _told(oracle: FrameOracle, film: Film) -> list[str]:
    looked = len({seen.index for seen in oracle.seen})
    told = [f"{looked} of {len(film)} frames were looked at", *film.notes]
    if oracle.spent:
        told.append("the budget of oracle calls was spent before all frames were seen")
    unseen: list[FrameSeen] = [seen for seen in oracle.seen if seen.ends is None]
    if unseen:
        told.append(f"{len(unseen)} times a frame gave no answer ({unseen[0].why or 'no evidence'})")
    return told
