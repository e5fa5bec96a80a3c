"""Delete-one jackknife: numbers made of sums over batches of images, with 95 % intervals.

Leave one batch out, compute the number again, and let its spread over the batches be the
standard error; Student's t gives the interval (Tukey 1958; for groups of unlike size Busing,
Meijer & van der Leeden 1999). It holds for smooth functions of sums, needs one evaluation per
batch, and covers at 2 batches as well as at 40, which percentiles of a bootstrap do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import stdtrit

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array

LEVEL = 0.95
# Groups that images are put into where each image is measured alone: more would not narrow the
# interval (t of 63 degrees of freedom is 2.00), and would be kept for every number.
MOST_GROUPS = 64
# Below so many degrees of freedom one batch is nearly all there is.
LEAST_FREEDOM = 0.5
# Name of the axis of what was left out, in a dataset.
LEFT_OUT = "left_out"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, which is None where nothing can be left out.

    ``error`` is the standard error and ``freedom`` its degrees of freedom.
    """

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    freedom: float | None = None

    def clipped(self, low: float, high: float) -> "Estimate":
        """The same with its interval cut to the numbers that are possible."""
        if self.low is None or self.high is None:
            return self
        below, above = (min(max(end, low), high) for end in (self.low, self.high))
        return replace(self, low=below, high=above)


@dataclass(frozen=True, eq=False)
class Groups:
    """What is left out in turn: ``weight`` (B,), its share in a number; ``images`` (B,) in it.

    ``factor`` (B,) tells kinds of groups apart, such as test images and draws: their variances
    add. Shares of a factor sum to 1.
    """

    weight: Array
    images: Array
    factor: npt.NDArray[np.intp]

    @classmethod
    def alike(cls, images: npt.ArrayLike) -> "Groups":
        """Batches that each count the same, whatever their number of ``images`` (B,)."""
        counts = np.asarray(images, np.float64)
        return cls(np.full(len(counts), 1 / len(counts)), counts, np.zeros(len(counts), np.intp))

    @classmethod
    def by_size(cls, images: npt.ArrayLike) -> "Groups":
        """Groups of ``images`` (B,) that count by their number, as in a mean over images."""
        counts = np.asarray(images, np.float64)
        return cls(counts / counts.sum(), counts, np.zeros(len(counts), np.intp))

    def same(self, other: "Groups") -> bool:
        """Whether both leave out the same."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("weight", "images", "factor")
        )

    def freedom(self, factor: int) -> float:
        """Degrees of freedom of one factor: groups less one, fewer where their sizes differ.

        Satterthwaite's (1946), for terms whose variance is inverse to their number of images.
        """
        own = self.factor == factor
        parts = self.weight[own] ** 2 / self.images[own]
        return float(parts.sum() ** 2 / (parts**2).sum() - 1)


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """Numbers ``value`` (k,), and the same ``without`` (B, k) each of the ``groups``.

    Both None where a single group leaves nothing to leave out. Numbers of one image set leave
    out the same groups, so that they may be subtracted: what both share cancels.
    """

    value: Array
    without: Array | None = None
    groups: Groups | None = None

    def of(self, number: Callable[[Array], Array]) -> "Jackknifed":
        """One number made of these; ``number`` takes (n, k) and gives (n,)."""
        without = None if self.without is None else number(self.without)[:, None]
        return Jackknifed(number(self.value[None]), without, self.groups)

    def at(self, places: Any) -> "Jackknifed":
        """Some of the numbers."""
        without = None if self.without is None else self.without[:, places]
        return Jackknifed(self.value[places], without, self.groups)

    def __sub__(self, other: "Jackknifed") -> "Jackknifed":
        if self.groups is None or other.groups is None:
            return Jackknifed(self.value - other.value)
        assert self.without is not None and other.without is not None
        if not self.groups.same(other.groups):
            raise AnalysisError(
                f"numbers that leave out {len(self.groups.weight)} and "
                f"{len(other.groups.weight)} groups of images can't be subtracted: compute both "
                "on the same images in the same batches"
            )
        return Jackknifed(self.value - other.value, self.without - other.without, self.groups)

    @property
    def spread(self) -> tuple[Array, Array] | None:
        """Standard errors and degrees of freedom, each (k,); None where there are none."""
        if self.without is None or self.groups is None:
            return None
        return standard_error(self.without, self.groups)

    @property
    def interval(self) -> tuple[Array, Array] | None:
        """The 95 % interval (low, high), each (k,); None where there is none."""
        spread = self.spread
        if spread is None:
            return None
        reach = half_width(*spread)
        return self.value - reach, self.value + reach

    @property
    def estimates(self) -> list[Estimate]:
        """Every number with its interval."""
        spread = self.spread
        if spread is None:
            return [Estimate(float(value)) for value in self.value]
        reach = half_width(*spread)
        return [
            Estimate(float(v), float(v - r), float(v + r), float(e), float(f))
            for v, r, e, f in zip(self.value, reach, *spread, strict=True)
        ]

    @property
    def estimate(self) -> Estimate:
        """The first number, where there is one alone."""
        return self.estimates[0]

    def enter(self, dataset: xr.Dataset, name: str, dim: str) -> None:
        """Put the numbers into ``dataset`` over ``dim``: ``from_dataset`` takes them out again.

        ``NAME``, its bounds ``NAME_low`` and ``NAME_high``, and ``NAME_without`` over
        ``left_out``; the groups as coordinates of that.
        """
        dataset[name] = (dim, self.value)
        interval = self.interval
        if interval is not None:
            dataset[f"{name}_low"], dataset[f"{name}_high"] = ((dim, end) for end in interval)
        if self.without is None or self.groups is None:
            return
        of = {key: getattr(self.groups, key) for key in ("weight", "images", "factor")}
        for key, values in of.items():
            coordinate = f"{LEFT_OUT}_{key}"
            if coordinate in dataset.coords and not np.array_equal(dataset[coordinate], values):
                raise AnalysisError(f"{name} leaves out other groups than its dataset does")
            dataset.coords[coordinate] = (LEFT_OUT, values)
        dataset[f"{name}_without"] = ((LEFT_OUT, dim), self.without)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset, name: str) -> "Jackknifed":
        """The numbers ``name`` of a dataset."""
        if f"{name}_without" not in dataset:
            return cls(dataset[name].values)
        of = (dataset[f"{LEFT_OUT}_{key}"].values for key in ("weight", "images", "factor"))
        without = dataset[f"{name}_without"].transpose(LEFT_OUT, ...).values
        return cls(dataset[name].values, np.asarray(without, np.float64), Groups(*of))


def standard_error(without: Array, groups: Groups) -> tuple[Array, Array]:
    """Standard errors of numbers and their degrees of freedom (...,), from ``without`` (B, ...).

    Of one factor √(Σ (1 - w)(θ₍ⱼ₎ - θ̄)²), which for equal weights is Efron's (B - 1) / B; exact
    for weighted means of terms whose variance is inverse to their weight. Variances of several
    factors add, their degrees of freedom by Satterthwaite (1946). NaN degrees where one group
    is nearly all there is.
    """
    variance, spent = np.zeros(without.shape[1:]), np.zeros(without.shape[1:])
    for factor in np.unique(groups.factor):
        own = groups.factor == factor
        kept = 1 - groups.weight[own]
        left = without[own]
        middle = np.tensordot(kept, left, axes=1) / kept.sum()
        part = np.tensordot(kept, (left - middle) ** 2, axes=1)
        freedom = groups.freedom(int(factor))
        variance += part
        spent += part**2 / (freedom if freedom >= LEAST_FREEDOM else np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom_of_all = variance**2 / spent
    # Numbers that nothing changes have no error, and need no degrees of freedom.
    still = (variance == 0) & np.isfinite(spent)
    return np.sqrt(variance), np.where(still, 1.0, freedom_of_all)


def half_width(error: Array, freedom: Array, *, level: float = LEVEL) -> Array:
    """Half of the interval of numbers of such a standard error: Student's t times it."""
    reach: Array = stdtrit(freedom, (1 + level) / 2) * error
    return reach


