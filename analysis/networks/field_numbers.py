"""Numbers that describe a receptive field: its share in a patch, the radius that holds a share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Patch:
    """A rectangle of the input, in pixels from its top left corner."""

    top: float
    left: float
    height: float
    width: float


def centre_share(field: Array, patch: Patch) -> float:
    """The share, 0 to 1, of a field (height, width) inside a patch; a pixel cut counts in part.

    Raises ``AnalysisError`` for a field without gradient and a patch that reaches beyond it.
    """
    weights = _weights(field)
    below, right = field.shape[0] - patch.height, field.shape[1] - patch.width
    if not (0 <= patch.top <= below and 0 <= patch.left <= right):
        raise AnalysisError(
            f"{patch} is not inside a field of {field.shape} pixels; take the patch and the field "
            f"of the same network"
        )
    rows = _covered(field.shape[0], patch.top, patch.height)
    columns = _covered(field.shape[1], patch.left, patch.width)
    return float(rows @ weights @ columns)


def radius(field: Array, patch: Patch, *, share: float) -> float:
    """The smallest radius in pixels around a patch's middle that holds ``share`` of a field.

    Of the pixels whose own middle is that near, as the crow flies: 0 where the pixel in the
    middle is enough. ``share`` is above 0 and at most 1: 0.5 and 0.95 describe a field. Raises
    ``AnalysisError`` for another share, and for a field without gradient.
    """
    if not 0 < share <= 1:
        raise AnalysisError(f"share is {share}, expected above 0 and at most 1, such as 0.5")
    distances, held = by_distance(_weights(field)[None], patch)
    return float(radius_within(distances, held, share=share)[0])


def by_distance(fields: Array, patch: Patch) -> tuple[Array, Array]:
    """What ``fields`` (n, height, width) hold at each distance from a patch's middle.

    The distances (d,) of pixels' own middles, ascending, and (n, d): ``radius_within`` takes both.
    """
    rows = np.arange(fields.shape[1]) + 0.5 - (patch.top + patch.height / 2)
    columns = np.arange(fields.shape[2]) + 0.5 - (patch.left + patch.width / 2)
    distances, where = np.unique(np.hypot(rows[:, None], columns), return_inverse=True)
    held = [np.bincount(where.ravel(), weights=field.ravel()) for field in fields]
    return distances, np.stack(held)


def radius_within(distances: Array, held: Array, *, share: float) -> Array:
    """The smallest of ``distances`` (d,) within which lies ``share`` of each of ``held`` (n, d)."""
    total = np.cumsum(held, axis=1)
    found: Array = distances[(total >= share * total[:, -1:]).argmax(axis=1)]
    return found


def _covered(pixels: int, start: float, length: float) -> Array:
    """How much of each of a row of pixels lies between start and start + length."""
    edges = np.clip(np.arange(pixels + 1), start, start + length)
    covered: Array = np.diff(edges)
    return covered


def _weights(field: Array) -> Array:
    """``field``, of sum 1; raises ``AnalysisError`` where it is no field."""
    if field.ndim != 2 or not np.isfinite(field).all() or (field < 0).any() or not field.any():
        raise AnalysisError(
            f"a field of shape {field.shape} is no receptive field, expected (height, width) with "
            f"numbers of at least zero, not all zero; make it with receptive_field"
        )
    weights: Array = field / field.sum()
    return weights
