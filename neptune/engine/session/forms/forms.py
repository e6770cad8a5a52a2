"""Programs that differ only in their words are made ready once: "a red ball left of a cube" and "a small green cube
right of a ball" have one *form*.

In the form of a text, words are placeholders of a vocabulary that has them beside its own: ``some0(x)`` for a
conjunction of values said of one variable (``red(x) and cube(x)``), ``than0a`` for a relation, and ``than0b`` for its
converse where a text has both. The form is checked, interpreted and planned as any text; a program is made of it by
filling in its words. Equal words have equal placeholders, so that what the form shares its programs share. Only words
about which the vocabulary says the same are exchanged, and only where they are truths within a formula; any other text
is made ready by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock

from cachetools import LRUCache, cached

from dsl.errors import ProgramError
from dsl.limits import DEFAULT_LIMITS
from dsl.plan import And, Atom, Node, Predicate, conjunction, make, rebuild, show, walk
from dsl.vocabulary import Vocabulary
from neptune.engine.context import RunContext
from neptune.engine.evaluate.stage import NotAlike, NotBatchable
from neptune.engine.interpret.atoms import predicate_of
from neptune.engine.session.forms.words import MOST_WORDS, PLACEHOLDER, exchangeable, with_placeholders
from neptune.engine.session.precompiled import Precompiled, precompile

FORMS_KEPT = 400
MOST_CHARS = 600
"""Of a text that is filled in: far from all limits of what a program may be."""
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(([a-z]\w*)\)")
_RELATION = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\((?=[a-z]\w*, )")
_OTHERWISE = re.compile(
    r"[\n;'\"#\\]|\b(?:for|def|return|import|if|while)\b|(?<![=!<>])=(?!=)|(?i:placeholder|some\d|more\d|than\d)"
)
"""What makes a text more than one expression without texts, or meets the placeholders' names."""
_NAME = re.compile(r"[A-Za-z_]\w*")
_PLACEHOLDER = re.compile(rf"\b(?:{PLACEHOLDER})\b")
_BEFORE = re.compile(r"(?::|\band|\bor|\bnot|(?:^|[^\w\s)\]]|\b(?:and|or|not))\s*\()\s*\Z")
"""What stands before a truth: a lambda, a connective, a bracket that calls nothing."""
_AND_BEFORE, _AND_AFTER = re.compile(r"\band\s*\Z"), re.compile(r"\s*and\b")
_AFTER = re.compile(r"\s*(?:\)|,|and\b|or\b|\Z)")
_NEAR = 12
"""Characters before a truth that are looked at."""


@dataclass(frozen=True, eq=False)
class Filling:
    """The words of one text.

    Parameters
    ----------
    vocabulary
        Whose words they are.
    words
        For each placeholder the words that it stands for, joined by "and".
    swapped
        The placeholders of relations that are asked the other way round: ``right(x, y)`` is ``left(y, x)``.
    """

    vocabulary: Vocabulary
    words: Mapping[str, tuple[str, ...]]
    swapped: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_nodes", {})

    @property
    def several(self) -> frozenset[str]:
        """The placeholders that stand for more than one word."""
        return frozenset([name for name, words in self.words.items() if len(words) > 1])

    def meant(self, predicate: Predicate) -> tuple[Predicate, ...]:
        """Return the predicates that one of the form stands for."""
        words = self.words.get(predicate.name)
        if words is None:
            return (predicate,)
        return tuple([predicate_of(self.vocabulary, word, predicate.arity) for word in words])

    def node(self, node: Node) -> Node:
        """Return what a plan of the form is in this text."""
        memo: dict[Node, Node] = self._nodes  # type: ignore[attr-defined]
        found = memo.get(node)
        if found is None:
            found = memo[node] = self._filled(node)
        return found

    def _filled(self, node: Node) -> Node:
        if isinstance(node, Atom):
            meant = self.meant(node.predicate)
            if len(meant) > 1:
                return conjunction([make(Atom, predicate, node.terms) for predicate in meant])
            if meant[0] is node.predicate:
                return node
            return make(Atom, meant[0], node.terms[::-1] if node.predicate.name in self.swapped else node.terms)
        children = node.children
        inner = [self.node(child) for child in children]
        if isinstance(node, And):
            return conjunction(inner)
        return rebuild(node, inner) if children else node


