"""Where live operation keeps its few files: `.live/` in the project's folder.

    watch.lock       held by the watcher (flock) for as long as it lives
    wanted.json      what the call of snakemake that runs is to make; written anew for each call
    parts/RUN/*.json what chunks that were integrated early were like, for as long as their run grows
    found.json       what the watcher has last seen in the raw folder; for `status`, nothing depends on it
    requests/*.json  what was asked for by `trigger` and `crawl`
    answered.jsonl   what became of requests that were removed, as they were old

Which runs are done, running or failed is read from results and logs, never from here.
"""

from __future__ import annotations

from pathlib import Path

LIVE = Path(".live")
WATCH_LOCK = LIVE / "watch.lock"
WANTED = LIVE / "wanted.json"
FOUND = LIVE / "found.json"
PARTS = LIVE / "parts"
REQUESTS = LIVE / "requests"
ANSWERED = LIVE / "answered.jsonl"
CALLS = Path("logs/live")
