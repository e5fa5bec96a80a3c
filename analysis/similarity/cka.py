"""Centred kernel alignment (Kornblith et al. 2019) and its unbiased and minibatch estimators."""

from collections.abc import Callable, Iterable
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.similarity.gram import Array, centre, gram
from seelike.analysis.similarity.signature import packed, signature

# The width of the RBF kernel as a multiple of the median distance.
RBF_WIDTH = 0.5
# Float32 products leave a cosine of 1 at most this far above 1.
ROUNDING = 1e-5
# Rows with a cosine below this are not the same row.
_NEARLY_ONE = 1 - 1e-9


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
    """Compute CKA of two layers' activations over all images at once.

    Args:
        x: Activations of one layer, (n, ...) with n >= 4 images.
        y: Activations of the other layer on the same images in the same order, (n, ...).
        estimator: 'debiased', the unbiased HSIC of Song et al. (2012), eq. 5; or 'biased', as in
            Kornblith et al. (2019), about p / (n + p) for independent layers of p features.
        kernel: 'linear' or 'rbf'.
        width: Width of the RBF kernel as a multiple of the median distance between images.

    Returns:
        CKA in [-1, 1]; exactly 1 for a layer with itself. The debiased value may be negative.

    Raises:
        AnalysisError: ``x`` and ``y`` have different n, or an option is unknown.
        NonFinite: An activation is NaN or infinite.
        DegenerateTaps: The activations are the same for all images.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import cka
        >>> x = np.random.default_rng(0).normal(size=(64, 8))
        >>> y = x + np.random.default_rng(1).normal(size=(64, 8))
        >>> round(cka(x, y), 2)
        0.53
    """
    vector = _choose(ESTIMATORS, estimator, "estimator")
    _choose(KERNELS, kernel, "kernel")
    a, b = (rbf_gram(z, width=width) if kernel == "rbf" else gram(z) for z in (x, y))
    if len(a) != len(b):
        raise AnalysisError(f"x has {len(a)} images, y has {len(b)}: they have to be the same")
    return float(cka_matrix(np.stack([vector(a)]), np.stack([vector(b)]))[0, 0])