class Forms:
    """Makes programs ready, those of one form from one. Not for several threads at once: keep a lock around it.

    Parameters
    ----------
    context
        What they are run with.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._words, self._relations = exchangeable(context.vocabulary)
        self._of_forms: RunContext | None = None
        if (self._words or self._relations) and context.limits == DEFAULT_LIMITS:
            self._of_forms = replace(context, vocabulary=with_placeholders(context.vocabulary))
        self._forms: LRUCache[str, Precompiled | None] = LRUCache(FORMS_KEPT)

    def made(self, program: str) -> Precompiled:
        """Return a program made ready.

        Raises
        ------
        NotBatchable, dsl.ProgramError
            As :func:`~neptune.engine.session.precompiled.precompile`.
        """
        read = self.read(program)
        if read is not None:
            form, filling = read
            like = self._form(form)
            if like is not None:
                try:
                    return _filled(like, filling)
                except NotAlike:
                    pass
        return precompile(self._context, program)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words of forms: with placeholders."""
        return (self._of_forms or self._context).vocabulary

    def _form(self, form: str) -> Precompiled | None:
        """Return a form made ready; ``None`` where its programs are made ready one by one."""
        if form not in self._forms:
            assert self._of_forms is not None
            try:
                made = precompile(self._of_forms, form)
                usual = not (made.notes or made.choice or made.stage.relative)
                usual = usual and not any(map(spells_placeholders, (made.need.of, made.settled)))
                self._forms[form] = made if usual else None
            except (ProgramError, NotBatchable):
                self._forms[form] = None
        return self._forms[form]

    def read(self, program: str) -> tuple[str, Filling] | None:
        """Return the form of a text, and its words; ``None`` of one that is made ready by itself."""
        if self._of_forms is None or len(program) > MOST_CHARS or _OTHERWISE.search(program):
            return None
        words: dict[str, tuple[str, ...]] = {}
        swapped: set[str] = set()
        known, sorts = self._context.vocabulary, self._named_sorts(program)
        form = self._with_relations(self._with_values(program, words, sorts), words, swapped)
        for name in set(_NAME.findall(form)) - words.keys():
            sort = known.sort_of_value(name)
            if known.canonical(name, 2) in self._relations or (sort is not None and sort not in sorts):
                return None  # one of the words elsewhere, where it may mean anything
        return (form, Filling(known, words, frozenset(swapped))) if words else None

    def _named_sorts(self, program: str) -> set[str]:
        known = self._context.vocabulary
        return {sort for name in set(_NAME.findall(program)) if (sort := known.sort_named(name)) is not None}

    def _with_values(self, text: str, words: dict[str, tuple[str, ...]], sorts: set[str]) -> str:
        """Put placeholders for conjunctions of values; `sorts` are those that the text names."""
        seen: dict[tuple[str, ...], int] = {}
        out, at = [], 0
        for start, end, said, variable in self._conjunctions(text):
            if len(said) == 1 and self._context.vocabulary.sort_of_value(said[0]) in sorts:
                continue  # it may be what is asked for: one of the values that are weighed
            k = seen.setdefault(said, len(seen))
            alone = not (_AND_BEFORE.search(text[max(0, start - _NEAR) : start]) or _AND_AFTER.match(text, end))
            out.append(text[at:start])
            # What is a conjunction stays one, and one word stays one.
            if len(said) > 1 and alone:
                out.append(f"some{k}a({variable}) and more{k}({variable})")
                words[f"some{k}a"], words[f"more{k}"] = said[:-1], said[-1:]
            else:
                out.append(f"some{k}({variable})")
                words[f"some{k}"] = said
            at = end
        out.append(text[at:])
        return "".join(out) if len(seen) <= MOST_WORDS else text

    def _conjunctions(self, text: str) -> list[tuple[int, int, tuple[str, ...], str]]:
        """Return where values are said of one variable and joined by "and", with the values and the variable."""
        calls = [m for m in _CALL.finditer(text) if m[1] in self._words]
        found: list[tuple[int, int, tuple[str, ...], str]] = []
        at = 0
        while at < len(calls):
            last = at
            while last + 1 < len(calls) and calls[last + 1][2] == calls[at][2]:
                if text[calls[last].end() : calls[last + 1].start()] != " and ":
                    break
                last += 1
            run, start, end = calls[at : last + 1], calls[at].start(), calls[last].end()
            at = last + 1
            said = tuple([m[1] for m in run])
            before = _BEFORE.search(text[max(0, start - _NEAR) : start])
            if before is None or len(set(said)) < len(said):
                continue
            if len(said) > 1 and (before[0].startswith("not") or not _AFTER.match(text, end)):
                continue  # the first or the last belongs to something else
            found.append((start, end, said, run[0][2]))
        return found

    def _with_relations(self, text: str, words: dict[str, tuple[str, ...]], swapped: set[str]) -> str:
        """Put placeholders for relations; where a text has one and its converse, for both."""
        known = self._context.vocabulary
        said = dict.fromkeys(m[1] for m in _RELATION.finditer(text) if m[1] in self._relations)
        placeholders: dict[str, str] = {}
        for name in said:
            # The interpreter asks one of the two, whichever a text says: the first of the alphabet.
            first, second = sorted((name, known.converse(name) or ""))
            if first in placeholders or second in placeholders:
                continue
            own = f"than{len(words)}{'pair' if known.arities(name) == {2} else ''}"
            placeholders[first] = f"{own}a"
            words[f"{own}a"] = (first,)
            if first in said and second in said:
                placeholders[second] = f"{own}b"
                words[f"{own}b"] = (second,)
            elif second in said:
                placeholders[second] = f"{own}a"
                swapped.add(f"{own}a")
        # Of more pairs than there are placeholders the checker knows nothing.
        return _RELATION.sub(lambda m: f"{placeholders[m[1]]}(" if m[1] in placeholders else m[0], text)


