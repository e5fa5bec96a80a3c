"""Numbers that describe a receptive field: its share in a patch, the radius that holds a share."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError

Array = npt.NDArray[np.float64]
# Radii above this share of a uniform field's are limited by the image.
AT_EDGE = 0.95


@dataclass(frozen=True)
class Patch:
    """A rectangle of the input, in pixels from its top left corner."""

    top: float
    left: float
    height: float
    width: float


def centre_share(field: Array, patch: Patch) -> float:
    """The share, 0 to 1, of a field (height, width) inside a patch; a pixel cut counts in part.

    Raises:
        AnalysisError: For a field without gradient and a patch that reaches beyond it.
    """
    return float(within(_weights(field)[None], patch)[0])


def within(fields: Array, patch: Patch) -> Array:
    """Sum fields (n, height, width) inside a patch: (n,); a pixel cut counts in part.

    Raises:
        AnalysisError: For a patch that reaches beyond the fields.
    """
    below, right = fields.shape[1] - patch.height, fields.shape[2] - patch.width
    if not (0 <= patch.top <= below and 0 <= patch.left <= right):
        raise AnalysisError(
            f"{patch} is not inside a field of {fields.shape[1:]} pixels; take the patch and the "
            f"field of the same network"
        )
    rows = _covered(fields.shape[1], patch.top, patch.height)
    columns = _covered(fields.shape[2], patch.left, patch.width)
    held: Array = rows @ fields @ columns
    return held


def radius(field: Array, patch: Patch, *, share: float) -> float:
    """The radius in pixels around a patch's middle that holds ``share`` of a field.

    Pixels count where their own middles are, as the crow flies; between one distance and the next
    the share grows linearly, see ``radius_within``: 0 where the pixel in the middle is enough.

    Args:
        field: Gradient per pixel (height, width), at least zero.
        patch: The patch that the field belongs to.
        share: Above 0 and at most 1: 0.5 and 0.95 describe a field.

    Returns:
        The radius, in pixels. It can't exceed the image: compare ``uniform_radius``.

    Raises:
        AnalysisError: For another share, and for a field without gradient.
    """
    if not 0 < share <= 1:
        raise AnalysisError(f"share is {share}, expected above 0 and at most 1, such as 0.5")
    distances, held = by_distance(_weights(field)[None], patch)
    return float(radius_within(distances, held, share=share)[0])


def uniform_radius(size: tuple[int, int], patch: Patch, *, share: float) -> float:
    """The radius in pixels that holds ``share`` of an image whose pixels all count alike.

    A field's radius near this one says how large the image is, not how large the field would be:
    see ``at_edge``. Errors are as in ``radius``.

    Args:
        size: Height and width of the image, in pixels.
        patch: The patch around whose middle the radius is taken.
        share: Above 0 and at most 1.
    """
    return radius(np.ones(size), patch, share=share)


def at_edge(radii: npt.ArrayLike, uniform: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether radii reach ``AT_EDGE`` of those of a uniform field: limited by the image's edge."""
    reached: npt.NDArray[np.bool_] = np.asarray(radii) >= AT_EDGE * np.asarray(uniform)
    return reached


def by_distance(fields: Array, patch: Patch) -> tuple[Array, Array]:
    """Sum fields (n, height, width) at each distance from a patch's middle.

    Returns:
        The distances (d,) of pixels' own middles in pixels, ascending, and the sums (n, d):
        ``radius_within`` takes both.
    """
    rows = np.arange(fields.shape[1]) + 0.5 - (patch.top + patch.height / 2)
    columns = np.arange(fields.shape[2]) + 0.5 - (patch.left + patch.width / 2)
    distances, where = np.unique(np.hypot(rows[:, None], columns), return_inverse=True)
    held = [np.bincount(where.ravel(), weights=field.ravel()) for field in fields]
    return distances, np.stack(held)


def radius_within(distances: Array, held: Array, *, share: float) -> Array:
    """Interpolate the radius within which lies ``share`` of what each distance holds.

    The amount within a radius is a line from (0, 0) to the first distance and from each distance
    to the next, so that the radius changes smoothly with the field.

    Args:
        distances: Distances (d,) in pixels, ascending, at least 0.
        held: Amounts (n, d) at each of them, at least zero, each row with a sum above zero.
        share: Above 0 and at most 1.

    Returns:
        Radii (n,), in pixels, float64.
    """
    total = np.cumsum(held, axis=1)
    goal = share * total[:, -1]
    found = (total >= goal[:, None]).argmax(axis=1)
    each = np.arange(len(held))
    before = np.where(found > 0, total[each, found - 1], 0.0)
    start = np.where(found > 0, distances[found - 1], 0.0)
    part = (goal - before) / (total[each, found] - before)
    radii: Array = start + part * (distances[found] - start)
    return radii


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
