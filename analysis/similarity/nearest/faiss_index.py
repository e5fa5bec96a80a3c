"""An index of sketches: near ones among 10^5 to 10^6 without looking at all of them.

Sketches are sorted into lists by the nearest of some centres (k-means), each number in a byte
(inverted file with scalar quantiser: Johnson, Douze & Jégou 2021, the library FAISS); a query looks
into the lists of the nearest centres. What it finds is to be compared again by the sketches.
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
    """An index that was made or opened; ``faiss`` is its own object."""

    faiss: Any

    def content(self) -> npt.NDArray[np.uint8]:
        """Its bytes, from which ``opened`` makes it again."""
        return np.asarray(_library().serialize_index(self.faiss))

    def nearest(self, query: npt.ArrayLike, *, count: int) -> npt.NDArray[np.int64]:
        """Numbers of about the ``count`` sketches nearest to ``query`` (d,), nearest first.

        Fewer where the lists that were looked into hold fewer.
        """
        lists = int(self.faiss.nlist)
        probes = min(lists, max(FEWEST, round(lists * PROBED_SHARE)))
        asked = _library().SearchParametersIVF(nprobe=probes)
        wanted = np.asarray(query, np.float32)[None]
        _, numbers = self.faiss.search(wanted, min(count, int(self.faiss.ntotal)), params=asked)
        found: npt.NDArray[np.int64] = numbers[0]
        return found[found >= 0]


def build_index(
    blocks: Callable[[], Iterable[NumberedSketches]], *, count: int, dimension: int
) -> Index:
    """The index of ``count`` sketches of ``dimension`` numbers, which ``blocks`` gives twice over.

    Memory: a byte a number, and the sketches that the centres are learnt from. Raises
    ``AnalysisError`` where FAISS is not installed.
    """
    library = _library()
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
    """The index whose ``content`` these bytes are."""
    return Index(_library().deserialize_index(content))


def _library() -> ModuleType:
    try:
        import faiss
    except ImportError as error:
        raise AnalysisError(
            "an index of sketches needs FAISS: pip install 'seelike[index]', or leave --index out"
        ) from error
    library: ModuleType = faiss
    return library
