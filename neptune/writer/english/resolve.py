"""What "it", "one" and "other" stand for: a question's meaning without words that point back."""

from __future__ import annotations

from dataclasses import replace

from neptune.writer.english import meaning as m


class Unresolved(Exception):
    """A word points back to something, and there is nothing. `word`: which."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Resolver:
    """Goes through one question in the order of its words.

    Attributes
    ----------
    notes : list of str
        What was taken to mean nothing, in words.
    """

    def __init__(self) -> None:
        self._introduced: m.Phrase | None = None
        self._subject: m.Phrase | None = None
        self._last: m.Phrase | None = None
        self._noun: str | None = None
        self.notes: list[str] = []

    def question(self, asked: m.Question) -> m.Question:
        """Return the question without "it", "one" and "other".

        Raises
        ------
        Unresolved
            If there is nothing that "it" could stand for.
        """
        match asked:
            case m.After(introduced, question):
                found = self.phrase(introduced)
                quantity = "all" if found.nominal.plural else "the"
                self._introduced = m.Phrase(quantity, found.nominal)
                return self.question(question)
            case m.Holds(of, that):
                subject = self.phrase(of)
                self._subject = replace(subject, quantity="the") if subject.quantity == "some" else subject
                return m.Holds(subject, self.condition(that))
            case m.Count(of):
                return m.Count(self.nominal(of))
            case m.Exists(what):
                return m.Exists(self.phrase(what))
            case m.Describe(sort, of):
                return m.Describe(sort, self.phrase(of))
            case m.Point(at):
                return m.Point(self.phrase(at))
            case m.Compare(operator, first, second):
                first = self.nominal(first)
                return m.Compare(operator, first, second if isinstance(second, int) else self.nominal(second))
            case m.Difference(first, second):
                first = self.nominal(first)
                return m.Difference(first, self.nominal(second))
            case m.MoreOf(first, second):
                first = self.nominal(first)
                return m.MoreOf(first, self.nominal(second))
            case m.SameInGroup(_, group):
                return replace(asked, group=self._group(group))
            case m.CountValues(_, among) | m.Commonest(_, among) | m.ValuesAre(_, _, among):
                return replace(asked, among=self.nominal(among))
            case m.Contrary(of):
                return m.Contrary(self.question(of))
            case m.Each(of, one):
                return m.Each(tuple(self.question(q) for q in of), one)

    def _group(self, group: m.Nominal) -> m.Nominal:
        if group == m.Nominal((), m.SAME_NOUN, True):  # "they"
            if self._introduced is None:
                raise Unresolved("they")
            return self._introduced.nominal
        return self.nominal(group)

    def phrase(self, phrase: m.Phrase) -> m.Phrase:
        """Return what a phrase speaks of, described."""
        if phrase.quantity in ("it", "they"):
            found = self._introduced or self._subject or self._last
            if found is None:
                raise Unresolved(str(phrase.quantity))
            return found
        found = replace(phrase, nominal=self.nominal(phrase.nominal))
        if found.quantity in ("the", "bare"):
            self._last = found
        return found

    def nominal(self, nominal: m.Nominal) -> m.Nominal:
        """Return a nominal with its noun, and with what "other" excludes."""
        head = nominal.head
        if head == m.THOSE:
            if self._introduced is None:
                raise Unresolved("them")
            return self._introduced.nominal
        more: tuple[m.Condition, ...] = ()
        if head == m.SAME_NOUN:
            head = self._noun
            more = (m.Is(head),) if head is not None else ()
        else:
            self._noun = head
        conditions = tuple(self.condition(c) for c in nominal.conditions) + more
        if nominal.other and not any(_compares(c) for c in conditions):
            # a relation to something already speaks of other objects than that
            if self._introduced is not None:
                conditions += (m.Apart(self._introduced),)
            elif self._subject is not None:
                # of several subjects each is meant, and no relation is asked of one object with itself
                if self._subject.quantity == "the" and not self._subject.nominal.plural:
                    conditions += (m.Apart(self._subject),)
            else:
                self.notes.append("'other' was passed over: the question names nothing that it excludes")
        return replace(nominal, conditions=conditions, head=head, other=False)

    def condition(self, condition: m.Condition) -> m.Condition:
        """Return a condition without words that point back."""
        match condition:
            case m.Is() | m.Bound() | m.Measured() | m.Together() | m.Mutual():
                return condition
            case m.Inside(question):
                subject = self._subject
                found = replace(condition, question=self.question(question))
                self._subject = subject
                return found
            case m.Related(name, to, back):
                return m.Related(name, self.phrase(to), back)
            case m.Not(of):
                return m.Not(self.condition(of))
            case m.All(of):
                return m.All(tuple(self.condition(c) for c in of))
            case m.Any(of, is_open):
                return m.Any(tuple(self.condition(c) for c in of), is_open)
            case m.Apart(of):
                return m.Apart(self.phrase(of))


def _compares(condition: m.Condition) -> bool:
    match condition:
        case m.Related(_, to):
            return to.quantity in ("the", "bare")
        case m.Not(of):
            return _compares(of)
        case m.All(of) | m.Any(of):
            return any(_compares(c) for c in of)
        case m.Apart():
            return True
    return False
