"""Places: the tokens or locations of a layer, and their patches of the input."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.layers.layouts import Layouts
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.recording import Batch, record

Float32 = npt.NDArray[np.float32]
Grid = tuple[int, int]


def grid(network: Network, tap: Tap) -> Grid:
    """Find the rows and columns of a tap's tokens or locations, without class and register tokens.

    Args:
        network: The network.
        tap: One of its layers.

    Returns:
        Rows and columns.

    Raises:
        AnalysisError: For a tap that is neither a map nor tokens of patches.
    """
    kind, shape = tap.layout.kind, tap.shape
    if kind == "map":
        return shape[1], shape[2]
    if kind == "map_last":
        return shape[0], shape[1]
    if kind in ("tokens", "tokens_last"):
        count = (shape[0] if kind == "tokens" else shape[1]) - tap.layout.prefix
        patches = Layouts(network).grid
        if patches is not None and patches[0] * patches[1] == count:
            return patches
        _, height, width = network.input_size
        rows = round((count * height / width) ** 0.5)
        if rows and count % rows == 0:
            return rows, count // rows
    raise AnalysisError(
        f"tap {tap.name!r} of {network.name} of shape {shape} is neither a map nor tokens of "
        f"patches, so it has no locations; give another tap, such as one of 'blocks'"
    )


def tokens(network: Network, tap: Tap, batches: Iterable[Batch]) -> Iterator[Float32]:
    """Record the tokens or locations of a tap, row by row from the top left.

    Args:
        network: The network.
        tap: The layer.
        batches: Transformed images, as in ``record``.

    Yields:
        Arrays (n, T, d), float32, one per batch; T as ``grid`` says.

    Raises:
        AnalysisError: As ``grid`` and ``record``.
    """
    grid(network, tap)
    return (recorded[tap.name] for recorded in record(network, [tap], batches, reduction="tokens"))


def pixel_patches(images: Tensor, onto: Grid) -> Float32:
    """Cut images into the cells of a grid.

    Args:
        images: Images as a network takes them, normalised: (n, c, h, w).
        onto: Rows and columns of the grid.

    Returns:
        The pixels of each cell, (n, P, h w c / P), float32.

    Raises:
        AnalysisError: As ``grouped``.
    """
    n, channels, height, width = images.shape
    pixels = images.detach().float().cpu().permute(0, 2, 3, 1).numpy()
    return grouped(pixels.reshape(n, height * width, channels), (height, width), onto)


def grouped(x: npt.ArrayLike, of: Grid, onto: Grid) -> Float32:
    """Join the places of a grid into those of a coarser one.

    The places inside a cell of the coarser grid are joined, not averaged: embedded patches become
    the patches of a later stage.

    Args:
        x: Features (n, places, d).
        of: Rows and columns of their grid.
        onto: Rows and columns of the coarser grid.

    Returns:
        Features (n, P, d places / P), float32.

    Raises:
        AnalysisError: Where cells would not cover the same whole number of places each, and where
            ``x`` has other places than the grid.
    """
    places = np.asarray(x, np.float32)
    (height, width), (rows, columns) = of, onto
    if places.ndim != 3 or places.shape[1] != height * width:
        raise AnalysisError(
            f"places of shape {places.shape}, expected (images, {height * width}, features) of a "
            f"grid {height} x {width}"
        )
    if min(onto) < 1 or height % rows or width % columns:
        raise AnalysisError(
            f"a grid of {rows} x {columns} does not divide one of {height} x {width}, so that "
            f"tokens have no whole patch of their own; choose another tap or image size"
        )
    n, _, features = places.shape
    down, across = height // rows, width // columns
    cells = places.reshape(n, rows, down, columns, across, features).transpose(0, 1, 3, 2, 4, 5)
    return np.ascontiguousarray(cells).reshape(n, rows * columns, down * across * features)


def coarsened(of: Grid, *, most: int) -> Grid:
    """Find the finest grid of at most ``most`` square cells that divides the grid ``of``.

    Returns:
        Rows and columns; ``of`` itself where no such grid exists.
    """
    height, width = of
    sides = (k for k in range(1, max(of) + 1) if height % k == 0 and width % k == 0)
    cells = ((height // side, width // side) for side in sides)
    return next((each for each in cells if each[0] * each[1] <= most), of)


def inside(of: Grid) -> npt.NDArray[np.intp]:
    """Return the indices of the places that are not at the rim of a grid."""
    rows, columns = np.divmod(np.arange(of[0] * of[1]), of[1])
    inner = (rows > 0) & (rows < of[0] - 1) & (columns > 0) & (columns < of[1] - 1)
    return np.flatnonzero(inner)


def embedding(network: Network) -> Tap | None:
    """Find the tap at which a network has embedded its patches; None without patches."""
    name = Layouts(network).embedding
    return None if name is None else taps(network, [name])[0]


def place(row: int, column: int, *, of: Grid) -> int:
    """Return the index of a token by its row and column, each from 0 at the top left.

    Raises:
        AnalysisError: For a place outside the grid.
    """
    rows, columns = of
    if not (0 <= row < rows and 0 <= column < columns):
        raise AnalysisError(
            f"no token at row {row}, column {column} of a grid {rows} x {columns}; rows go from 0 "
            f"to {rows - 1}, columns from 0 to {columns - 1}"
        )
    return row * columns + column
