"""What is known of the pictures, as arrays: the soft truth of each word at each object, or pair of objects.

The words are those of a world: values of its sorts, predicates and definitions of one or two objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from dsl.errors import closest
from dsl.vocabulary import OBJECT, Vocabulary
from neptune.engine import Engine
from neptune.errors import ConfigError, OracleError
from neptune.scene import Scene

Floats = NDArray[np.float32]
Scored = tuple[Floats, Floats, NDArray[np.bool_]]
"""The scores of one picture: `(U, n)`, `(B, n, n)`, and which boxes are objects `(n,)`."""
LIMIT = 50.0
"""Logits are kept in ± this."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words that a rule may use.

    Parameters
    ----------
    unary, binary
        Names of predicates of one object, and of two; of a converse pair one, and none that compares what values say.
    sort_of
        Value → its sort.
    compares
        Predicate of two objects that follows from their values → the pairs of values of which it is true.
    """

    unary: tuple[str, ...]
    binary: tuple[str, ...]
    sort_of: dict[str, str]
    compares: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    @staticmethod
    def of(vocabulary: Vocabulary, forbid: Iterable[str] = ()) -> Words:
        """Return the words of a world without those that are forbidden: predicates, values, or whole sorts.

        Raises
        ------
        ConfigError
            If a forbidden word is none of the world's, or no word is left.
        """
        banned = _banned(vocabulary, forbid)
        unary = [v for s in vocabulary.sorts.values() for v in s.values]
        binary: list[str] = []
        for name, known in vocabulary.predicates.items():
            unary += [name] if 1 in known.arities and _of_objects(vocabulary, name, 1) and not known.converse else []
            first = known.converse is None or name < known.converse
            if 2 in known.arities and first and known.same != "object" and _of_objects(vocabulary, name, 2):
                binary.append(name)
        for meant in vocabulary.definitions.values():
            fits = meant.gives == "truth" and meant.name not in vocabulary.sorts and meant.arity in (1, 2)
            if fits and _of_objects(vocabulary, meant.name, meant.arity):
                (unary if meant.arity == 1 else binary).append(meant.name)
        kept = [tuple(w for w in dict.fromkeys(ws) if w not in banned) for ws in (unary, binary)]
        if not kept[0]:
            raise ConfigError(f"No word of '{vocabulary.name}' is left", where="forbid", hint="Forbid fewer words")
        sorts = {v: s.name for s in vocabulary.sorts.values() for v in s.values}
        return Words(kept[0], kept[1], sorts, {n: ways for n in kept[1] if (ways := _ways(vocabulary, n))})


def _ways(vocabulary: Vocabulary, name: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of values of which a relation is true, where it follows from values."""
    derived, same = vocabulary.derived(name, 2), vocabulary.same(name)
    if derived is not None and derived.kind != "boxes":
        return derived.ways(vocabulary.values(derived.of))
    sort = vocabulary.sort_named(same) if same is not None else None
    return tuple((v, v) for v in vocabulary.values(sort or ""))


def _of_objects(vocabulary: Vocabulary, name: str, arity: int) -> bool:
    """Tell whether a predicate is said of objects, not of containers."""
    return all(s == "Any" or vocabulary.kind(s) == OBJECT for s in vocabulary.of(name, arity))


