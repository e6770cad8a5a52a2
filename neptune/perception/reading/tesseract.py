"""Words read by Tesseract, where the program is installed. Licence: Apache-2.0."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from neptune.errors import ConfigError, PerceptionError, PerceptionFailedError
from neptune.perception.reading.lines import framed, lines
from neptune.scene.identity import identity
from neptune.scene.picture import Picture
from neptune.scene.seen.texts import Reading

SECONDS = 120
"""A picture takes no longer."""


class TesseractReader:
    """Reads upright lines of text.

    Parameters
    ----------
    language
        Of the text, as Tesseract names it: ``eng``, ``deu``, ``eng+fra``.
    least_confidence
        Words of a lower confidence are left out, in [0, 1].

    Raises
    ------
    ConfigError
        If the program is not installed.
    PerceptionError
        If an option is out of range.
    """

    name = "tesseract"

    def __init__(self, language: str = "eng", least_confidence: float = 0.5) -> None:
        where = "reader 'tesseract'"
        if not 0 <= least_confidence <= 1:
            raise PerceptionError(f"least_confidence is {least_confidence}", where=where, expected="a number in [0, 1]")
        if not language.replace("+", "").replace("_", "").isalnum():
            raise PerceptionError(f"language is '{language}'", where=where, expected="e.g. eng, or eng+fra")
        program = shutil.which("tesseract")
        if program is None:
            raise ConfigError(
                "Tesseract is not installed",
                where=where,
                expected="the program tesseract on the PATH",
                hint='Install it with the system\'s packages, or use ocr_model "rapidocr"',
            )
        self.language, self.least_confidence, self._program = language, least_confidence, program

    @cached_property
    def identity(self) -> str:
        """All that decides what is read, as canonical JSON: the key of caches."""
        said = self._run(["--version"], b"").decode("utf-8", "replace").split("\n")[0]
        return identity("tesseract", version=said, language=self.language, least_confidence=self.least_confidence)

    def read(self, pictures: Sequence[Picture]) -> list[Reading]:
        """Read the words in pictures; where there are none, nothing.

        Raises
        ------
        PictureError
            If a picture can not be read.
        PerceptionFailedError
            If the program fails, e.g. for want of a language's data.
        """
        return [self._read(picture) for picture in pictures]

    def _read(self, picture: Picture) -> Reading:
        content = io.BytesIO()
        framed(picture.image).save(content, "PNG")
        said = self._run(["stdin", "stdout", "-l", self.language, "tsv"], content.getvalue())
        return lines(picture, table_lines(said.decode("utf-8", "replace"), self.least_confidence))

    def _run(self, arguments: list[str], given: bytes) -> bytes:
        try:
            done = subprocess.run([self._program, *arguments], input=given, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PerceptionFailedError(f"Tesseract can not be run: {error}", where="reader 'tesseract'") from error
        if done.returncode:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
            raise PerceptionFailedError(f"Tesseract fails: {said}", where="reader 'tesseract'")
        return done.stdout


def table_lines(table: str, least: float) -> list[tuple[str, list[tuple[float, float]], float]]:
    """Return the lines of Tesseract's table of words (TSV): text, corners, and the mean confidence of the words."""
    words: dict[tuple[str, ...], list[tuple[str, float, float, float, float, float]]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        try:
            sure = float(row["conf"]) / 100
            x, y, w, h = (float(row[name]) for name in ("left", "top", "width", "height"))
        except (KeyError, TypeError, ValueError):
            continue
        if row.get("level") == "5" and sure >= least and (row.get("text") or "").strip():
            line = tuple(str(row[name]) for name in ("block_num", "par_num", "line_num"))
            words[line].append((row["text"], x, y, x + w, y + h, sure))
    found = []
    for line_words in words.values():
        texts, left, top, right, bottom, sure_ = zip(*line_words, strict=True)
        x0, y0, x1, y1 = min(left), min(top), max(right), max(bottom)
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        found.append((" ".join(texts), corners, sum(sure_) / len(sure_)))
    return found
