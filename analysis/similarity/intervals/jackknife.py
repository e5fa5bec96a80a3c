"""Delete-one jackknife: 95 % intervals of numbers made of sums over batches of images.

The number is computed again without each batch. Its spread over the batches gives the standard
error, and Student's t the interval (Tukey 1958; for groups of different size Busing, Meijer &
van der Leeden 1999). It holds for smooth functions of sums, needs one evaluation per batch, and
covers at 2 batches as well as at 40; percentiles of a bootstrap do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import stdtrit

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.groups import Groups

# Confidence level of all intervals.
LEVEL = 0.95
# Single images are joined to at most this many groups: more would not narrow the interval (t of
# 63 degrees of freedom is 2.00), but would be kept for every number.
MOST_GROUPS = 64
# With fewer degrees of freedom one batch is nearly all there is, and there is no interval.
LEAST_FREEDOM = 0.5
# The dimension of left-out groups in a dataset.
LEFT_OUT = "left_out"


@dataclass(frozen=True, eq=False)
class Jackknifed:
    """Numbers of an image set, and the same numbers without each group of images.

    Numbers on one image set have the same groups and may be subtracted: what they share cancels.

    Attributes:
        value: The numbers, (k,).
        without: The numbers without each group, (B, k); None for a single group.
        groups: The groups, None where ``without`` is.
    """

    value: Array
    without: Array | None = None
    groups: Groups | None = None

    def of(self, number: Callable[[Array], Array]) -> "Jackknifed":
        """Compute one number from these; ``number`` takes (n, k) and returns (n,)."""
        without = None if self.without is None else number(self.without)[:, None]
        return Jackknifed(number(self.value[None]), without, self.groups)

    def at(self, places: Any) -> "Jackknifed":
        """Select the numbers at ``places``, any index of the first axis."""
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
        """Standard errors and degrees of freedom, each (k,); None without groups."""
        if self.without is None or self.groups is None:
            return None
        return standard_error(self.without, self.groups)

    @property
    def interval(self) -> tuple[Array, Array] | None:
        """The 95 % interval (low, high), each (k,); None without groups."""
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
        """The first number with its interval."""
        return self.estimates[0]

    def enter(self, dataset: xr.Dataset, name: str, dim: str) -> None:
        """Write the numbers to ``dataset`` over ``dim``, for ``from_dataset`` to read.

        Variables are ``NAME``, its bounds ``NAME_low`` and ``NAME_high``, and ``NAME_without``
        over ``left_out``, whose coordinates hold the groups.
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
        """Read the numbers ``name`` that ``enter`` wrote."""
        if f"{name}_without" not in dataset:
            return cls(dataset[name].values)
        of = (dataset[f"{LEFT_OUT}_{key}"].values for key in ("weight", "images", "factor"))
        without = dataset[f"{name}_without"].transpose(LEFT_OUT, ...).values
        return cls(dataset[name].values, np.asarray(without, np.float64), Groups(*of))


def standard_error(without: Array, groups: Groups) -> tuple[Array, Array]:
    """Compute jackknife standard errors and their degrees of freedom.

    For one factor √(Σ (1 - w)(θ₍ⱼ₎ - θ̄)²), which for equal weights is Efron's (B - 1) / B; exact
    for weighted means of terms whose variance is inverse to their weight. Variances of several
    factors add, their degrees of freedom by Satterthwaite (1946).

    Args:
        without: The numbers without each group, (B, ...).
        groups: The groups.

    Returns:
        Standard errors (...,) and degrees of freedom (...,), NaN where one group is nearly all
        there is.
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
    """Half the width of an interval: Student's t times the standard error, of one shape."""
    reach: Array = stdtrit(freedom, (1 + level) / 2) * error
    return reach


def jackknifed(
    measured: npt.ArrayLike,
    number: Callable[[Array], Array] = lambda means: means,
    *,
    images: npt.ArrayLike | None = None,
) -> Jackknifed:
    """Jackknife a smooth function of means over images.

    Tukey (1958); Busing, Meijer & van der Leeden (1999) for groups of different size.

    Args:
        measured: Measurements of n images, (n, m); or means over n groups of images.
        number: Takes means (j, m) and returns numbers (j, k); by default the means themselves.
        images: Images per group, (n,), where rows are means over groups. Otherwise single images
            are joined to at most 64 groups of neighbours.

    Returns:
        The k numbers with and without each group.

    Examples:
        >>> import numpy as np
        >>> from seelike.analysis.similarity import jackknifed
        >>> accuracy = np.random.default_rng(0).uniform(size=(640, 1)) < 0.9
        >>> found = jackknifed(accuracy).estimate
        >>> found.low < 0.9 < found.high
        True
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
    """Means of at most 64 runs of images (groups, m), and the images of each."""
    runs = np.array_split(np.arange(len(each)), min(len(each), MOST_GROUPS))
    means = np.stack([each[own].mean(axis=0) for own in runs])
    return means, np.array([len(own) for own in runs], np.float64)


def concatenate(numbers: Sequence[Jackknifed]) -> Jackknifed:
    """Concatenate numbers of one image set; ``AnalysisError`` where their groups differ."""
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
