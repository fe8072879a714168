"""Configurations of other programs, translated into ours."""
