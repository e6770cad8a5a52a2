"""``--set`` in runs and replays: what an answer becomes when a score, a box, a word, or what was said is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neptune.engine.context import RunContext
from neptune.engine.edited import Changes, changes_of, edited, for_sample, reworded
from neptune.engine.evidence.store import Evidence
from neptune.errors import ConfigError
from neptune.scene import Scene
from neptune.writer.vote import Candidate

if TYPE_CHECKING:
    from neptune.scene.types import Oracle


@dataclass(frozen=True)
class Edit:
    """What is changed for one sample.

    Parameters
    ----------
    texts
        As they were given.
    changes
        What they mean.
    """

    texts: tuple[str, ...]
    changes: Changes

    def applied(
        self, context: RunContext, candidates: Sequence[Candidate], scene: Scene, oracle: Oracle | None
    ) -> tuple[list[Candidate], Scene, Evidence]:
        """Return programs, scene and evidence with the changes; parameters and errors as of
        :func:`neptune.engine.edited.edited`. A word need not be in each of several programs."""
        made = edited(context, candidates[0].program, scene, replace(self.changes, words={}), oracle)
        words = self.changes.words
        known = {w for w in words if any(_has(c.program, w) for c in candidates)}
        if missing := sorted(set(words) - known):
            raise ConfigError(f"'{missing[0]}' is no word of the program", where="set")
        programs = [
            replace(c, program=reworded(c.program, {w: o for w, o in words.items() if _has(c.program, w)}))
            for c in candidates
        ]
        return programs, made.scene, made.context.evidence(made.scene)

    def described(self, before: Any) -> dict[str, Any]:
        """Return the fields of a record: what was changed, and what the answer was without."""
        return {"changed": list(self.texts), "before": before}


def _has(program: str, word: str) -> bool:
    try:
        reworded(program, {word: word})
    except ConfigError:
        return False
    return True


def edits_of(texts: Sequence[str]) -> Callable[[str], Edit | None]:
    """Return what is changed for each sample, by its id; ``None``: nothing.

    Raises
    ------
    ConfigError
        If a change is none.
    """
    changes_of([text for name in ("", *_names(texts)) for text in for_sample(texts, name)])  # all are read at once

    def of(sample: str) -> Edit | None:
        mine = tuple(for_sample(texts, sample))
        return Edit(mine, changes_of(mine)) if mine else None

    return of


def _names(texts: Sequence[str]) -> list[str]:
    return [text.partition(":")[0].strip() for text in texts if ":" in text]
