"""The bridge between rules and the library, in processes as Snakemake starts them."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scatterflow.script import run_named

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

JOB = """
import errno, logging, sys
from scatterflow.errors import FrameError, UserError
from scatterflow.script import run

logger = logging.getLogger("scatterflow.some.module")

def main(action):
    logger.info("began")
    if action == "user error":
        raise UserError("it is wrong", "run 1", "mend it")
    if action == "frame error":
        raise FrameError("frame is short", "frame 3", "copy it")
    if action == "bug":
        raise ZeroDivisionError("a bug here")
    if action == "memory":
        raise MemoryError
    if action == "disk full":
        raise OSError(errno.ENOSPC, "No space left on device", "results/x")
    if action == "missing":
        open("not/there")
    if action == "odd":
        raise OSError("something odd")
    if action == "exit":
        sys.exit(3)
    logger.info("done")

run(main, LOG, action=sys.argv[1])
"""


@pytest.fixture
def job(tmp_path):
    def start(action: str, log: list[str] | None = None) -> subprocess.CompletedProcess:
        log = [str(tmp_path / "logs" / "rule" / "1.log")] if log is None else log
        return subprocess.run(
            [sys.executable, "-c", JOB.replace("LOG", repr(log)), action],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        )

    return start


def log_of(folder: Path) -> str:
    """The log without its first line, which tells when and where the job began."""
    first, _, rest = (
        (folder / "logs" / "rule" / "1.log").read_text(encoding="utf-8").partition("\n")
    )
    assert re.fullmatch(r"# began \d{4}-\d\d-\d\dT[\d:]{8}\+00:00 on a host of kind \w+", first)
    return rest


@pytest.mark.parametrize(("variable", "kind"), [("SLURM_JOB_ID", "slurm"), ("PBS_JOBID", "pbs")])
def test_the_log_tells_which_kind_of_host_the_job_ran_on(
    job, tmp_path, monkeypatch, variable, kind
):
    monkeypatch.setenv(variable, "17")
    job("nothing")
    log = (tmp_path / "logs" / "rule" / "1.log").read_text(encoding="utf-8")
    assert log.splitlines()[0].endswith(f"on a host of kind {kind}")


def test_a_job_that_succeeds_leaves_its_notes_in_the_log(job, tmp_path):
    done = job("nothing")
    assert done.returncode == 0
    lines = log_of(tmp_path).splitlines()
    assert [line[20:] for line in lines] == ["began", "done"]
    assert lines[0][:4].isdecimal()  # a date comes first
    assert done.stderr == log_of(tmp_path)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("action", "lines"),
    [
        ("user error", ["error: it is wrong", "where: run 1", "mend:  mend it"]),
        ("frame error", ["error: frame is short", "where: frame 3", "mend:  copy it"]),
        ("disk full", ["error: the disk is full (or the quota is used up)", "where: results/x"]),
        ("missing", ["error: file not found", "where: not/there"]),
        ("memory", ["error: not enough memory"]),
    ],
)
def test_a_users_mistake_is_three_lines_and_exit_code_1(job, tmp_path, action, lines):
    done = job(action)
    assert done.returncode == 1
    for text in (done.stderr, log_of(tmp_path)):
        shown = text.splitlines()
        assert shown[0].endswith("began")
        assert shown[1 : 1 + len(lines)] == lines
        assert len(shown) <= 4
        assert "Traceback" not in text


@pytest.mark.parametrize(
    ("action", "last"),
    [("bug", "ZeroDivisionError: a bug here"), ("odd", "OSError: something odd")],
)
def test_a_bug_keeps_its_traceback_in_the_log_only(job, tmp_path, action, last):
    done = job(action)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"error: {last}\n" in done.stderr
    assert "1.log holds the traceback" in done.stderr
    log = log_of(tmp_path)
    # Everything, in order: nothing was written over.
    assert log.index("began") < log.index("Traceback (most recent call last):")
    assert log.index("line", log.index("Traceback")) < log.index(f"\n{last}\n")
    assert log.index(f"\n{last}\n") < log.index(f"error: {last}")


def test_a_log_from_before_is_replaced(job, tmp_path):
    job("bug")
    job("nothing")
    assert "Traceback" not in log_of(tmp_path)
    assert log_of(tmp_path).count("\n") == 2


def test_a_rule_without_log_still_says_everything(job):
    done = job("user error", [])
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["error: it is wrong", "where: run 1", "mend:  mend it"]
    done = job("bug", [])
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_log_that_cannot_be_written_is_one_message(job, tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    done = job("nothing")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def test_a_full_disk_under_the_log_does_not_hide_the_message(job):
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    done = job("user error", ["/dev/full"])
    assert done.returncode == 1
    assert "error: it is wrong" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Logging error" not in done.stderr


def test_an_exit_of_the_job_is_passed_on(job):
    assert job("exit").returncode == 3


def test_arguments_may_have_any_name(tmp_path):
    code = """
