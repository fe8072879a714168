"""How much is worked on at once; apart from the kernels, so that the plan can know it without them."""

from __future__ import annotations

# Frames that are integrated together, one lane of a vector each.
LANES = 16
# Consecutive pixels that are worked on together; see `tiles`.
TILE = 2048
# Bytes of such frames, decoded; of huge detectors fewer are taken together.
BLOCK_BYTES = 600_000_000


def block_frames(frames: int, raw_bytes: int) -> int:
    """Frames in a block, of `frames` in all; raw_bytes: of one, decoded."""
    return max(1, min(frames, LANES, BLOCK_BYTES // max(raw_bytes, 1)))
