"""Which calibrant a sample is: the names in use, and those that pyFAI has d-spacings of."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache

_ALIASES = {
    "AgBh": ("agbeh", "silver behenate", "ag behenate", "silver docosanoate"),
    "Al": ("aluminium", "aluminum"),
    "Au": ("gold",),
    "C14H30O": ("tetradecanol", "1 tetradecanol"),
    "C60": ("buckminsterfullerene",),
    "CeO2": ("ceria", "cerium oxide", "cerium dioxide", "nist 674b", "srm 674b"),
    "Cr2O3": ("eskolaite", "chromium oxide"),
    "CrOx": (),
    "CuO": ("copper oxide",),
    "LaB6": ("lanthanum hexaboride",),
    "LaB6_SRM660a": ("srm 660a", "nist 660a", "lab6 660a"),
    "LaB6_SRM660b": ("srm 660b", "nist 660b", "lab6 660b"),
    "LaB6_SRM660c": ("srm 660c", "nist 660c", "lab6 660c"),
    "NaCl": ("halite", "sodium chloride"),
    "Ni": ("nickel",),
    "PBBA": ("para bromobenzoic acid", "4 bromobenzoic acid", "p bromobenzoic acid"),
    "Pt": ("platinum",),
    "Si": ("silicon",),
    "Si_SRM640": ("srm 640", "nist 640", "si 640"),
    "Si_SRM640a": ("srm 640a", "nist 640a", "si 640a"),
    "Si_SRM640b": ("srm 640b", "nist 640b", "si 640b"),
    "Si_SRM640c": ("srm 640c", "nist 640c", "si 640c"),
    "Si_SRM640d": ("srm 640d", "nist 640d", "si 640d"),
    "Si_SRM640e": ("srm 640e", "nist 640e", "si 640e"),
    "TiO2": ("rutile",),
    "ZnO": ("zincite", "zinc oxide"),
    "alpha_Al2O3": ("al2o3", "corundum", "alumina", "alpha alumina"),
    "alpha_Al2O3_SRM676": ("srm 676", "nist 676", "al2o3 676"),
    "alpha_Al2O3_SRM676a_2008": (),
    "alpha_Al2O3_SRM676a_2015": ("srm 676a", "nist 676a", "al2o3 676a"),
    "cristobaltite": ("cristobalite",),
    "diamond": (),
    "graphite": (),
    "hydrocerussite": (),
    "quartz": (),
    "vanadinite": (),
    "verneite": (),
}
# A sample called `lysozyme` is mostly a protein in solution, `mock` is for pyFAI's tests: neither
# is taken for a calibrant by its name alone.


def known_calibrants() -> list[str]:
    """Names of all calibrants that pyFAI has d-spacings of, sorted."""
    from pyFAI.calibrant import CALIBRANT_FACTORY

    return sorted(CALIBRANT_FACTORY.keys())


def find_calibrant(sample_name: str | None) -> str | None:
    """pyFAI's name of the calibrant that a sample is called after, or None.

    The whole name must match one of the names in use (`LaB6`, `Silver Behenate`, `SRM 640e`, ...);
    case, blanks, `_` and `-` do not matter. Does not import pyFAI: cheap enough for planning.
    """
    calibrant, _ = _names_in_use().get(_bare(sample_name or ""), (None, ""))
    return calibrant


def nearest_calibrant(sample_name: str) -> str | None:
    """The name of a calibrant that a sample's name is a slip of, None if it is one or is unlike all."""
    bare, names = _bare(sample_name), _names_in_use()
    if len(bare) < 4 or bare in names:
        return None
    near = get_close_matches(bare, [name for name in names if len(name) >= 4], n=1, cutoff=0.85)
    return names[near[0]][1] if near else None


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " _-\t")


@cache
def _names_in_use() -> dict[str, tuple[str, str]]:
    """(calibrant, name as it is written) by bare name; a plan asks for every run."""
    return {
        _bare(alias): (calibrant, alias)
        for calibrant, aliases in _ALIASES.items()
        for alias in (calibrant, *aliases)
    }