from scatterflow.script import run
run(lambda main, log: print(main, log), [], main=1, log=2)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.stdout == "1 2\n"


def test_arguments_are_found_by_their_names(tmp_path):
    """In a real workflow: input, output, parameter and wildcard, each called as in `main`."""
    (tmp_path / "write.py").write_text(
        f"import sys\nsys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from scatterflow.script import run_named\n"
        "def main(text, more, to, values, run):\n"
        "    print(open(text).read(), type(more).__name__, values, run, file=open(to, 'w'))\n"
        "run_named(main, snakemake)\n"
    )
    (tmp_path / "Snakefile").write_text(
        "rule copy:\n"
        "    input:\n        text='a.txt',\n        more=lambda wildcards: ['a.txt'],\n"
        "    output:\n        to='{run}.out',\n"
        "    log:\n        'log/{run}.log',\n"
        "    params:\n        values=[1, 2],\n        code='x',\n"
        "    script:\n        'write.py'\n"
    )
    (tmp_path / "a.txt").write_text("hello")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "r1.out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "r1.out").read_text() == "hello list [1, 2] r1\n"


def test_an_argument_that_the_rule_does_not_name_is_a_bug():
    nothing: dict[str, str] = {}
    job = SimpleNamespace(
        rule="r", input={"a": "1"}, output={"a": "2"}, params=nothing, wildcards=nothing, log=[]
    )
    for main in (lambda a: a, lambda b: b):
        with pytest.raises(TypeError, match="things of rule r"):
            run_named(main, job)


def named_by_rules() -> dict[str, list[str]]:
    """Of each rule's script: names of input, output, parameters and other wildcards; from the rules' text."""
    found = {}
    for path in sorted(SCRIPTS.parent.glob("rules/*.smk")):
        text = path.read_text(encoding="utf-8").replace("**figure(", "png=0, svg=figure(")
        for body in re.split(r"^rule \w+:$", text, flags=re.MULTILINE)[1:]:
            parts = re.split(r"^    (\w+):", body, flags=re.MULTILINE)
            of = dict(zip(parts[1::2], parts[2::2], strict=True))
            if "script" not in of:
                continue
            names = []
            for part in ("input", "output", "params"):
                call = ast.parse(f"f({of.get(part, '')})", mode="eval").body
                assert isinstance(call, ast.Call)
                names += [keyword.arg for keyword in call.keywords if keyword.arg]
            wildcards = set(re.findall(r"\{(\w+)\}", of.get("output", "")))
            found[Path(ast.literal_eval(of["script"].strip())).name] = [
                *names,
                *sorted(wildcards - set(names)),
            ]
    return found


@pytest.mark.parametrize(
    "script", sorted(p.name for p in SCRIPTS.glob("*.py") if "run_named(" in p.read_text())
)
def test_rules_name_what_their_scripts_ask_for(script):
    tree = ast.parse((SCRIPTS / script).read_text(encoding="utf-8"))
    main = next(node for node in tree.body if getattr(node, "name", "") == "main")
    assert isinstance(main, ast.FunctionDef)
    names = named_by_rules()[script]
    assert {a.arg: names.count(a.arg) for a in main.args.args} == {a.arg: 1 for a in main.args.args}


def test_the_bridge_is_cheap_to_import():
    """Every job pays for it."""
    code = "import sys, scatterflow.script; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
    )
    assert not {"numpy", "pydantic", "h5py", "pandas", "yaml"} & set(done.stdout.split())
