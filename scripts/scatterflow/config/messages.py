"""What is wrong with a configuration, in the user's words: from pydantic's errors to one `UserError`.

A value that may be of several kinds gives pydantic one error for each kind, under paths that hold
names of kinds between the keys. Here each key gets one message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from scatterflow.errors import UserError, shortened, suggestion

_HELP = "see config/README.md for every key"
_MOST_SHOWN = 20

# What a value must be, by pydantic's type of error; fields in braces are those of its context.
_EXPECTED = {
    "string_type": "text",
    "string_unicode": "text in Unicode",
    "string_too_short": "text that is not empty",
    "int_type": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "list_type": "a list",
    "tuple_type": "a list",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} long",
    "too_long": "at most {max_length} long",
}


@dataclass(frozen=True)
class _Problem:
    path: tuple[str, ...]
    message: str
    expected: str | None  # what the value must be, where that is the whole message
    one_of_several: bool  # whether the value may be of several kinds


def user_error(error: ValidationError, data: Any, origin: str) -> UserError:
    """One error that names every wrong key of `data`; origin: the file."""
    problems = [_problem(item, data) for item in error.errors(include_url=False)]
    messages = _by_key(problems)
    if len(messages) == 1:
        path, message = messages[0]
        return UserError(message, f"{origin}, {_key(path)}", _HELP)
    lines = [f"\n       {_key(path)}: {message}" for path, message in messages[:_MOST_SHOWN]]
    if len(messages) > _MOST_SHOWN:
        lines.append("\n       ...")
    what = f"{len(messages)} mistakes in the configuration:{''.join(lines)}"
    return UserError(what, origin, _HELP)


def _key(path: tuple[str, ...]) -> str:
    return f"key {'.'.join(path)}" if path else "top level"


def _problem(item: Mapping[str, Any], data: Any) -> _Problem:
    path, extra = _path_in(data, item["loc"], item["type"] == "missing")
    message, expected = _message(item)
    if "[key]" in extra:
        message, expected = message.replace("must be text", "a name must be text, in quotes"), None
    return _Problem(path, message, expected, bool(extra))


def _path_in(
    data: Any, location: Sequence[str | int], missing: bool
) -> tuple[tuple[str, ...], list[str]]:
    """The keys that lead to the place in `data`, and the parts of pydantic's path that are none."""
    path: list[str] = []
    extra: list[str] = []
    for depth, part in enumerate(location):
        if _holds(data, part):
            data = data[part]
        elif not (missing and depth == len(location) - 1):
            extra.append(str(part))
            continue
        path.append(shortened(part)[1:-1] if isinstance(part, str) else str(part))
    return tuple(path), extra


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list | tuple):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _message(item: Mapping[str, Any]) -> tuple[str, str | None]:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        return item["msg"].removeprefix("Value error, "), None
    if kind == "missing":
        item_of_list = isinstance(item["loc"][-1], int)
        return "the list is too short" if item_of_list else "the key is missing", None
    if kind == "union_tag_not_found":
        return f"the key {context['discriminator']} is missing", None
    if kind == "union_tag_invalid":
        known = [tag.strip().strip("'") for tag in context["expected_tags"].split(",")]
        tag = str(context["tag"])
        return (
            f"unknown {context['discriminator']} {shortened(tag)}: {suggestion(tag, known)}",
            None,
        )
    if kind not in _EXPECTED:
        return f"{item['msg']}, got {shortened(item['input'])}", None
    if kind in ("string_too_short", "too_short") and not item["input"]:
        return "must not be empty", None
    expected = _EXPECTED[kind].format(**context)
    if kind == "literal_error" and " or " in expected:
        expected = f"one of {expected.replace(' or ', ', ')}"
    hint = ""
    if kind == "string_type" and not isinstance(item["input"], dict | list | None):
        hint = " (text that looks like something else stands in quotes)"
    elif kind in ("int_type", "float_type") and isinstance(item["input"], str):
        hint = " (a number stands without quotes)" if _reads_as_number(item["input"]) else ""
    elif kind == "literal_error" and isinstance(item["input"], str):
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        near = suggestion(item["input"], known)
        hint = f"; {near}" if near.startswith("did you mean") else ""
    return f"must be {expected}, got {shortened(item['input'])}{hint}", expected


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _by_key(problems: list[_Problem]) -> list[tuple[tuple[str, ...], str]]:
    """One message for each wrong key, in order."""
    paths = {problem.path for problem in problems}
    grouped: dict[tuple[str, ...], list[_Problem]] = {}
    for problem in problems:
        length = len(problem.path)
        deeper = any(len(path) > length and path[:length] == problem.path for path in paths)
        # A block in place of text: what is wrong inside the block is the news.
        if not (problem.one_of_several and deeper):
            grouped.setdefault(problem.path, []).append(problem)
    return [(path, _joined(group)) for path, group in grouped.items()]


def _joined(group: list[_Problem]) -> str:
    own_words = [problem for problem in group if problem.expected is None]
    if own_words or len(group) == 1:
        return (own_words or group)[0].message
    wanted = " or ".join(dict.fromkeys(str(problem.expected) for problem in group))
    got = group[0].message.split(", got ", 1)[-1]
    return f"must be {wanted}, got {got}"
