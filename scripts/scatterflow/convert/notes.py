"""What a translation tells its user: what means something else now, and what was not translated."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Notes:
    """Notes in the order in which they came up, each once.

    changed: (key, text) translated, but with another meaning or number. lost: (key, text) not translated.
    """

    changed: list[tuple[str, str]] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)

    def change(self, key: str, text: str) -> None:
        """A key that was translated and does not mean quite the same."""
        if (key, text) not in self.changed:
            self.changed.append((key, text))

    def lose(self, key: str, text: str) -> None:
        """A key that was not translated."""
        if (key, text) not in self.lost:
            self.lost.append((key, text))

    def lines(self) -> list[str]:
        """One line for each note, those with another meaning first."""
        return [
            *(f"changed: {key}: {text}" for key, text in self.changed),
            *(f"not translated: {key}: {text}" for key, text in self.lost),
        ]
