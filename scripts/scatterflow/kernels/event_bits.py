"""Bits of 64-bit event words (Rigaku); apart from the kernels, so that who reads no events needs no compiler.

63-40 frame, 36-16 pixel index, 11-0 count.
"""

from __future__ import annotations

FRAME_SHIFT = 40
FRAME_BITS = 24
PIXEL_SHIFT = 16
PIXEL_MASK = (1 << 21) - 1
COUNT_MASK = (1 << 12) - 1
# What may be found of a word.
SOUND, NOT_ASCENDING, BEYOND = 0, 1, 2
