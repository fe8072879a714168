"""Measured rates from hand-written benchmark files and receipts."""

from __future__ import annotations

import json

import pytest

from scatterflow.plan.rates import ASSUMED, ASSUMED_PLOT, Rate, measured_pixel_rate, measured_rate

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.fixture
def benchmark(tmp_path):
    def write(name: str, *rows: tuple[str, str], text: str | bytes | None = None) -> None:
        path = tmp_path / "logs" / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{s}\t0:00:01\t{rss}\t-\t-\t-\t0\t0\t0\t0\n" for s, rss in rows)
        content = HEADER + lines if text is None else text
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


@pytest.fixture
def receipt(tmp_path):
    def write(run: str, chunk: str, content: object) -> None:
        path = tmp_path / "work" / run / "swaxs" / "chunks" / f"{chunk}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    return write


def test_the_median_time_and_the_largest_memory_of_all_jobs_count(benchmark, tmp_path):
    benchmark("integrate_chunk/a/swaxs/000000-000010", ("2.0", "300.5"))
    benchmark("integrate_chunk/a/swaxs/000010-000020", ("4.0", "500.0"))
    benchmark("integrate_chunk/b/swaxs/000000-000010", ("30.0", "100.0"), ("3.0", "-"))
    benchmark("build_mask/x", ("99.0", "9999"))
    assert measured_rate("integrate_chunk", tmp_path / "logs") == Rate(3.5, 500.0, 4)


def test_jobs_too_short_to_be_sampled_have_no_memory(benchmark, tmp_path):
    benchmark("build_mask/x", ("0.2", "-"), ("0.4", "NA"))
    rate = measured_rate("build_mask", tmp_path / "logs")
    assert rate.seconds == pytest.approx(0.3)
    assert (rate.memory_mb, rate.jobs) == (None, 2)


def test_without_measurements_there_is_an_assumption(tmp_path):
    assert measured_rate("build_mask", tmp_path / "logs") == ASSUMED["build_mask"]
    assert measured_rate("plot_frames", tmp_path) == ASSUMED_PLOT
    assert measured_pixel_rate(tmp_path / "work") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s\n",
        HEADER,
        "no table",
        HEADER + "x\ty\n",
        HEADER + "nan\t-\tinf\n",
        HEADER + "-1\t-\t5\n",
        b"\xff\xfe\x00",
        "\0",
    ],
)
def test_a_broken_benchmark_file_does_not_count(benchmark, tmp_path, text):
    benchmark("build_mask/broken", text=text)
    assert measured_rate("build_mask", tmp_path / "logs").jobs == 0
    benchmark("build_mask/whole", ("2.0", "100"))
    assert measured_rate("build_mask", tmp_path / "logs") == Rate(2.0, 100.0, 1)


def test_the_pixel_rate_is_the_median_over_receipts(receipt, tmp_path):
    receipt("a", "000000-000010", {"pixels": 100, "seconds": 2.0})
    receipt("a", "000010-000020", {"pixels": 900, "seconds": 3.0})
    receipt("b", "000000-000010", {"pixels": 100, "seconds": 1.0})
    assert measured_pixel_rate(tmp_path / "work") == 100.0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        [1, 2],
        "null",
        {"pixels": 5},
        {"seconds": 5},
        {"pixels": 5, "seconds": 0},
        {"pixels": "x", "seconds": "y"},
        {"pixels": None, "seconds": 1},
    ],
)
def test_a_broken_receipt_does_not_count(receipt, tmp_path, content):
    receipt("a", "000000-000010", content)
    assert measured_pixel_rate(tmp_path / "work") is None
    receipt("b", "000000-000010", {"pixels": 100, "seconds": 2.0})
    assert measured_pixel_rate(tmp_path / "work") == 50.0
