"""Products of neighbouring pixels, summed over the pixels of each bin: spatial correlation at short distance.

sum over p of x_p x_{p+d}, p and p + d in one bin, for displacements d of a half plane (the other half gives
the same sums). For the few distances that speckles reach this takes less than Fourier transforms do, needs no
padding, and knows no mask but the bins themselves.
"""

from __future__ import annotations

import numpy as np

from scatterflow.kernels.compiled import compiled


def half_plane(reach_rows: float, reach_columns: float) -> np.ndarray:
    """Displacements (n, 2) int64 within an ellipse, one of each pair d and -d, without 0."""
    rows, columns = int(reach_rows), int(reach_columns)
    found = [
        (row, column)
        for row in range(rows + 1)
        for column in range(-columns, columns + 1)
        if (row > 0 or column > 0) and (row / reach_rows) ** 2 + (column / reach_columns) ** 2 <= 1
    ]
    return np.array(found, np.int64).reshape(-1, 2)


@compiled
def neighbour_sums(
    image: np.ndarray, bins: np.ndarray, displacements: np.ndarray, sums: np.ndarray
) -> None:
    """Add products of neighbours to the sums of their bin.

    image: (rows, columns) float64; bins: (rows, columns) int32, 0 = none; displacements: (n, 2) int64, rows
    from 0 on; sums: (bins + 1, n) float64, written; row 0 stays 0.
    """
    rows, columns = image.shape
    sums[:] = 0.0
    for k in range(displacements.shape[0]):
        down, right = displacements[k, 0], displacements[k, 1]
        for row in range(rows - down):
            for column in range(max(0, -right), min(columns, columns - right)):
                own = bins[row, column]
                if own > 0 and bins[row + down, column + right] == own:
                    sums[own, k] += image[row, column] * image[row + down, column + right]