def minibatch_cka(batches_x: Iterable[npt.ArrayLike], batches_y: Iterable[npt.ArrayLike]) -> float:
    """Compute linear minibatch CKA: HSIC_1 averaged over the batches, then the ratio.

    Nguyen, Raghu & Kornblith (2021), eq. 3.

    Args:
        batches_x: Activations of one layer, batch by batch, each (n, ...) with n >= 4 images. The
            batches may differ in n.
        batches_y: Activations of the other layer on the same images.

    Returns:
        CKA in [-1, 1]; exactly 1 for a layer with itself.

    Raises:
        AnalysisError: The batches do not pair up, or there are none.
        NonFinite: An activation is NaN or infinite.
        DegenerateTaps: The activations are the same for all images of every batch.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import minibatch_cka
        >>> x = np.random.default_rng(0).normal(size=(4, 32, 8))
        >>> y = x + np.random.default_rng(1).normal(size=(4, 32, 8))
        >>> round(minibatch_cka(x, y), 2)
        0.51
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
    """Compute CKA of every pair of layers from their signatures: the cosines of these.

    Args:
        signatures_a: Signatures, (T_a, pairs) or (T_a, batches, pairs).
        signatures_b: Signatures on the same images, (T_b, ...); ``signatures_a`` by default.

    Returns:
        CKA, (T_a, T_b) float64 in [-1, 1]; exactly 1 where two signatures are the same.

    Raises:
        DegenerateTaps: A signature has length zero.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import cka_matrix, signature
        >>> layers = np.random.default_rng(0).normal(size=(3, 32, 8))
        >>> cka_matrix(np.stack([signature(x) for x in layers])).shape
        (3, 3)
    """
    a = _unit_rows(signatures_a)
    b = a if signatures_b is None else _unit_rows(signatures_b)
    cosines = a @ b.T
    for i, j in np.argwhere(cosines > _NEARLY_ONE):
        if np.array_equal(a[i], b[j]):
            cosines[i, j] = 1.0
    return clip_rounding(cosines)


def cka_from_hsic(hsic: npt.ArrayLike, *, rounding: float = ROUNDING) -> Array:
    """Compute minibatch CKA from the HSICs of every batch: sums, then the ratio.

    Args:
        hsic: HSICs of every pair of layers in every batch, (batches, T, T).
        rounding: The most that rounding may leave a value beyond 1.

    Returns:
        CKA, (T, T) float64, symmetric, in [-1, 1] and 1 on the diagonal.

    Raises:
        DegenerateTaps: A layer's own HSIC sums to zero.
        AnalysisError: A value is beyond 1 by more than ``rounding``.
    """
    return clip_rounding(hsic_ratio(hsic), rounding=rounding)


def hsic_ratio(hsic: npt.ArrayLike) -> Array:
    """``cka_from_hsic`` before rounding beyond 1 is clipped: for values without a batch."""
    total = np.asarray(hsic, np.float64).sum(axis=0)
    own = np.diag(total)
    degenerate = np.flatnonzero(own <= 0)
    if len(degenerate):
        raise DegenerateTaps([int(i) for i in degenerate])
    scale = np.sqrt(own)
    ratio = total / scale / scale[:, None]
    np.fill_diagonal(ratio, 1.0)
    return np.asarray((ratio + ratio.T) / 2)


def clip_rounding(cosines: Array, *, rounding: float = ROUNDING) -> Array:
    """Clip what rounding leaves of ``cosines`` beyond [-1, 1]; keep all others, and NaN.

    Raises ``AnalysisError`` for a value that is beyond by more than ``rounding``.
    """
    size = np.abs(cosines)
    if not (size > 1).any():
        return cosines
    if (size > 1 + rounding).any():
        place = tuple(int(i) for i in np.argwhere(size > 1 + rounding)[0])
        raise AnalysisError(
            f"the similarity at {place} is {cosines[place]:.7g}, expected -1 to 1: the activations "
            "vary too little for float32; leave the layer out, or record it in float64"
        )
    return np.clip(cosines, -1.0, 1.0)


def clipped_interval(value: Array, reach: Array) -> tuple[Array, Array]:
    """The interval ``value`` ± ``reach`` of a similarity, cut to [-1, 1]: (low, high)."""
    return np.maximum(value - reach, -1.0), np.minimum(value + reach, 1.0)


def rbf_gram(x: npt.ArrayLike, *, width: float = RBF_WIDTH) -> Array:
    """Compute the RBF kernel exp(-d² / (2 s²)) of the distances d between images.

    Args:
        x: Activations, (n, ...).
        width: The scale s as a multiple of the median distance. The median is over all n²
            distances, zeros of the diagonal included, as in the code of Kornblith et al. (2019).

    Returns:
        The kernel, (n, n) float64.

    Raises:
        DegenerateTaps: The median distance is zero.
        NonFinite: An activation is NaN or infinite.
    """
    linear = gram(x)
    energies = np.diag(linear)
    squared = np.maximum(energies + energies[:, None] - 2 * linear, 0.0)
    median = float(np.median(squared))
    if median == 0.0:
        raise DegenerateTaps([0])
    return np.asarray(np.exp(-squared / (2 * width**2 * median)))


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


ESTIMATORS: dict[str, Callable[[Array], Array]] = {"debiased": packed, "biased": _biased}
KERNELS: dict[str, Callable[[npt.ArrayLike], Array]] = {"linear": gram, "rbf": rbf_gram}


def _choose(known: dict[str, Callable[..., Array]], name: str, what: str) -> Callable[..., Array]:
    if name not in known:
        raise AnalysisError(f"unknown {what} {name!r}; {suggest(name, known)}")
    return known[name]
