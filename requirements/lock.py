"""Writes the files beside it that pin what ``make`` installs: ``make lock``, or ``make lock UPGRADE=1`` for the newest.

The ranges of ``pyproject.toml`` are resolved once for all systems and Python releases, so that the files are the same
wherever they are made. Each set of packages is a file with hashes. torch and what only its CUDA builds need stand in
``torch.txt`` without, since an index may offer another build of the same release.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent / "pyproject.toml"
SETS = {
    "all": ("dev-all",),
    "dev": ("dev",),
    "full": ("dev", "ray"),
    "demo": (),
    "docs": ("docs",),
    "serve": ("openai", "serve"),
    "gpu": ("finetune", "openai", "serve"),
}
"""File → the extras in it. The first holds the others to its choices."""
UNHASHED = ("torch", "triton", "nvidia-", "cuda-")
"""How the names of torch and of what its CUDA builds need begin."""


def resolve(uv: str, output: Path, *words: str, stdin: str | None = None) -> list[str]:
    """Let uv choose, and return the lines of what it wrote to `output`."""
    always = ["--universal", "--python-version=3.11", "--no-config", "--no-emit-index-url", "--quiet"]
    command = [uv, "pip", "compile", *words, *always, "--custom-compile-command=make lock", f"-o={output}"]
    subprocess.run(command, check=True, input=stdin, text=True, stdout=subprocess.DEVNULL)
    return output.read_text(encoding="utf-8").splitlines(keepends=True)


def split(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the requirements with hashes, and those of torch without."""
    hashed: list[str] = []
    plain: list[str] = []
    torch = False
    for line in lines:
        if not line.startswith((" ", "#")):
            torch = line.startswith(UNHASHED)
            plain += [line.removesuffix(" \\\n").rstrip() + "\n"] if torch else []
        if not torch:
            hashed.append(line)
    return hashed, plain


def main(uv: str, upgrade: bool) -> None:
    """Write all files."""
    newest = ["--upgrade"] if upgrade else []
    torch, first = HERE / "torch.txt", HERE / f"{next(iter(SETS))}.txt"
    for name, extras in SETS.items():
        file = HERE / f"{name}.txt"
        held = [f"--constraint={HERE / 'torch.in'}", *([] if file == first else [f"--constraint={first}"])]
        chosen = resolve(uv, file, str(PROJECT), *(f"--extra={e}" for e in extras), "--generate-hashes", *held, *newest)
        hashed, plain = split(chosen)
        file.write_text("".join(hashed), encoding="utf-8")
        if file == first:
            torch.write_text("".join(chosen[:2] + plain), encoding="utf-8")
    requires = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["build-system"]["requires"]
    resolve(uv, HERE / "build.txt", "-", *newest, stdin="\n".join([*requires, "editables", "setuptools"]))
    lowest = ["--extra=dev", "--resolution=lowest-direct", "--no-annotate", "--upgrade"]
    resolve(uv, HERE / "lowest.txt", str(PROJECT), *lowest)


if __name__ == "__main__":
    main(sys.argv[1], "--upgrade" in sys.argv[2:])
