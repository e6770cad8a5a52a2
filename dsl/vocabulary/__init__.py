"""The words of a domain: its sorts, predicates, synonyms, and what follows from them without asking."""

from dsl.vocabulary.fields import VocabularyError, is_file_name
from dsl.vocabulary.sorts import OBJECT, Sort
from dsl.vocabulary.vocabulary import Vocabulary

__all__ = ["OBJECT", "Sort", "Vocabulary", "VocabularyError", "is_file_name"]
