"""Features of a layer for probes: class token, mean of spatial tokens, single tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]
Grid = tuple[int, int]

CLS, MEAN, TOKEN = "cls", "mean", "token"


@dataclass(frozen=True)
class Axes:
    """The axes of a layer's array (n, *shape).

    Attributes:
        kind: That of a ``Layout``.
        prefix: Number of first tokens that are not spatial.
        class_token: Whether the very first token is the class token.
        spatial: Number of spatial tokens, which follow.
        channels: Number of channels.
        grid: Rows and columns of the spatial tokens; None where they fill no grid.
        cells: Rows and columns that they are pooled to before single tokens are probed; None where
            single tokens are not probed.
    """

    kind: str
    prefix: int
    class_token: bool
    spatial: int
    channels: int
    grid: Grid | None
    cells: Grid | None = None

    @property
    def pooled(self) -> tuple[str, ...]:
        """Names of the features that are no single tokens: ``cls``, ``mean``."""
        return ((CLS,) if self.class_token else ()) + ((MEAN,) if self.spatial else ())

    @property
    def tokens(self) -> int:
        """Number of tokens that are probed singly."""
        return 0 if self.cells is None else self.cells[0] * self.cells[1]


def axes(
    kind: str, shape: tuple[int, ...], *, prefix: int, class_token: bool, aspect: float
) -> Axes:
    """Find the axes of a layer's features.

    Tokens fill the grid whose sides have the input's aspect, as patches do.

    Args:
        kind: Kind of its ``Layout``.
        shape: Shape of one image's features.
        prefix: Number of first tokens that are not spatial.
        class_token: Whether the very first token is the class token.
        aspect: Height of the input over its width.
    """
    if kind in ("vector", "other"):
        return Axes(kind, 0, False, int(kind == "vector"), shape[-1], None)
    if kind in ("map", "map_last"):
        rows, columns = shape[1:] if kind == "map" else shape[:2]
        channels = shape[0 if kind == "map" else 2]
        return Axes(kind, 0, False, rows * columns, channels, (rows, columns))
    count, channels = shape if kind == "tokens" else shape[::-1]
    spatial = count - prefix
    return Axes(kind, prefix, class_token, spatial, channels, _grid(spatial, aspect))


def _grid(tokens: int, aspect: float) -> Grid | None:
    if tokens < 1:
        return None
    rows = max(1, round((tokens * aspect) ** 0.5))
    return (rows, tokens // rows) if tokens % rows == 0 else None


def with_cells(all_axes: Mapping[str, Axes]) -> dict[str, Axes]:
    """Pool the tokens of one network's layers to a common size: the smallest grid of all.

    So single tokens of all depths stand for as much of the image. A grid of one is no map.

    Args:
        all_axes: Axes by layer.

    Returns:
        The same with ``cells``.
    """
    grids = [one.grid for one in all_axes.values() if one.grid is not None and one.grid != (1, 1)]
    if not grids:
        return dict(all_axes)
    common = (min(rows for rows, _ in grids), min(columns for _, columns in grids))
    return {
        name: one if one.grid in (None, (1, 1)) else replace(one, cells=common)
        for name, one in all_axes.items()
    }


def pooled(x: Values, of: Axes) -> Values:
    """Features named ``of.pooled`` of activations ``x`` (n, *shape): (n, features, channels)."""
    if of.kind == "vector":
        return x[:, None]
    tokens = _AS_TOKENS[of.kind](x)
    parts = []
    if CLS in of.pooled:
        parts.append(tokens[:, 0])
    if MEAN in of.pooled:
        parts.append(tokens[:, of.prefix :].mean(axis=1, dtype=np.float64))
    return np.stack(parts, axis=1).astype(np.float32)


def single(x: Values, of: Axes) -> Values:
    """Spatial tokens of ``x`` (n, *shape) in ``of.cells``, row by row: (n, cells, channels)."""
    assert of.grid is not None and of.cells is not None
    spatial = _AS_TOKENS[of.kind](x)[:, of.prefix :]
    if of.cells == of.grid:
        return spatial
    rows, columns = (_averaging(size, cells) for size, cells in zip(of.grid, of.cells, strict=True))
    maps = spatial.reshape(len(x), of.grid[0], -1)
    lines = (rows @ maps).reshape(-1, of.grid[1], of.channels)
    return (columns @ lines).reshape(len(x), -1, of.channels).astype(np.float32)


def _averaging(size: int, cells: int) -> npt.NDArray[np.float64]:
    """Matrix (cells, size) of adaptive average pooling: cells of equal or nearly equal size."""
    weights = np.zeros((cells, size))
    for cell in range(cells):
        start, stop = cell * size // cells, -(-(cell + 1) * size // cells)
        weights[cell, start:stop] = 1 / (stop - start)
    return weights


_AS_TOKENS: Mapping[str, Callable[[Values], Values]] = {
    "tokens": lambda x: x,
    "tokens_last": lambda x: x.swapaxes(1, 2),
    "map": lambda x: x.reshape(*x.shape[:2], -1).swapaxes(1, 2),
    "map_last": lambda x: x.reshape(len(x), -1, x.shape[-1]),
}
