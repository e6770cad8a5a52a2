"""Films: decoded by time, a few frames in memory at once."""

from neptune.films.film import Film as Film
from neptune.films.film import FilmLike as FilmLike
from neptune.films.frame import Frame as Frame

__all__ = ["Film", "FilmLike", "Frame"]
