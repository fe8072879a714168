"""The threads of a chunk job: blocks of frames are read, integrated and handed on in their order.

The job's own thread reads blocks and takes results; each worker decodes and integrates the blocks that
fall to it, in its own accumulators. Blocks go to workers in turn, whoever is faster, so that a repeated run
adds in the same order; and no more blocks are held than there are workers and one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from scatterflow.errors import UserError
from scatterflow.kernels.azimuthal import Integrator, Sums, Target
from scatterflow.kernels.encoded import integrate_encoded, integrates_encoded
from scatterflow.saxswaxs.frame_blocks import Block
from scatterflow.sources.base import DetectorInfo, EncodedFrames
from scatterflow.sources.hdf5_decode import decode_frame


class Worker:
    """Integrates blocks of one detector."""

    def __init__(
        self,
        targets: Sequence[Target],
        info: DetectorInfo,
        limits: tuple[float, float],
        dead_time: np.ndarray | None = None,
        start: int = 0,
    ) -> None:
        """dead_time: dead time over exposure of frames start, start + 1, ..., None: not corrected."""
        self.integrator = Integrator(targets, info.shape[0] * info.shape[1], info.dtype)
        self._limits = limits
        self._info = info
        self._dead_time, self._start = dead_time, start
        self._decoded = np.empty((0, *info.shape), info.dtype)

    def integrate(self, block: Block) -> list[Sums] | None:
        """Sums of a block's frames that are present; None: a compressed frame is damaged."""
        dead = self._dead_times(block)
        if block.encoded is None:
            assert block.frames is not None
            return self.integrator.frames(block.frames, self._limits, dead)
        encoded, dtype = block.encoded, self._info.dtype
        if integrates_encoded(encoded.chunks, self.integrator.pixels, dtype):
            return integrate_encoded(self.integrator, encoded.chunks, dtype, self._limits, dead)
        if not self._decode(encoded):
            return None
        return self.integrator.frames(self._decoded[: block.size], self._limits, dead)

    def _dead_times(self, block: Block) -> np.ndarray | None:
        """Dead time over exposure of the block's frames that are present."""
        if self._dead_time is None:
            return None
        found = self._dead_time[block.first - self._start :][: block.size][block.present]
        unknown = np.flatnonzero(block.present)[np.isnan(found)]
        if unknown.size:
            raise UserError(
                f"no exposure above 0 is known of frame {block.first + unknown[0]}, and dead time is to be "
                "corrected",
                "key detectors.NAME.dead_time.exposure",
                "correct it, or give the exposure as a number",
            )
        return found

    def _decode(self, encoded: EncodedFrames) -> bool:
        # Kept from block to block: new memory costs as much as decoding into it.
        if len(self._decoded) < len(encoded.chunks):
            self._decoded = np.empty((len(encoded.chunks), *self._info.shape), self._info.dtype)
        return all(
            decode_frame(chunk, encoded.filters, self._decoded[i])
            for i, chunk in enumerate(encoded.chunks)
        )


def integrated(
    blocks: Iterable[Block], workers: Sequence[Worker], read_again: Callable[[Block], Block]
) -> Iterator[tuple[Block, list[Sums]]]:
    """Blocks with their sums, in order.

    read_again: reads a block of which a compressed frame is damaged, or raises what is wrong with it.
    """
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in workers]
        waiting: deque[tuple[Block, int, Future[list[Sums] | None]]] = deque()

        def first_done() -> tuple[Block, list[Sums]]:
            block, number, future = waiting.popleft()
            sums = future.result()
            if sums is None:
                block = read_again(block)
                sums = pools[number].submit(workers[number].integrate, block).result()
            assert sums is not None
            return block, sums

        for i, block in enumerate(blocks):
            number = i % len(workers)
            waiting.append((block, number, pools[number].submit(workers[number].integrate, block)))
            if len(waiting) > len(workers):
                yield first_done()
        while waiting:
            yield first_done()
