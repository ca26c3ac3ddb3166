"""YAML files of users, read within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from daa.errors import InputError, require, shown
from daa.targets import files

# Far more than any experiment needs, and few enough that reading takes seconds at worst.
MOST_BYTES, MOST_LEVELS, MOST_VALUES, MOST_DIGITS = 2**18, 50, 50_000, 64
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_DATE = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Refuses what PyYAML would take without a word, without end or with a traceback.

    That is a key that a mapping has twice, values nested too deep, aliases that stand for too many
    values or for themselves, numbers too long, and texts that don't fit their tag. A date is a
    text.
    """

    level = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.level += 1
        if self.level > MOST_LEVELS:
            line = self.peek_event().start_mark.line + 1
            raise InputError(f"line {line}: expected at most {MOST_LEVELS} levels, got more")
        found = super().compose_node(parent, index)
        self.level -= 1
        return found

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _values(node, {}) > MOST_VALUES:
            raise InputError(f"expected at most {MOST_VALUES:,} values, aliases included, got more")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if not isinstance(key, yaml.ScalarNode):
                continue
            if (key.tag, key.value) in seen:
                raise InputError(
                    f"{_line(key)}: expected each key once, got {shown(key.value)} again"
                )
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind, text = str(node.tag).rpartition(":")[2], shown(node.value, 60)
        if node.tag in _NUMBERS and not isinstance(node, yaml.ScalarNode):
            raise InputError(f"{_line(node)}: expected {kind}, got a mapping or a list")
        if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
            raise InputError(
                f"{_line(node)}: expected a number of at most {MOST_DIGITS} characters, got {text}"
            )
        try:
            return super().construct_object(node, deep)
        except InputError:
            raise
        except (ValueError, LookupError, AttributeError, ArithmeticError, TypeError) as error:
            raise InputError(f"{_line(node)}: expected {kind}, got {text}") from error


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _DATE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _values(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node stands for, those of its aliases included."""
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            raise InputError(f"{_line(node)}: expected no value that holds itself, got one")
        return count
    known[id(node)] = None
    inside: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        inside = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        inside = node.value
    count = known[id(node)] = 1 + sum(_values(part, known) for part in inside)
    return count


def read(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        InputError: no readable file, no YAML, a key twice in one mapping, or more bytes, levels,
            values or digits than any experiment needs; the message names file and line.
    """
    expected = "a readable YAML file"
    with files.reading(path, expected):
        size = path.stat().st_size
    require(size <= MOST_BYTES, str(path), f"{expected} of at most {MOST_BYTES:,} bytes", size)
    text = files.read_text(path, expected)
    try:
        return yaml.load(text, _Loader)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: expected YAML, got {files.reason(error)}") from error
