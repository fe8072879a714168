"""What a SPEC scan command says: which motors it moves, how many points, where each point lies.

    ascan motor start end intervals time       dscan, lup: relative to where the motor was
    a2scan m1 s1 e1 m2 s2 e2 intervals time    a3scan, d2scan, ...: motors that move together
    mesh m1 s1 e1 n1 m2 s2 e2 n2 time          m1 is fast; dmesh: relative
    flyscan, flydscan, flymesh, flydmesh       as ascan, dscan, mesh, dmesh
    flymesh m1 s1 e1 n1 time m2 s2 e2 n2       the order at CHESS since summer 2022
    flymesh3d m1 s1 e1 n1 time m2 s2 e2 n2 m3 s3 e3 n3
    flyscan points time                        without a motor
    tseries, loopscan, timescan                as many points as the file has lines

n intervals are n + 1 points. A word `snake` in the macro's name makes a mesh that runs every second
row backwards. Sources: the SPEC manual's standard macros (certif.com) and the argument orders that
the scan parsers of CHESS accept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError

ONE_AXIS = re.compile(r"(?:([ad])(\d*)scan|(lup)|fly(d?)scan)\Z")
MESH = re.compile(r"(d?)mesh|fly(d?)mesh")
COUNTED_BY_LINES = ("tseries", "loopscan", "timescan")


@dataclass(frozen=True)
class ScannedMotor:
    """A motor that a command moves: from `start` to `end` along axis `axis` (0 is the fastest)."""

    name: str
    start: float
    end: float
    axis: int


@dataclass(frozen=True)
class ScanCommand:
    """A scan command taken apart.

    text: as in the file.
    macro: its first word.
    motors: the motors it moves.
    shape: points along each axis, fastest first; None: only the lines of the file tell.
    relative: starts and ends count from the position before the scan.
    snake: the macro's name says that every second row runs backwards.
    count_time_s: count time per point, s; None where the command has none.
    recognised: False for a macro that is not known here; it may move any motor that it names.
    """

    text: str
    macro: str
    motors: tuple[ScannedMotor, ...] = ()
    shape: tuple[int, ...] | None = None
    relative: bool = False
    snake: bool = False
    count_time_s: float | None = None
    recognised: bool = True

    @property
    def points(self) -> int | None:
        """Number of points asked for; None: only the lines of the file tell."""
        return None if self.shape is None else int(np.prod(self.shape, dtype=np.int64))

    def motor(self, *names: str) -> ScannedMotor | None:
        """The scanned motor that has one of these names."""
        return next((motor for motor in self.motors if motor.name in names), None)


def parse_command(text: str, where: str = "") -> ScanCommand:
    """Take a scan command apart; raises UserError for a known macro with wrong arguments."""
    macro, *arguments = text.split() or [""]
    snake = "snake" in macro
    plain_macro = re.sub(r"_?snake_?", "", macro)
    try:
        found = _parse_known(plain_macro, arguments)
    except (ValueError, IndexError, OverflowError) as error:
        raise UserError(
            f"cannot understand the scan command {text!r}",
            where,
            "the arguments do not fit the macro; correct the `#S` line in a copy of the file",
        ) from error
    if found is None:
        return ScanCommand(text, macro, recognised=False)
    return ScanCommand(text, macro, snake=snake, **found)


def _parse_known(macro: str, arguments: list[str]) -> dict | None:
    if macro in COUNTED_BY_LINES:
        return {"count_time_s": float(arguments[1]) if len(arguments) > 1 else None}
    if macro == "flyscan" and len(arguments) == 2:
        return {"shape": (_count(arguments[0]),), "count_time_s": float(arguments[1])}
    if macro == "flymesh3d":
        order = (arguments[:4], arguments[5:9], arguments[9:13])
        return _mesh(order, arguments[4], relative=False)
    if match := MESH.fullmatch(macro):
        # The count time stands last, or (CHESS since summer 2022) after the fast axis.
        time_last = not _is_number(arguments[4])
        second = arguments[4:8] if time_last else arguments[5:9]
        time = arguments[8] if time_last else arguments[4]
        return _mesh((arguments[:4], second), time, relative="d" in match.groups())
    if match := ONE_AXIS.fullmatch(macro):
        together = int(match.group(2) or 1)
        relative = match.group(1) == "d" or match.group(3) == "lup" or match.group(4) == "d"
        return _line(arguments, together, relative)
    return None


def _line(arguments: list[str], together: int, relative: bool) -> dict:
    if together < 1:
        raise ValueError("no motor")
    moves = [arguments[3 * i : 3 * i + 3] for i in range(together)]
    points = _count(arguments[3 * together]) + 1
    return {
        "motors": tuple(_motor(*move, axis=0) for move in moves),
        "shape": (points,),
        "relative": relative,
        "count_time_s": float(arguments[3 * together + 1]),
    }


def _mesh(axes: tuple[list[str], ...], time: str, relative: bool) -> dict:
    return {
        "motors": tuple(_motor(*words[:3], axis=i) for i, words in enumerate(axes)),
        "shape": tuple(_count(words[3]) + 1 for words in axes),
        "relative": relative,
        "count_time_s": float(time),
    }


def _motor(name: str = "", start: str = "", end: str = "", *, axis: int) -> ScannedMotor:
    if not name or _is_number(name):
        raise ValueError(f"{name!r} is no motor")
    return ScannedMotor(name, float(start), float(end), axis)


def _count(word: str) -> int:
    value = float(word)
    if value != int(value) or value < 0:
        raise ValueError(f"{word!r} is no count")
    return int(value)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def step_indices(shape: tuple[int, ...], points: int, snake: bool) -> tuple[np.ndarray, ...]:
    """Grid index along each axis (fastest first) of the first `points` points as acquired.

    A snake runs every second row of the fast axis backwards. Raises UserError for a snake with
    three axes: how its slower axes turn is not standard.
    """
    steps = np.arange(points)
    indices = []
    for count in shape:
        indices.append(steps % count)
        steps = steps // count
    if snake and len(shape) > 2:
        raise UserError(
            "the positions of a snake scan with three axes cannot be told from its command",
            "",
            "take the measured positions: a scalar of type scan_column",
        )
    if snake and len(shape) == 2:
        backwards = indices[1] % 2 == 1
        indices[0] = np.where(backwards, shape[0] - 1 - indices[0], indices[0])
    return tuple(indices)


def commanded_positions(
    command: ScanCommand, motor: ScannedMotor, points: int, snake: bool
) -> np.ndarray:
    """Positions of a scanned motor as the command's numbers say, (points,) float64, motor's unit.

    For a relative scan they count from the position before the scan.
    """
    shape = command.shape or (points,)
    grid = np.linspace(motor.start, motor.end, shape[motor.axis])
    return grid[step_indices(shape, points, snake)[motor.axis]]


def runs_as_snake(command: ScanCommand, fast_measured: np.ndarray | None) -> bool:
    """Whether a mesh ran its second row backwards, told from the fast motor's measured positions.

    fast_measured: (points,) in order of acquisition. What the macro's name says is taken if it is
        None, too short, or does not run one way along each of the first two rows.
    """
    if command.shape is None or len(command.shape) < 2 or command.shape[0] < 2:
        return False
    row = command.shape[0]
    if fast_measured is None or len(fast_measured) < row + 2:
        return command.snake
    first, second = np.diff(fast_measured[:row]), np.diff(fast_measured[row : 2 * row])
    if not (_one_way(first) and _one_way(second)):
        return command.snake  # this column does not follow the motor
    return bool(first.sum() * second.sum() < 0)


def _one_way(steps: np.ndarray) -> bool:
    return bool((steps > 0).all() or (steps < 0).all())
