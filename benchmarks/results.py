"""Rows of results.json, merged with those of earlier runs, and the table in README.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

from benchmarks.figures import draw_figures
from benchmarks.measure import Timing, fastest, ratios
from scatterflow.files.atomic import whole_file
from scatterflow.files.json import read_json, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
COLUMNS = (
    "benchmark", "against", "ratio (lowest to highest)", "goal", "met", "ours", "peer", "CPU ours / peer",
    "note", "date",
)  # fmt: skip
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass(frozen=True)
class Row:
    """One comparison.

    ratio: peer's wall seconds / ours where the goal is `>=` (how many times faster), ours / peer's where it
    is `<=` (how many times longer); median of the rounds' ratios, spread their lowest and highest.
    seconds, peer_seconds: median wall seconds per `unit`, None where no time is compared; cpu_seconds
    likewise. met: None without a goal. curve, at: of a point of a curve, what was scaled and its value.
    """

    benchmark: str
    against: str
    ratio: float
    goal: str | None
    met: bool | None
    seconds: float | None
    peer_seconds: float | None
    machine: str
    date: str
    spread: tuple[float, float]
    cpu_seconds: float | None
    peer_cpu_seconds: float | None
    unit: str
    note: str
    curve: str | None = None
    at: float | None = None


def compare(
    benchmark: str,
    against: str,
    ours: Timing,
    peers: Timing | Sequence[Timing],
    *,
    times: Literal["faster", "longer"],
    goal: float | None = None,
    unit: str = "frame",
    note: str = "",
    excused: bool = False,
) -> Row:
    """The row of one comparison; of several peers the fastest counts.

    excused: the goal counts as met for a reason that the note gives.
    """
    peer = peers if isinstance(peers, Timing) else fastest(peers)
    found = ratios(peer, ours) if times == "faster" else ratios(ours, peer)
    ratio = median(found)
    sign = ">=" if times == "faster" else "<="
    reached = None if goal is None else (ratio >= goal if times == "faster" else ratio <= goal)
    return Row(
        benchmark=benchmark,
        against=against,
        ratio=_rounded(ratio),
        goal=None if goal is None else f"{sign} {goal:g}",
        met=None if reached is None else bool(reached or excused),
        seconds=_rounded(ours.seconds),
        peer_seconds=_rounded(peer.seconds),
        machine=machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        spread=(_rounded(min(found)), _rounded(max(found))),
        cpu_seconds=_rounded(ours.cpu_seconds),
        peer_cpu_seconds=_rounded(peer.cpu_seconds),
        unit=unit,
        note="; ".join(filter(None, [_threads(ours, peer), f"{len(found)} rounds", note])),
    )


def against_limit(benchmark: str, against: str, ours: float, limit: float, unit: str = "s") -> Row:
    """A row that compares one of our figures with a limit that it must hold."""
    ratio = float(f"{ours / limit:.3g}")
    return Row(
        benchmark=benchmark,
        against=against,
        ratio=ratio,
        goal="<= 1",
        met=ratio <= 1,
        seconds=ours if unit == "s" else None,
        peer_seconds=limit if unit == "s" else None,
        machine=machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        spread=(ratio, ratio),
        cpu_seconds=None,
        peer_cpu_seconds=None,
        unit="run" if unit == "s" else "job",
        note=f"{ours:.3g} {unit}, limit {limit:g} {unit}",
    )


def _threads(ours: Timing, peer: Timing) -> str:
    def words(timing: Timing) -> str:
        number = timing.contestant.threads
        return "default threads" if number is None else f"{number} thread{'s' * (number > 1)}"

    return f"{words(ours)}, peer {words(peer)}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def machine() -> str:
    """Processor, cores at hand, Python."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"


def merge_rows(path: Path, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Put rows into a results file: those of the same benchmark and peer are replaced; returns all."""
    merged = {(row["benchmark"], row["against"]): row for row in _rows(path)}
    merged.update({(row.benchmark, row.against): asdict(row) for row in rows})
    found = list(merged.values())
    write_json(path, found)
    return found


def _rows(path: Path) -> list[dict[str, Any]]:
    return read_json(path) if path.exists() else []


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; goals missed are shown as such. Points of curves stand in a second one."""
    single = [row for row in rows if row.get("curve") is None]
    curves = [row for row in rows if row.get("curve") is not None]
    machines = ", ".join(dict.fromkeys(row["machine"] for row in rows))
    return f"Machine: {machines}.\n\n{_lines(single)}" + (f"\n\n{_lines(curves)}" if curves else "")


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
    ]
    for row in rows:
        low, high = row["spread"]
        met = {True: "yes", False: "**no**", None: ""}[row["met"]]
        per = f" a {row['unit']}" if row["seconds"] is not None else ""
        lines.append(
            f"| {row['benchmark']} | {row['against']} | {row['ratio']:.3g} ({low:.3g} to {high:.3g}) | "
            f"{row['goal'] or ''} | {met} | {_time(row['seconds'])}{per} | "
            f"{_time(row['peer_seconds'])}{per} | "
            f"{_time(row['cpu_seconds'])} / {_time(row['peer_cpu_seconds'])} | {row['note']} | "
            f"{row['date']} |"
        )
    return "\n".join(lines)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def show(rows: Sequence[Mapping[str, Any]], readme: Path) -> None:
    """Table and pictures of all rows, the pictures in the folder `images` beside the table's file."""
    write_table(readme, rows)
    draw_figures(rows, readme.parent / "images")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the table between the markers of a Markdown file."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    with whole_file(path) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")


def run_benchmarks(
    benchmarks: Mapping[str, Callable[..., list[Row]]],
    *,
    results: Path = RESULTS,
    readme: Path = README,
    **options: Any,
) -> list[str]:
    """Run benchmarks by name, merge their rows and show them; returns the names of those that failed."""
    failed = []
    for name, benchmark in benchmarks.items():
        print(f"{name} ...", flush=True)
        began = time.perf_counter()
        try:
            rows = benchmark(**options)
        except Exception:
            traceback.print_exc()
            print(f"{name} FAILED", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        for row in rows:
            verdict = {True: "met", False: "MISSED", None: ""}[row.met]
            print(
                f"  {row.benchmark} | {row.against}: {row.ratio:.3g} "
                f"({row.spread[0]:.3g} to {row.spread[1]:.3g}) {row.goal or ''} {verdict}; "
                f"{_time(row.seconds)} and {_time(row.peer_seconds)} a {row.unit}; {row.note}",
                flush=True,
            )
        print(f"  took {time.perf_counter() - began:.0f} s", flush=True)
        show(merge_rows(results, rows), readme)
    return failed


def command_line(benchmarks: Mapping[str, Callable[..., list[Row]]], about: str) -> int:
    """Run the benchmarks named on the command line (all without names); the exit code."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(benchmarks))
    parser.add_argument(
        "--table", action="store_true", help="measure nothing, write table and pictures anew"
    )
    chosen = parser.parse_args()
    if chosen.table:
        show(_rows(RESULTS), README)
        return 0
    names = chosen.names
    unknown = [name for name in names if name not in benchmarks]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(benchmarks)}")
    failed = run_benchmarks({name: benchmarks[name] for name in names or benchmarks})
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
