"""Whatever stands in a CHAP configuration: it is translated, or refused in one message."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scatterflow.convert.chap import convert_chap
from scatterflow.errors import UserError

from .conftest import CORRECTIONS, MAP, PYFAI

FITS = """\
fits:
- name: peak
  input_data_name: waxs
  models:
  - {model: gaussian, parameters: [{name: center, value: 1.0, min: 0.5}]}
  - {model: multipeak, centers: [0.8, 1.2], centers_range: 0.1}
"""
PARAMS = """\
detectors: [{id: PIL5, shape: [44, 52]}]
"""
WHOLE = {
    "map": yaml.safe_load(MAP),
    "pyfai": yaml.safe_load(PYFAI),
    "corrections": yaml.safe_load(CORRECTIONS),
    "fits": yaml.safe_load(FITS),
    "detectors": yaml.safe_load(PARAMS),
}
WHOLE["pyfai"]["azimuthal_integrators"].append(
    {
        "id": "PIL5",
        "params": {
            "dist": 0.2,
            "poni1": 0.004,
            "pixel1": 172e-6,
            "pixel2": 172e-6,
            "wavelength": 1e-10,
        },
    }
)
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    "x",
    "",
    "1e-3",
    [],
    ["x"],
    [1, 2],
    {},
    {"x": 1},
    "../..",
]
JUNK += [[None, None], [3, 2, 1], [2, 1], float("nan"), 10**30, "PIL5", "a\nb"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in nested values."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += places(item, (*path, key))
    return found


PLACES = [path for path in places(WHOLE) if len(path) > 1]


@given(path=st.sampled_from(PLACES), junk=st.sampled_from(JUNK), remove=st.booleans())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_junk_anywhere_is_never_a_crash(chess, path, junk, remove):
    data = copy.deepcopy(WHOLE)
    node: Any = data
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = copy.deepcopy(junk)
    names = []
    for name, value in data.items():
        chess.write(f"junk_{name}.yaml", yaml.safe_dump(value))
        names.append(f"junk_{name}.yaml")
    where, how = "told", "told"
    try:
        convert_chap(names, "new")
    except UserError as error:
        where, how = error.where, error.how
    assert where
    assert how
