"""Sketches: random projections of signatures to a few thousand numbers, for unbiased CKA.

CKA of two taps is the inner product of two unit vectors x and y, over all pairs of images in all
batches. A sketch is S x, for a random matrix S that is the same for every tap: each column of S
has ``NONZEROS`` entries of plus or minus 1 / sqrt(NONZEROS), one in each of as many blocks of
rows (sparse Johnson-Lindenstrauss transform, Kane & Nelson 2014, the block construction; with one
block the count sketch of Charikar, Chen & Farach-Colton 2002). Within a batch the entries of a
block are spread evenly over its rows, which makes fewer of them collide.

Over the draw of S, with d rows: E <Sx, Sy> = <x, y>, and

    Var <Sx, Sy> <= (|x|² |y|² + <x, y>² - 2 Σ x_i² y_i²) / d.

With z = x - y this is E |Sz|² = |z|² and Var |Sz|² <= 2 |z|⁴ / d. Since 1 - <x, y> = |z|² / 2 for
unit vectors, 1 - |Sx - Sy|² / 2 is CKA without bias, with a variance of at most 2 (1 - CKA)² / d:
exact for a tap with itself, and more precise the more similar two taps are.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.signature import Float32
from seelike.analysis.similarity.significance.permutations import batch_weights

# Another map needs another name: sketches by different ones say nothing of each other.
MAP = "sparse-jl-1"
NONZEROS = 4
DIMENSION = 2048
# Numbers that are gathered at a time: 1 MB, which the cache holds.
GATHERED = 2**18


@dataclass(frozen=True)
class Projection:
    """Random matrix of sketches: its number of rows and its seed.

    Raises:
        AnalysisError: ``dimension`` is no positive multiple of ``NONZEROS``.
    """

    # As a form shows it.
    dimension: int = field(
        default=DIMENSION,
        metadata={
            "description": "numbers per layer, a multiple of 4; the error of CKA falls with "
            "its root"
        },
    )
    seed: int = field(
        default=0,
        metadata={"description": "seed of the random projection; equal for all that is compared"},
    )

    def __post_init__(self) -> None:
        if self.dimension < NONZEROS or self.dimension % NONZEROS:
            raise AnalysisError(
                f"a sketch of {self.dimension} numbers, expected a positive multiple of {NONZEROS}"
            )
        if self.seed < 0:
            raise AnalysisError(f"the seed of a sketch is {self.seed}, expected 0 or more")

    def identity(self) -> dict[str, Any]:
        """Values that determine a sketch, JSON-able."""
        return {"map": MAP, **asdict(self)}


DEFAULT_PROJECTION = Projection()


def sketch_batch(directions: npt.ArrayLike, *, batch: int, projection: Projection) -> Float32:
    """Project the directions of one batch.

    The projection is linear. A tap gets the same bytes whatever other taps are given, on any
    machine: signs and rows come from raw words of a counter-based generator (Philox, Salmon et al.
    2011). Memory: 2 MB and the result.

    Args:
        directions: Unit signatures without padding, (T, pairs).
        batch: Number of the batch.
        projection: The random matrix.

    Returns:
        Part of the sketch, (T, d) float32.
    """
    rows = np.asarray(directions, np.float32)
    taps, length = rows.shape
    height = projection.dimension // NONZEROS
    result = np.empty((taps, projection.dimension), np.float32)
    for block, (places, signs) in enumerate(_entries(length, batch, projection)):
        own = result[:, block * height : (block + 1) * height]
        step = max(1, GATHERED // places.size)
        for start in range(0, taps, step):
            # "clip" spares a check of every place; all are inside.
            met = np.take(rows[start : start + step], places, axis=1, mode="clip")
            met *= signs
            np.add.reduce(met, axis=1, out=own[start : start + step])
    result *= np.float32(NONZEROS**-0.5)
    return result


def combine_batches(parts: Iterable[npt.ArrayLike], norms: npt.ArrayLike) -> Float32:
    """Add up the parts of all batches to sketches of unit signatures.

    Args:
        parts: Part of every batch, (T, d).
        norms: Lengths of the batches' signatures, (batches, T).

    Returns:
        Sketches, (T, d) float32; zeros for a tap that is constant over the images.
    """
    lengths = np.asarray(norms, np.float64)
    varies = lengths.any(axis=0)
    weights = np.zeros_like(lengths)
    weights[:, varies] = batch_weights(lengths[:, varies])
    total: Array | None = None
    for part, weight in zip(parts, weights, strict=True):
        share = np.asarray(part, np.float64) * weight[:, None]
        total = share if total is None else total + share
    if total is None:
        raise AnalysisError("no batches were given")
    return total.astype(np.float32)


def estimate_cka(query: npt.ArrayLike, sketches: npt.ArrayLike) -> Array:
    """Estimate CKA of one tap with others from sketches, without bias.

    Args:
        query: Sketch of one tap, (d,).
        sketches: Sketches of the others, (T, d).

    Returns:
        CKA, (T,) float64, with an error of at most ``standard_error``; 1 for a tap with itself.
    """
    apart = np.asarray(sketches, np.float64) - np.asarray(query, np.float64)
    return np.asarray(1 - np.einsum("td,td->t", apart, apart) / 2)


def standard_error(cka: npt.ArrayLike, *, dimension: int) -> Array:
    """Compute the largest standard error of ``cka`` from sketches of ``dimension`` numbers."""
    return np.asarray((1 - np.asarray(cka, np.float64)) * np.sqrt(2 / dimension))


@lru_cache(maxsize=4)
def _entries(
    length: int, batch: int, projection: Projection
) -> tuple[tuple[npt.NDArray[np.intp], Float32], ...]:
    """Pairs that share a row, (m, height), and their signs, for every block of rows."""
    height = projection.dimension // NONZEROS
    # As many to each row: what is beyond the pairs there are counts nothing.
    padded = -(-length // height) * height
    blocks = []
    for block in range(NONZEROS):
        words = np.random.Philox(key=projection.seed, counter=[0, 0, block, batch])
        # Raw words stay what they are in all versions of NumPy; permutations need not.
        order = np.argsort(words.random_raw(padded), kind="stable").reshape(-1, height)
        bits = (words.random_raw(padded) >> np.uint64(63)).reshape(-1, height)
        signs = np.where(bits == 0, np.float32(1), np.float32(-1))
        signs[order >= length] = 0
        blocks.append((np.minimum(order, length - 1), signs))
    return tuple(blocks)
