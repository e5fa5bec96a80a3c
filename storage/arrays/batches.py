"""Division of an image set into statistical batches, chunks on disk, and shards."""

import math
from collections.abc import Sequence

from seelike.storage.errors import StorageError

Bounds = tuple[int, int]

# The unbiased estimator divides by n - 3.
SMALLEST = 4

# Chunks of this size are written at disk speed; larger ones only cost memory.
CHUNK_BYTES = 64 * 2**20


def batches(count: int, batch: int) -> list[Bounds]:
    """Cut images into batches.

    A last batch of 4 or more images stays a short batch; a shorter one joins the batch before. No
    image is dropped.

    Args:
        count: Number of images.
        batch: Images per batch.

    Returns:
        (start, stop) of every batch.

    Raises:
        StorageError: ``batch`` or ``count`` is below 4.
    """
    if batch < SMALLEST:
        raise StorageError(f"batch is {batch}, the unbiased estimator needs at least {SMALLEST}")
    if count < SMALLEST:
        raise StorageError(f"{count} images, the unbiased estimator needs at least {SMALLEST}")
    starts = list(range(0, count, batch))
    if count - starts[-1] < SMALLEST and len(starts) > 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def block(batch: int, *, bytes_per_image: int) -> int:
    """Compute images per chunk: the largest divisor of ``batch`` that keeps chunks below 64 MiB.

    ``bytes_per_image`` is that of the largest tap; all taps of a recording share the number.
    """
    most = max(1, CHUNK_BYTES // max(1, bytes_per_image))
    return max(d for d in range(1, batch + 1) if batch % d == 0 and d <= most)


def shards(bounds: Sequence[Bounds], *, images: int) -> list[range]:
    """Group batch numbers into consecutive shards of about ``images`` images each."""
    longest = max(stop - start for start, stop in bounds)
    each = max(1, images // longest)
    return [
        range(i * each, min((i + 1) * each, len(bounds)))
        for i in range(math.ceil(len(bounds) / each))
    ]
