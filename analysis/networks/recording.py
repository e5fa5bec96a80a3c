"""Recording: the activations of a network at its taps, batch by batch."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from analysis.errors import AnalysisError
from analysis.networks.events import first_tensor
from analysis.networks.network import Network
from analysis.networks.patterns import Side
from analysis.networks.reduction import reduce, reduced_shape
from analysis.networks.tap import Tap

T = TypeVar("T")
Place = tuple[str, Side]


def array(tap: Tap, x: Tensor) -> npt.NDArray[np.float32]:  # noqa: ARG001
    """A copy of ``x`` in memory, float32: what ``record`` keeps unless told otherwise."""
    return np.array(x.cpu().numpy())
