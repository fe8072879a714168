"""A few shots kept whole: the k largest by a key, or k drawn at random.

Both are mergeable and do not depend on the order of the shots: which are kept is settled by key and tag
alone. The random ones are those with the largest pseudo-random keys, a hash of seed and tag (bottom-k
sampling, Cohen & Kaplan, PODC 2007, 225): every set of k shots is equally likely, and it is the same for any
chunking.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scatterflow.errors import UserError
from scatterflow.shots.accumulators import Accumulator, Later, check_shape, no_shots


@dataclass(frozen=True)
class KeptShots:
    """keys, tags: (m,), m <= k, largest key first, ties by lower tag; values: (m, ...) as given, its dtype.

    seen: shots that had a key; missing: shots without (NaN or infinite).
    """

    keys: np.ndarray
    tags: np.ndarray
    values: np.ndarray
    seen: int
    missing: int


@dataclass
class TopShots(Accumulator):
    """The k shots with the largest keys (smallest: negate the key), each with its array."""

    k: int
    seen: int = 0
    missing: int = 0
    keys: Later = None
    tags: Later = None
    values: Later = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UserError(f"{self.k} shots are to be kept", "number of shots", "give 1 or more")

    def update(self, values: np.ndarray, keys: np.ndarray, tags: np.ndarray) -> None:
        """Look at shots.

        values: (n, ...) of any dtype, of which the kept ones are copied; keys: (n,), NaN or infinite: not
        kept; tags: (n,) integers, one for each shot of the run.
        """
        values, keys, tags = np.asarray(values), np.asarray(keys), np.asarray(tags)
        if not (values.shape[:1] == keys.shape == tags.shape):
            raise ValueError(f"{values.shape} values, {keys.shape} keys, {tags.shape} tags")
        known = np.isfinite(keys) if keys.dtype.kind == "f" else np.ones(keys.shape, dtype=bool)
        self.seen += int(known.sum())
        self.missing += int((~known).sum())
        rows = np.flatnonzero(known)
        best = rows[_largest(keys[rows], tags[rows], self.k)]
        self._keep(values[best], keys[best], tags[best])

    def merge(self, other: TopShots) -> None:
        """Look at the shots of another one."""
        self._check_like(other, "k")
        self.seen += other.seen
        self.missing += other.missing
        if other.values is not None and other.keys is not None and other.tags is not None:
            self._keep(other.values, other.keys, other.tags)

    def finalize(self) -> KeptShots:
        """The kept shots. Raises UserError if none were looked at."""
        if self.values is None or self.keys is None or self.tags is None:
            raise no_shots()
        return KeptShots(
            self.keys.copy(), self.tags.copy(), self.values.copy(), self.seen, self.missing
        )

    def _keep(self, values: np.ndarray, keys: np.ndarray, tags: np.ndarray) -> None:
        if self.values is not None and self.keys is not None and self.tags is not None:
            check_shape(self.values.shape[1:], values.shape[1:])
            if not len(values):
                return
            values = np.concatenate([self.values, values])
            keys = np.concatenate([self.keys, keys])
            tags = np.concatenate([self.tags, tags])
        best = _largest(keys, tags, self.k)
        self.values, self.keys, self.tags = values[best], keys[best], tags[best]


def _largest(keys: np.ndarray, tags: np.ndarray, k: int) -> np.ndarray:
    """Places of the k largest keys, largest first, ties by lower tag."""
    ascending = np.lexsort((-tags.astype(np.int64), keys))
    return ascending[::-1][:k]


@dataclass
class Reservoir(TopShots):
    """k shots drawn at random, each set of k with the same chance; seed: another one, other shots."""

    seed: int = 0

    def update(self, values: np.ndarray, tags: np.ndarray) -> None:  # type: ignore[override]
        """Look at shots. values: (n, ...) of any dtype; tags: (n,) integers, one for each shot of the run."""
        super().update(values, random_keys(tags, self.seed), tags)

    def merge(self, other: TopShots) -> None:
        """Look at the shots of another one with the same seed."""
        self._check_like(other, "seed")
        super().merge(other)


def random_keys(tags: np.ndarray, seed: int) -> np.ndarray:
    """(n,) uint64 that look random, of tag and seed alone (splitmix64; Steele et al., OOPSLA 2014, 453)."""
    start = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    bits = np.asarray(tags).astype(np.int64).view(np.uint64)
    for add in start:
        bits = bits + add + np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
    return bits
