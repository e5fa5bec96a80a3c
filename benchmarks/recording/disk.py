"""The disk and a compressor by themselves, on the same activations."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numcodecs import Zstd

from seelike.storage.arrays.recordings import Recording

BLOCK = 16 * 2**20


def plain_files(size: int, files: int) -> None:
    """Seconds for as many bytes in plain files, synced one by one: the disk alone."""
    block = np.random.default_rng(0).bytes(min(BLOCK, size // files))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(files):
            with (Path(folder) / str(number)).open("wb") as file:
                for _ in range(size // files // len(block)):
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())


def zstd(recording: Recording, *, images: int) -> float:
    """Ratio by which zstd at level 1 would compress the first images' activations."""
    raw = packed = 0
    for tap in recording.taps:
        values = recording.read(0, tap)[:images]
        raw += values.nbytes
        packed += len(Zstd(level=1).encode(values))
    return raw / packed
