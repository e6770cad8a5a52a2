"""Static checks: everything that can be known to be wrong before a single oracle call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakSet

from dsl.check.regions import RegionChecker
from dsl.check.statements import Statements
from dsl.errors import ProgramError
from dsl.limits import DEFAULT_LIMITS, Limits
from dsl.normalise.normaliser import normalise
from dsl.patches.dialect import FORMULAS, dialect_of
from dsl.patches.normal import normal_form
from dsl.syntax import ast
from dsl.syntax.parser import check_depth, parsed
from dsl.syntax.spelling import PATCHES
from dsl.vocabulary import Vocabulary, VocabularyError

_MOST_ERRORS = 10
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Checked:
    """A program that passed the checks.

    Parameters
    ----------
    program
        Its tree, in normal form (see :mod:`dsl.normalise.normaliser`).
    predicates
        The predicates it asks about, as (canonical name, number of arguments).
    notes
        What was normalised on the way, in words.
    """

    program: ast.Program
    predicates: frozenset[tuple[str, int]]
    notes: tuple[str, ...] = ()

    @property
    def dialect(self) -> str:
        """The dialect of the program: ``"patches"`` or ``"formulas"``."""
        return self.program.dialect


def check(
    program: str | ast.Program,
    *,
    vocabulary: Vocabulary | None = None,
    limits: Limits = DEFAULT_LIMITS,
    dialect: str | None = None,
) -> Checked:
    """Return the checked program, or raise everything that is wrong with it.

    Parameters
    ----------
    program
        Text, or a tree of :func:`dsl.parse`.
    vocabulary
        The domain's words; by default nothing is known and every predicate is allowed.
    limits
        ``source_chars``, ``nesting``, ``depth``, ``number_digits`` and ``predicate_arity`` are checked here.
    dialect
        ``"patches"`` or ``"formulas"``; by default, and if ``"auto"``, the program tells: see
        :func:`dsl.patches.dialect.dialect_of`.

    Raises
    ------
    ProgramError
        With up to ten faults in ``.errors``, in the order of the text.
    """
    known = vocabulary if vocabulary is not None else Vocabulary.open()
    check_definitions(known)
    return _check(program, known, limits, dialect)


def check_definitions(vocabulary: Vocabulary) -> None:
    """Check the definitions of a vocabulary, each once.

    Raises
    ------
    VocabularyError
        If one of them is no correct program.
    """
    if not vocabulary.definitions or vocabulary in _sound:
        return
    for meant in vocabulary.definitions.values():
        try:
            _check(meant.text, vocabulary, DEFAULT_LIMITS, FORMULAS)
        except ProgramError as error:
            place = "sorts" if meant.name in vocabulary.sorts else "definitions"
            raise VocabularyError(f"vocabulary '{vocabulary.name}': {place}.{meant.name}: {error}") from error
    _sound.add(vocabulary)


def definition_of(vocabulary: Vocabulary, name: str, arity: int) -> ast.Lambda:
    """Return what a name with so many arguments is defined as, in normal form.

    Raises
    ------
    KeyError
        If the vocabulary does not define it.
    """
    meant = vocabulary.definition(name, arity)
    if meant is None:
        raise KeyError(f"{name}/{arity}")
    last = _check(meant.text, vocabulary, DEFAULT_LIMITS, FORMULAS).program.body[-1]
    assert isinstance(last, ast.ExprStatement)
    assert isinstance(last.value, ast.Lambda)
    return last.value


def _asked(predicates: Iterable[tuple[str, int]], known: Vocabulary) -> frozenset[tuple[str, int]]:
    """Return the predicates that are asked about, what is defined written out."""
    found: set[tuple[str, int]] = set()
    for name, arity in predicates:
        meant = known.definition(name, arity)
        found |= {(name, arity)} if meant is None else _check(meant.text, known, DEFAULT_LIMITS, FORMULAS).predicates
    return frozenset(found)


def _check(program: str | ast.Program, known: Vocabulary, limits: Limits, dialect: str | None) -> Checked:
    key = (program, known, limits, dialect) if isinstance(program, str) else None
    known_before = _memory.get(key) if key is not None else None  # one look: another thread may drop it
    if known_before is not None:
        return known_before
    notes: tuple[str, ...] = ()
    source = None
    if isinstance(program, str):
        tree, notes = parsed(program, limits=limits, dialect=dialect)
        source = program
    else:
        tree = program
        check_depth(tree, limits)
    try:
        over_regions = dialect_of(tree, dialect) == PATCHES
        tree, changed = normal_form(tree) if over_regions else normalise(tree, known, limits)
    except ProgramError as fault:
        raise (fault.with_source(source) if source is not None else fault) from None
    checker = RegionChecker(tree, known, limits) if over_regions else Statements(known, limits)
    checker.program(tree)
    if checker.errors:
        faults = sorted(checker.errors, key=lambda e: (e.line or 0, e.column or 0))[:_MOST_ERRORS]
        error = ProgramError.bundle(faults)
        raise error.with_source(source) if source is not None else error
    done = Checked(tree, _asked(checker.predicates, known), tuple(dict.fromkeys((*notes, *changed, *checker.notes))))
    if key is not None and source is not None and len(source) <= 2000:
        if len(_memory) >= _REMEMBERED:
            _memory.popitem(last=False)
        _memory[key] = done
    return done


_memory: OrderedDict[tuple[str, Vocabulary, Limits, str | None], Checked] = OrderedDict()
_sound: WeakSet[Vocabulary] = WeakSet()
"""Vocabularies whose definitions were checked."""
