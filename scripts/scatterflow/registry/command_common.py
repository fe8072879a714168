"""What the commands of the registry share: which registry is meant, KEY=VALUE."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened
from scatterflow.registry.opening import open_registry


def chosen_registry(options: argparse.Namespace) -> Any:
    """The registry that a command is about."""
    return open_registry(options.registry or _configured(options.configfile))


def _configured(configfile: str) -> str | None:
    if not Path(configfile).is_file():
        return None
    from scatterflow.config.load import read_yaml

    found = read_yaml(configfile).get("registry")
    return found if isinstance(found, str) else None


def value_of(text: str) -> Any:
    """A value as JSON if it is some, else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def pairs(items: list[str], option: str) -> dict[str, str]:
    parts = [item.partition("=") for item in items]
    for key, equals, _ in parts:
        if not key or not equals:
            raise UserError(f"{shortened(key)} is no KEY=VALUE", option, "write --set sample=water")
    return {key: value for key, _, value in parts}
