"""Correlate one block of pixels with itself at later times."""

from scatterflow.script import run


def main() -> None: ...
