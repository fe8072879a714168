"""The guide to security names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
GUIDE = TESTS.parent / "docs" / "security.md"


def test_every_test_that_the_table_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", GUIDE.read_text(encoding="utf-8"))
    assert len(named) > 60
    for file, test in named:
        text = (TESTS / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{file}::{test}"


def test_every_attack_of_the_list_is_answered_with_a_test() -> None:
    rows = [line for line in GUIDE.read_text().splitlines() if re.match(r"\| [\d, ]*\| ", line)]
    numbers = {int(n) for row in rows for n in re.findall(r"\d+", row.split("|")[1])}
    assert numbers == set(range(1, 24))
    assert all("::" in row.split("|")[-2] for row in rows)


def test_every_test_of_this_folder_is_named() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py"):
        if path != Path(__file__):
            assert f"security/{path.name}::" in guide, path.name
