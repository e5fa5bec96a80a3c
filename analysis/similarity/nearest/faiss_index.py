"""Index of sketches: approximate nearest neighbours among 10^5 to 10^6 of them.

An inverted file with a scalar quantiser of one byte per number (Johnson, Douze & Jégou 2021,
FAISS): sketches are sorted into lists by the nearest centre of k-means, and a query searches the
lists of the nearest centres. Compare the candidates again by the sketches themselves.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from seelike.analysis.errors import AnalysisError

# Another way of building is another index.
INDEX_FORMAT = "faiss-ivf-sq8-1"
MOST_LISTS = 4096
# Sketches a list that the centres are learnt from.
TRAINING_PER_LIST = 64
# The share of the lists that a query looks into, and how many at least.
PROBED_SHARE, FEWEST = 1 / 16, 16

# Numbers of some sketches, and the sketches themselves (n, d) float32.
NumberedSketches = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Index:
    """An index; ``faiss`` is the object of FAISS."""

    faiss: Any

    def content(self) -> npt.NDArray[np.uint8]:
        """Bytes (n,) uint8 of the index, for ``load_index``."""
        return np.asarray(_import_faiss().serialize_index(self.faiss))

    def nearest(self, query: npt.ArrayLike, *, count: int) -> npt.NDArray[np.int64]:
        """Find about ``count`` nearest sketches.

        Args:
            query: Sketch of the layer, (d,).
            count: Most neighbours.

        Returns:
            Numbers of the sketches, nearest first, (at most count,) int64; fewer where the searched
            lists hold fewer.
        """
        lists = int(self.faiss.nlist)
        probes = min(lists, max(FEWEST, round(lists * PROBED_SHARE)))
        asked = _import_faiss().SearchParametersIVF(nprobe=probes)
        wanted = np.asarray(query, np.float32)[None]
        _, numbers = self.faiss.search(wanted, min(count, int(self.faiss.ntotal)), params=asked)
        found: npt.NDArray[np.int64] = numbers[0]
        return found[found >= 0]


def build_index(
    blocks: Callable[[], Iterable[NumberedSketches]], *, count: int, dimension: int
) -> Index:
    """Build the index of sketches.

    Memory: one byte per number, and the sketches from which the centres are learnt.

    Args:
        blocks: Gives numbers and sketches (n, dimension), block by block; called twice.
        count: Number of sketches.
        dimension: Numbers per sketch.

    Raises:
        AnalysisError: FAISS is not installed.
    """
    library = _import_faiss()
    lists = max(1, min(MOST_LISTS, int(np.sqrt(count)), count // TRAINING_PER_LIST))
    coarse = library.IndexFlatL2(dimension)
    index = library.IndexIVFScalarQuantizer(
        coarse, dimension, lists, library.ScalarQuantizer.QT_8bit
    )
    taught = min(1.0, TRAINING_PER_LIST * lists / count)
    rng = np.random.default_rng(0)
    sample = [rows[rng.random(len(rows)) <= taught] for _, rows in blocks()]
    index.train(np.concatenate(sample))
    for numbers, rows in blocks():
        index.add_with_ids(np.ascontiguousarray(rows), numbers)
    return Index(index)


def load_index(content: npt.NDArray[np.uint8]) -> Index:
    """Load an index from the bytes of ``Index.content``."""
    return Index(_import_faiss().deserialize_index(content))


def _import_faiss() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise AnalysisError(
            "an index of sketches needs FAISS: pip install 'seelike[index]', or leave --index out"
        ) from error
    library: ModuleType = faiss
    return library
