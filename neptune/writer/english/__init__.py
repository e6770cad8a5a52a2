"""Questions in words without a language model: a small semantic parser for worlds whose words are known.

question ─ lexicon ─► words ─ chart (grammars/english.lark) ─► meaning ─ resolve ─► ─ render ─► program
"""

from neptune.writer.english.reader import Reader, Reading, reader_of

__all__ = ["Reader", "Reading", "reader_of"]
