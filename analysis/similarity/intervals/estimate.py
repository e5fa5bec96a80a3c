"""A number with its 95 % interval."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; None where the data give no interval.

    Attributes:
        value: The number.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
        error: Standard error.
        freedom: Degrees of freedom of the standard error.
    """

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    freedom: float | None = None

    def clipped(self, low: float, high: float) -> "Estimate":
        """The estimate with its interval cut to [``low``, ``high``]."""
        if self.low is None or self.high is None:
            return self
        below, above = (min(max(end, low), high) for end in (self.low, self.high))
        return replace(self, low=below, high=above)
