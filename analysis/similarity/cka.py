"""Centred kernel alignment (Kornblith et al. 2019) and its unbiased and minibatch estimators."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array, centre, gram
from seelike.analysis.similarity.signature import packed, signature

# Multiple of the median distance that is the width of the RBF kernel.
RBF_WIDTH = 0.5


class DegenerateTaps(AnalysisError):
    """Taps without variation over the images, for which CKA is not defined: ``indices``."""

    def __init__(self, indices: list[int]) -> None:
        super().__init__(f"taps {indices} are constant over the images: CKA is not defined")
        self.indices = indices


def cka(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    estimator: str = "debiased",
    kernel: str = "linear",
    width: float = RBF_WIDTH,
) -> float:
    """CKA of activations ``x`` (n, ...) and ``y`` (n, ...) over all n images.

    ``estimator``: 'debiased' (unbiased HSIC, Song et al. 2012) or 'biased' (Kornblith et al.
    2019; about p / (n + p) for independent features). ``kernel``: 'linear', or 'rbf' of ``width``
    times the median distance. Not clamped: the debiased value may be negative. Raises
    ``AnalysisError`` for unequal n, ``DegenerateTaps`` for constant activations.
    """
    vector = _choose(ESTIMATORS, estimator, "estimator")
    _choose(KERNELS, kernel, "kernel")
    a, b = (rbf_gram(z, width=width) if kernel == "rbf" else gram(z) for z in (x, y))
    if len(a) != len(b):
        raise AnalysisError(f"x has {len(a)} images, y has {len(b)}: they have to be the same")
    return float(cka_matrix(np.stack([vector(a)]), np.stack([vector(b)]))[0, 0])


def minibatch_cka(batches_x: Iterable[npt.ArrayLike], batches_y: Iterable[npt.ArrayLike]) -> float:
    """Linear CKA by batches: HSIC_1 averaged over the batches, then the ratio.

    Nguyen, Raghu & Kornblith (2021), eq. 3. Batches are (n, ...) with n >= 4 and may differ in
    n. Raises ``AnalysisError`` for batches that do not pair up.
    """
    pairs = []
    for number, (x, y) in enumerate(zip_longest(batches_x, batches_y)):
        if x is None or y is None or len(np.asarray(x)) != len(np.asarray(y)):
            raise AnalysisError(f"batch {number} of x and y are not the same images")
        pairs.append((signature(x), signature(y)))
    if not pairs:
        raise AnalysisError("no batches were given")
    left, right = (np.concatenate(side)[None] for side in zip(*pairs, strict=True))
    return float(cka_matrix(left, right)[0, 0])


def cka_matrix(signatures_a: npt.ArrayLike, signatures_b: npt.ArrayLike | None = None) -> Array:
    """CKA of every pair of taps (T_a, T_b) float64, from their signatures.

    Signatures are (T, pairs) or (T, batches, pairs); without ``signatures_b`` the pairs are
    within ``signatures_a``. Raises ``DegenerateTaps`` for signatures of length zero.
    """
    a = _unit_rows(signatures_a)
    return np.asarray(a @ (a if signatures_b is None else _unit_rows(signatures_b)).T)


def cka_from_hsic(hsic: npt.ArrayLike) -> Array:
    """CKA (T, T) float64 from the HSICs of every batch (batches, T, T): sums, then the ratio.

    One on the diagonal, and symmetric. Raises ``DegenerateTaps`` for taps whose own HSIC is
    zero in all batches.
    """
    total = np.asarray(hsic, np.float64).sum(axis=0)
    own = np.diag(total)
    degenerate = np.flatnonzero(own <= 0)
    if len(degenerate):
        raise DegenerateTaps([int(i) for i in degenerate])
    scale = np.sqrt(own)
    ratio = total / scale / scale[:, None]
    np.fill_diagonal(ratio, 1.0)
    return np.asarray((ratio + ratio.T) / 2)


def _unit_rows(signatures: npt.ArrayLike) -> Array:
    rows = np.asarray(signatures, np.float64)
    rows = rows.reshape(len(rows), -1)
    largest = np.abs(rows).max(axis=1)
    degenerate = np.flatnonzero(largest == 0)
    if len(degenerate):
        raise DegenerateTaps([int(i) for i in degenerate])
    scaled = rows / largest[:, None]
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))


def _biased(kernel: Array) -> Array:
    """The vector whose inner products are biased HSICs (Gretton et al. 2005), times (n - 1)²."""
    return centre(kernel).reshape(-1)


def rbf_gram(x: npt.ArrayLike, *, width: float = RBF_WIDTH) -> Array:
    """exp(-d² / (2 s²)) of the distances d between images (n, n), s = width x median distance.

    The median is that of all n² distances, zeros of the diagonal included, as in the code of
    Kornblith et al. (2019).
    """
    linear = gram(x)
    energies = np.diag(linear)
    squared = np.maximum(energies + energies[:, None] - 2 * linear, 0.0)
    median = float(np.median(squared))
    if median == 0.0:
        raise DegenerateTaps([0])
    return np.asarray(np.exp(-squared / (2 * width**2 * median)))


ESTIMATORS: dict[str, Callable[[Array], Array]] = {"debiased": packed, "biased": _biased}
KERNELS: dict[str, Callable[[npt.ArrayLike], Array]] = {"linear": gram, "rbf": rbf_gram}


def _choose(known: dict[str, Callable[..., Array]], name: str, what: str) -> Callable[..., Array]:
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.0)
        raise AnalysisError(
            f"{what} {name!r} is not one of {', '.join(known)}; nearest: {near[0]!r}"
        )
    return known[name]
