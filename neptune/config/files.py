"""Reads the fields of a config from a file: JSON, or YAML where the name ends in ``.yaml`` or ``.yml``.

YAML is read safely and as its core schema says (1.2): ``true``, ``null``, ``3`` and ``2e-4`` are what they are in JSON,
all else is text (``no``, ``on``, dates).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from neptune.config.validation import ConfigProblems
from neptune.errors import did_you_mean

if TYPE_CHECKING:
    from yaml import MappingNode, Node, SafeLoader

YAML = (".yaml", ".yml")
SUFFIXES = (".json", *YAML)
"""How the names of config files end."""

TRUSTED = "trusted_hosts"
"""The hosts that may get a provider's key, of writer and judge, and in ``vlm_options`` of the oracle."""

META = "_run"
"""What a run adds to the config that it records."""

MOST_NODES = 100_000
"""Of a YAML file: a short one can name so much more by its aliases."""


def read_fields(path: str | Path) -> dict[str, Any]:
    """Return the fields of a config file; a run folder's ``config.json`` is one too, but for the hosts that get keys.

    A run folder may be another's: whom it trusts is not whom the user trusts.

    Raises
    ------
    ConfigProblems
        If it does not exist, is neither JSON nor YAML, or no object.
    """
    data = read_recorded(path)
    return without_trust(data) if data.pop(META, None) is not None else data


def without_trust(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config without the hosts that may get keys: a run folder does not keep them."""
    kept = {name: value for name, value in fields.items() if name != TRUSTED}
    if isinstance(options := kept.get("vlm_options"), dict):
        kept["vlm_options"] = {name: value for name, value in options.items() if name != TRUSTED}
    return kept


def read_recorded(path: str | Path) -> dict[str, Any]:
    """Return the fields of a config file with what a run has added to it (`META`); raises as `read_fields`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        data = _yaml(text) if path.suffix.lower() in YAML else _json(text)
    except IsADirectoryError:
        inside = (path / "config.json").is_file()
        hint = "; it is a run folder: its config is config.json in it" if inside else ""
        raise ConfigProblems([f"this is a folder; expected a config file{hint}"], str(path)) from None
    except (FileNotFoundError, NotADirectoryError):
        near = [str(p) for p in path.parent.glob("*") if p.suffix in SUFFIXES]
        hint = did_you_mean(str(path), near)
        raise ConfigProblems([f"the file does not exist{'; ' + hint if hint else ''}"], str(path)) from None
    except (ValueError, OSError, RecursionError) as error:
        said = str(error) if isinstance(error, _NotReadError) else f"the file can not be read: {error}"
        raise ConfigProblems([said], str(path)) from error
    if not isinstance(data, dict):
        kind = "JSON" if path.suffix.lower() not in YAML else "YAML"
        raise ConfigProblems([f"a config is a {kind} object, not {_KINDS.get(type(data), 'null')}"], str(path))
    return data


class _NotReadError(ValueError):
    """The text is not what its name says; the message says it all."""


_KINDS = {list: "a list", str: "text", int: "a number", float: "a number", bool: "true or false"}


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        raise _NotReadError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"field '{key}' is given twice")
        seen[key] = value
    return seen


def _yaml(text: str) -> Any:
    import yaml

    loader = _loader()(text)
    try:
        node = loader.get_single_node()
        return None if node is None else _Builder(loader).value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _NotReadError(f"not YAML: {error.problem or error.context}{where}") from error
    except yaml.YAMLError as error:
        raise _NotReadError(f"not YAML: {' '.join(str(error).split())}") from error
    finally:
        loader.dispose()


def _loader() -> type[SafeLoader]:
    """Return PyYAML's safe loader with the scalars of the core schema."""
    import yaml

    class CoreLoader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
        """Knows null, true and false, numbers, and text."""

        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for kind, pattern, first in (
        ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
        ("int", r"[-+]?[0-9]+", [*"-+0123456789"]),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
        ("merge", r"<<", ["<"]),
    ):
        CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(rf"^(?:{pattern})$"), first)
    return CoreLoader


class _Builder:
    """Makes plain values of nodes; an alias is a copy, and too many of them are an error."""

    def __init__(self, loader: SafeLoader) -> None:
        self._loader, self._left = loader, MOST_NODES
        self._flattened: set[int] = set()

    def value(self, node: Node, inside: tuple[Node, ...] = ()) -> Any:
        """Return what a node says; `inside` are those that it is in."""
        import yaml

        self._left -= 1
        if self._left < 0:
            raise _NotReadError(f"the file has more than {MOST_NODES:,} values (its aliases repeat them)")
        if any(node is outer for outer in inside):
            raise _NotReadError(f"not YAML: a value that holds itself at line {node.start_mark.line + 1}")
        within = (*inside, node)
        plain = ("map", "seq") if isinstance(node, yaml.CollectionNode) else ("null", "bool", "int", "float", "str")
        if node.tag not in {f"tag:yaml.org,2002:{kind}" for kind in plain}:
            raise _NotReadError(f"not YAML as configs have it: the tag {node.tag} at line {node.start_mark.line + 1}")
        if isinstance(node, yaml.MappingNode):
            self._flatten(node)
            return {_key(key): self.value(item, within) for key, item in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, within) for item in node.value]
        if node.tag == "tag:yaml.org,2002:int":
            return int(node.value)  # PyYAML would read 010 as eight
        return self._loader.construct_object(node)

    def _flatten(self, node: MappingNode) -> None:
        """Refuse a field that is given twice, and take in what ``<<`` names: that may be given again."""
        if id(node) in self._flattened:
            return
        self._flattened.add(id(node))
        seen: set[str] = set()
        for key, _ in node.value:
            name = _key(key)
            if name in seen:
                raise _NotReadError(f"field '{name}' is given twice at line {key.start_mark.line + 1}")
            seen.add(name)
        self._loader.flatten_mapping(node)


def _key(node: Node) -> str:
    if not isinstance(node.value, str):
        line = node.start_mark.line + 1
        raise _NotReadError(f"not YAML as configs have it: a field's name is no text at line {line}")
    return node.value
