"""Write the tables of the pages of the language: built-ins and methods, what programs over regions may call, the tools.

python docs/language_tables.py          # rewrites these pages between their markers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dsl.builtins import BUILTINS, METHODS
from dsl.patches import declared
from dsl.patches.tools import TOOLS
from dsl.percepts import PERCEPTS

HERE = Path(__file__).resolve().parent
START, END = "<!-- tables: made by docs/language_tables.py -->\n", "<!-- end of tables -->\n"


def tables() -> str:
    """Return the tables of built-ins and methods as Markdown."""
    lines = ["### Built-ins", "", "| built-in | what it is |", "|---|---|"]
    lines += [f"| `{b.signature}` | {b.doc} |" for b in BUILTINS.values()]
    lines += ["", "### Methods", "", "| method | of | what it does |", "|---|---|---|"]
    lines += [f"| `.{name}` | {method.of} | {method.doc} |" for name, method in METHODS.items()]
    lines += ["", "### Masks, depths, words", "", "| name | gives | what it is |", "|---|---|---|"]
    lines += [f"| `{p.signature}` | {p.gives} | {p.doc} |" for p in PERCEPTS.values()]
    return "\n".join(lines) + "\n"


def region_tables() -> str:
    """Return the tables of programs over regions as Markdown."""
    lines = ["### Functions", "", "| function | gives | what it is |", "|---|---|---|"]
    lines += [_row(f"{f.signature}", f) for f in declared.FUNCTIONS.values()]
    lines += ["", "### Attributes", "", "| attribute | of | what it is |", "|---|---|---|"]
    for sort, attributes in declared.ATTRIBUTES.items():
        lines += [f"| `.{name}` | {sort} | {a.doc} |" for name, a in attributes.items()]
    lines += ["", "### Methods", "", "| method | of | gives | what it does |", "|---|---|---|---|"]
    for sort, methods in declared.METHODS.items():
        lines += [_row(f".{m.signature}", m, f"{sort} | ") for m in methods.values()]
    lines += ["", "### Numbers", "", *_modules()]
    return "\n".join(lines) + "\n"


def tool_tables() -> str:
    """Return the table of the picture tools as Markdown."""
    lines = ["| tool | gives | what it does | its arguments |", "|---|---|---|---|"]
    for tool in TOOLS.values():
        may_be = "; ".join(f"`{p.name}`: {p.range or ' or '.join(p.sorts)}" for p in tool.parameters)
        lines.append(f"| `{tool.signature}` | {tool.gives} | {tool.doc} | {may_be} |")
    return "\n".join(lines) + "\n"


def _row(signature: str, function: declared.Function, of: str = "") -> str:
    return f"| `{signature}` | {of}{function.gives} | {function.doc.replace('|a - b|', 'their difference')} |"


def _modules() -> Iterator[str]:
    for module, names in declared.MODULES.items():
        yield f"`{module}`: {', '.join(f'`{name}`' for name in names)}."


def main() -> None:
    """Rewrite these pages between their markers."""
    pages: tuple[tuple[str, Callable[[], str]], ...] = (
        ("language.md", tables),
        ("language-regions.md", region_tables),
        ("picture-tools.md", tool_tables),
    )
    for name, made in pages:
        page = HERE / name
        before, _, rest = page.read_text(encoding="utf-8").partition(START)
        _, _, after = rest.partition(END)
        page.write_text(before + START + "\n" + made() + "\n" + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()