def _filled(like: Precompiled, filling: Filling) -> Precompiled:
    """Return the program that a form is with these words.

    Raises
    ------
    NotAlike
        If it would be laid out otherwise.
    """
    if not keeps_conjunctions((like.need.of, like.settled, *like.stage.truths), filling):
        raise NotAlike
    of = filling.node(like.need.of)
    made = Precompiled(
        replace(like.need, of=of),
        show(of),
        like.line,
        like.notes,
        {filling.node(node): name for node, name in like.names.items()},
        None,
        like.stage.filled(filling.node, filling.meant, filling.swapped),
        filling.node(like.settled),
        like.told,
        tuple([filling.node(link) for link in like.chain]),  # type: ignore[misc]
    )
    made.form = like, filling
    return made


def spells_placeholders(formula: Node) -> bool:
    """Whether a placeholder stands elsewhere in a formula of a form than as a predicate, as in a text: a word that the
    vocabulary does not have takes it in ("a than0a sphere"). There no word can be filled in."""
    for node in walk(formula):
        for value in [getattr(node, name) for name in node.schema.data]:
            if isinstance(value, Predicate):
                name = "" if _PLACEHOLDER.fullmatch(value.name) else value.name
                value = name, value.text, value.ways, value.boxes, value.percept
            if _PLACEHOLDER.search(repr(value)):
                return True
    return False


def keeps_conjunctions(formulas: Iterable[Node], filling: Filling) -> bool:
    """Whether all that stands for several words, in formulas of a form, is within a conjunction: there they go on as
    operands of it."""
    several = filling.several
    return not several or all(several.isdisjoint(_outside_conjunctions(formula)) for formula in formulas)


@cached(LRUCache(4 * FORMS_KEPT), lock=Lock())
def _outside_conjunctions(formula: Node) -> frozenset[str]:
    """Return the names of the predicates of a formula whose atoms stand elsewhere than in a conjunction."""
    found = {formula.predicate.name} if isinstance(formula, Atom) else set()
    for node in walk(formula):
        if not isinstance(node, And):
            found.update([child.predicate.name for child in node.children if isinstance(child, Atom)])
    return frozenset(found)