def jackknifed(
    measured: npt.ArrayLike,
    number: Callable[[Array], Array] = lambda means: means,
    *,
    images: npt.ArrayLike | None = None,
) -> Jackknifed:
    """``number`` of the mean over images of ``measured``, and the same without each group.

    Args:
        measured: (n, m), of n images; or means of n groups, of ``images`` (n,) each.
        number: takes means (j, m) and gives (j, k); left out, it is the mean itself.
        images: how many images each row is the mean of.

    Returns:
        ``Jackknifed`` of k numbers. Single images are put into at most 64 groups of neighbours.
    """
    each = np.asarray(measured, np.float64)
    if images is None:
        each, counts = _grouped(each)
    else:
        counts = np.asarray(images, np.float64)
    total = (each * counts[:, None]).sum(axis=0)
    value = number((total / counts.sum())[None])[0]
    groups = Groups.by_size(counts)
    if len(each) < 2 or groups.freedom(0) < LEAST_FREEDOM:
        return Jackknifed(value)
    left = (total - each * counts[:, None]) / (counts.sum() - counts)[:, None]
    return Jackknifed(value, number(left), groups)


def _grouped(each: Array) -> tuple[Array, Array]:
    """Means of at most 64 runs of images (groups, m), and how many images each has."""
    runs = np.array_split(np.arange(len(each)), min(len(each), MOST_GROUPS))
    means = np.stack([each[own].mean(axis=0) for own in runs])
    return means, np.array([len(own) for own in runs], np.float64)


def joined(numbers: Sequence[Jackknifed]) -> Jackknifed:
    """Several numbers of one image set as one; raises ``AnalysisError`` where groups differ."""
    first = numbers[0]
    value = np.concatenate([one.value for one in numbers])
    if first.groups is None or first.without is None:
        return Jackknifed(value)
    left = []
    for one in numbers:
        if one.groups is None or one.without is None or not first.groups.same(one.groups):
            raise AnalysisError("numbers that leave out other groups of images can't be joined")
        left.append(one.without)
    return Jackknifed(value, np.concatenate(left, axis=1), first.groups)
