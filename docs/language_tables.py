"""Write the tables of ``docs/language.md``: what is put right, the built-ins, the methods.

python docs/language_tables.py          # rewrites the page between its markers
"""

from __future__ import annotations

from pathlib import Path

from dsl.builtins import BUILTINS, METHODS

PAGE = Path(__file__).resolve().parent / "language.md"
START, END = "<!-- tables: made by docs/language_tables.py -->\n", "<!-- end of tables -->\n"


def tables() -> str:
    """Return the tables of built-ins and methods as Markdown."""
    lines = ["### Built-ins", "", "| built-in | what it is |", "|---|---|"]
    lines += [f"| `{b.signature}` | {b.doc} |" for b in BUILTINS.values()]
    lines += ["", "### Methods", "", "| method | of | what it does |", "|---|---|---|"]
    lines += [f"| `.{name}` | {method.of} | {method.doc} |" for name, method in METHODS.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite the page between its markers."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + START + "\n" + tables() + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
