"""Checks of results, and the verdicts that follow."""
