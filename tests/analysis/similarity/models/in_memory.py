"""Similarities in memory, read as the rows that the store gives."""

import numpy as np
import numpy.typing as npt

from seelike.analysis.similarity.models.layers import Rows


def rows_of(similarity: npt.ArrayLike) -> Rows:
    """Rows of similarities (T, T)."""
    whole = np.asarray(similarity)
    return lambda start, stop: whole[start:stop]
