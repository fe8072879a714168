"""Runs that arrive while they are reduced: watching a raw folder, requests, states of runs."""
