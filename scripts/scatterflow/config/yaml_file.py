"""Reading a YAML file with nothing but plain values, and none of YAML's traps.

Refused are tags that make objects, keys given twice (YAML keeps the last), aliases that blow a small
file up, and numbers that YAML 1.1 reads in base 8 or 60: run `0012` would become run 10.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from scatterflow.errors import UserError, from_os_error

_MOST_NODES = 200_000
_SURPRISING = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)\Z")
_MERGE = "tag:yaml.org,2002:merge"
# What PyYAML raises for a scalar that is not what its tag or its looks promise (`2024-99-99`).
_MALFORMED = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file as a dict; raises UserError with line and column for anything malformed."""
    data = read_yaml_value(path)
    if not isinstance(data, dict):
        raise UserError(
            "the configuration is not a mapping of keys", str(path), "see config/README.md"
        )
    return data


def read_yaml_value(path: str | Path) -> Any:
    """A YAML file as plain values, whatever it holds; raises UserError as `read_yaml`."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            "the configuration file does not exist", str(path), "check the path"
        ) from None
    except OSError as error:
        raise from_os_error(error) or UserError(
            f"cannot be read ({error})", str(path), "check the path"
        ) from error
    except UnicodeDecodeError:
        raise UserError(
            "the configuration is not UTF-8 text", str(path), "save it as UTF-8"
        ) from None
    try:
        return _parse(text)
    except _MALFORMED as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise UserError(f"not valid YAML: {problem}", where, "correct the file") from None


def _parse(text: str) -> Any:
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check(root: yaml.Node) -> None:
    """Refuse what YAML would read as something else, circles, and more than anyone writes.

    Nodes are counted with every alias written out.
    """
    counts: dict[int, int] = {}
    open_nodes: set[int] = set()

    def count(node: yaml.Node) -> int:
        if id(node) in counts:
            return counts[id(node)]
        if id(node) in open_nodes:
            raise _problem("an alias contains itself", node)
        open_nodes.add(id(node))
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            _refuse_keys_given_twice(node)
            children = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.ScalarNode):
            _refuse_surprising_number(node)
        total = 1 + sum(map(count, children))
        if total > _MOST_NODES:
            raise _problem(f"more than {_MOST_NODES} values, aliases written out", node)
        open_nodes.discard(id(node))
        counts[id(node)] = total
        return total

    count(root)


def _refuse_keys_given_twice(node: yaml.MappingNode) -> None:
    # Of the nodes, not of what is made of them, where merged keys have been mixed in.
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            raise _problem(f"the key {key.value!r} is given twice", key)
        seen.add((key.tag, key.value))


def _refuse_surprising_number(node: yaml.ScalarNode) -> None:
    number = node.tag.endswith((":int", ":float"))
    plain = not node.style
    if number and plain and _SURPRISING.match(node.value):
        raise _problem(
            f"{node.value} is a number in base 8 or 60 for YAML: "
            "put it in quotes, or write the number without leading zeros",
            node,
        )


def _problem(text: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)