def _banned(vocabulary: Vocabulary, forbid: Iterable[str]) -> set[str]:
    banned: set[str] = set()
    for word in forbid:
        sort = vocabulary.sort_named(word)
        names = {vocabulary.canonical(word, n) for n in (1, 2) if vocabulary.knows(word, n)}
        if sort in vocabulary.sorts and vocabulary.values(sort or ""):
            banned |= {*vocabulary.values(sort or ""), f"same_{vocabulary.attribute(sort or '')}"}
            banned |= {n for n, f in vocabulary.predicates.items() if f.derived is not None and f.derived.of == sort}
        elif names:
            banned |= names | {c for n in names if (c := vocabulary.converse(n)) is not None}
            others = [v for v in vocabulary.values(vocabulary.sort_of_value(word) or "") if v not in names]
            banned |= set(others) if len(others) == 1 else set()  # "not rubber" would say metal
        else:
            known = [*vocabulary.words(), *vocabulary.sorts]
            hint = ", ".join(closest(word, known)) or "a predicate, a value or a sort of the vocabulary"
            raise ConfigError(
                f"'{word}' is forbidden, and is no word of '{vocabulary.name}'", where="forbid", hint=hint
            )
    return banned


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The scores of P pictures with up to N objects, as logits; of what is no object, no word is ever true.

    Parameters
    ----------
    unary
        ``(U, P, N)``.
    binary
        ``(B, P, N, N)``; of an object with itself -LIMIT.
    there
        ``(P, N)``: which places are objects.
    """

    unary: Floats
    binary: Floats
    there: NDArray[np.bool_]


def scores(engine: Engine, scene: Scene, words: Words) -> Scored:
    """Return the logits of all words on one scene: ``(U, n)``, ``(B, n, n)``, and which boxes are objects ``(n,)``.

    Raises
    ------
    OracleError
        If evidence of a word is missing: what is not known can not be learned from.
    """
    n = len(scene)
    there = np.array([k == OBJECT for k in scene.kinds] or [True] * n, dtype=np.bool_)
    unary, binary = np.zeros((len(words.unary), n), np.float32), np.zeros((len(words.binary), n, n), np.float32)
    for k, name in enumerate(words.unary):
        unary[k] = _logits(engine, f'{name}("x")', scene, ("x",))
    for k, name in enumerate(words.binary):
        binary[k] = _logits(engine, f'{name}("x", "y")', scene, ("x", "y"))
        np.fill_diagonal(binary[k], -LIMIT)
    return unary, binary, there


@torch.no_grad()
def _logits(engine: Engine, formula: str, scene: Scene, names: tuple[str, ...]) -> Floats:
    """Return the logits of a formula over its variables.

    Raises
    ------
    OracleError
        If some are not known: their lower bound, as a table gives it, is no score.
    """
    found, denied = (_probabilities(engine, f, scene, names) for f in (formula, f"not {formula}"))
    if bool(((found + denied - 1.0).abs() > 1e-3).any()):
        raise OracleError(
            f"The oracle gave no evidence for {formula}", where=scene.name, hint="Leave the picture out, or the word"
        )
    logits = found.logit().clamp(-LIMIT, LIMIT)
    return np.ascontiguousarray(logits.numpy(), dtype=np.float32)


def _probabilities(engine: Engine, formula: str, scene: Scene, names: tuple[str, ...]) -> torch.Tensor:
    shape = (len(scene),) * len(names)
    if not len(scene):
        return torch.zeros(shape, dtype=torch.float64)
    table = engine.table(formula, scene)
    values = table.values.permute([table.vars.index(v) for v in names]) if set(table.vars) == set(names) else None
    found = values.double() if values is not None else torch.full(shape, float(table.values), dtype=torch.float64)
    if len(names) > 1:  # of an object with itself nothing is said
        found = torch.where(torch.eye(len(scene), dtype=torch.bool), 0.0 if formula[:3] != "not" else 1.0, found)
    return found


def padded(parts: Sequence[Scored]) -> Tables:
    """Return the scores of several pictures side by side."""
    n = max([len(there) for _, _, there in parts] + [1])
    p = len(parts)
    unary = np.full((len(parts[0][0]), p, n), -LIMIT, np.float32)
    binary = np.full((len(parts[0][1]), p, n, n), -LIMIT, np.float32)
    there = np.zeros((p, n), np.bool_)
    for k, (one, two, mask) in enumerate(parts):
        m = len(mask)
        unary[:, k, :m], binary[:, k, :m, :m], there[k, :m] = one, two, mask
    return Tables(unary, binary, there)


def without(part: Scored, every: Words, allowed: Words) -> Scored:
    """Return the scores of the words that are allowed, of all words."""
    unary, binary, there = part
    one = [k for k, w in enumerate(every.unary) if w in allowed.unary]
    two = [k for k, w in enumerate(every.binary) if w in allowed.binary]
    return unary[one], binary[two], there
