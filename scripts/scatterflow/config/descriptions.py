"""What the keys of the configuration mean: the text below each field of a model, for schema and guide.

pydantic can collect it while the models are made (`use_attribute_docstrings`), which parses the source of
every model in every process: a third of the time that reading a configuration takes. Jobs need none of it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from scatterflow.config.base import Model


def described(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of a model, in which every key has the text that stands below it in the source."""
    # Tests and other libraries have models of the same names.
    ours = (found for found in _below(Model) if found.__module__.startswith(f"{__package__}."))
    models = {found.__name__: found for found in ours}
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        for key, text in field_texts(models[name]).items():
            part.get("properties", {}).get(key, {}).setdefault("description", text)
    return schema


def field_texts(model: type[BaseModel]) -> dict[str, str]:
    """What each field of a model means, those of its ancestors among them."""
    ancestors = (found for found in reversed(model.__mro__) if issubclass(found, Model))
    texts = {key: text for found in ancestors for key, text in _texts(found).items()}
    return {key: texts.get(key, "") for key in model.model_fields}


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _below(subclass)


@cache
def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Text below each field of a model, without what it inherits."""
    body = next(
        node.body
        for node in _module(inspect.getsourcefile(model) or "").body
        if isinstance(node, ast.ClassDef) and node.name == model.__name__
    )
    texts = {}
    for statement, below in pairwise(body):
        match statement, below:
            case (
                ast.AnnAssign(target=ast.Name(id=key)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[key] = inspect.cleandoc(text)
    return texts


@cache
def _module(path: str) -> ast.Module:
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())
