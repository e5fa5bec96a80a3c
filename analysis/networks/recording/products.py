"""Products of activations with themselves inside a hook, on torch's own threads.

torch and NumPy have threads of their own, and torch's still spin when a hook is called. NumPy's
products, the faster ones on an idle machine, take twice as long as torch's there.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# As in ``similarity.gram``, but larger: in a hook a second pass over the features costs as much as
# half of their product. At half of this share CKA was off by 1.4e-5 at most where features are
# independent, by 6e-7 where they are alike; at twice this share it would be 8e-5 and 3e-6.
MEAN_SHARE = 128.0
# Features per block: measured, 2048 to 8192 are equally fast for 64 to 256 images.
WIDTH = 4096
# Features per block that predict, before the product, whether its mean is to be removed.
SAMPLE = 64
# Numbers of the products of one group of blocks, which are in memory together: 64 MB.
GROUP = 2**24
# Numbers of the blocks whose means are removed together: 4 MB, which fit the cache.
CENTRED = 2**20


def product(flat: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.float64], float]:
    """Multiply features with themselves, up to a shift.

    Blocks of features are multiplied in their own dtype and summed in float64. As in
    ``similarity.gram`` the mean of a block is removed where it would cost digits.

    Args:
        flat: Features (n, p).

    Returns:
        The product (n, n), float64, and the energy of the removed mean.
    """
    x = torch.from_numpy(flat)
    lower = torch.zeros((len(x), len(x)), dtype=torch.float64)
    energy = 0.0
    for blocks in _groups(x):
        sample = _bands(blocks[:, :, :SAMPLE])
        heavy = _mean_heavy(sample)
        if not heavy.any():
            bands = _bands(blocks)
            heavy = _mean_heavy(bands)
            if not heavy.any():
                _add(bands, lower)
                continue
        energy += _add_centred(blocks, heavy, lower)
    half = np.tril(lower.numpy())
    return half + np.tril(half, -1).T, energy


def _groups(x: Tensor) -> Iterator[Tensor]:
    """Views (blocks, n, width) of ``x`` (n, p), which together cover it."""
    n, p = x.shape
    whole = p - p % WIDTH
    step = WIDTH * max(1, GROUP // n**2)
    for start in range(0, whole, step):
        some = x[:, start : min(start + step, whole)]
        yield torch.unflatten(some, 1, (-1, WIDTH)).transpose(0, 1)
    if whole < p:
        yield x[:, whole:].unsqueeze(0)


def _bands(blocks: Tensor) -> list[Tensor]:
    """Products of every block in bands of rows up to the diagonal: 0.6 of the whole work."""
    n = blocks.shape[1]
    rows = max(32, n // 4)
    return [
        torch.bmm(blocks[:, start : start + rows], blocks[:, : start + rows].transpose(1, 2))
        for start in range(0, n, rows)
    ]


def _add(bands: list[Tensor], lower: Tensor) -> None:
    """Add the products of all blocks to ``lower`` (n, n), on and below the diagonal."""
    start = 0
    for band in bands:
        rows, columns = band.shape[1:]
        lower[start : start + rows, :columns] += band.sum(dim=0, dtype=torch.float64)
        start += rows


def _add_centred(blocks: Tensor, heavy: Tensor, lower: Tensor) -> float:
    """Like ``_add`` without the means of the ``heavy`` blocks; return these means' energy."""
    n, width = blocks.shape[1:]
    together = max(1, CENTRED // (n * width))
    buffer = torch.empty((together, n, width), dtype=blocks.dtype)
    energy = 0.0
    for some, taken in zip(
        torch.split(blocks, together), torch.split(heavy, together), strict=True
    ):
        means = some.mean(dim=1, keepdim=True) * taken[:, None, None]
        _add(_bands(torch.sub(some, means, out=buffer[: len(some)])), lower)
        energy += n * float(means.double().square().sum())
    return energy


def _mean_heavy(bands: list[Tensor]) -> Tensor:
    """Mark blocks with most of their energy in the mean of their features: (blocks,) bool."""
    n = bands[-1].shape[2]
    everything = torch.zeros(len(bands[0]), dtype=torch.float64)
    trace = torch.zeros_like(everything)
    for band in bands:
        square = band[:, :, -band.shape[1] :]
        everything += 2 * band.sum(dim=(1, 2), dtype=torch.float64)
        everything -= square.sum(dim=(1, 2), dtype=torch.float64)
        trace += square.diagonal(dim1=1, dim2=2).sum(dim=1, dtype=torch.float64)
    return everything / n > (1 - 1 / MEAN_SHARE) * trace
