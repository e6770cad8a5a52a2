"""The words of a domain: its sorts, predicates, synonyms, and what follows from them without asking."""

from dsl.vocabulary.fields import VocabularyError
from dsl.vocabulary.vocabulary import OBJECT, Sort, Vocabulary

__all__ = ["OBJECT", "Sort", "Vocabulary", "VocabularyError"]
