"""``neptune-reasoner tools FILE``: the functions that conversations made and a library keeps; some taken out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neptune.agent.library import Library
from neptune.errors import ConfigError
from neptune.foreign import printable


def show_tools(path: Path, remove: Sequence[str] = ()) -> int:
    """Print the functions of a library, each with the samples that it served, and its source; return the exit code.

    Parameters
    ----------
    path
        The library's file.
    remove
        Names of functions to take out first: all of them, or, where one is not there, none.

    Raises
    ------
    ConfigError
        If the file is not there or no library, or holds no function of a name.
    """
    if not path.is_file():
        raise ConfigError(
            "There is no library of functions", where=str(path), expected="the file of tool_library",
            hint="A run with --tools learn --tool_library FILE makes one",
        )  # fmt: skip
    library = Library(path)
    library.remove(*remove)
    for name in dict.fromkeys(remove):
        print(printable(f"removed {name}"))
    kept = [e for e in library.entries if e["kept"]]
    noted = len(library.entries) - len(kept)
    for entry in sorted(kept, key=lambda e: (-len(e["samples"]), e["name"])):
        served = f"{len(entry['samples'])} samples: {', '.join(map(str, entry['samples'][:5]))}"
        more = ", …" if len(entry["samples"]) > 5 else ""
        print(printable(f"\n{entry['signature']}  ({entry['language']}), served {served}{more}"))
        print(printable("\n".join(f"    {line}" for line in str(entry["source"]).rstrip().splitlines())))
    said = f"{len(kept)} functions are offered" if len(kept) != 1 else "1 function is offered"
    more = f", {noted} more served too few samples, or did not come out the same" if noted else ""
    print(f"\n{said}{more}: {path}", flush=True)
    return 0
