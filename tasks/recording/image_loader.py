"""Batches of images for a network, decoded and transformed ahead of the forward pass."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from seelike.analysis.cores import cores
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.transforms import transform
from seelike.storage.images import ImageSet


def forward_batches(
    network: Network, images: ImageSet, pieces: Sequence[range]
) -> Iterator[Tensor]:
    """The images of every piece (n, c, h, w), as the network takes them."""
    prepared = transform(network)
    return _ahead(lambda i: prepared(images.read(i)), pieces)


def _ahead(load: Callable[[int], Tensor], pieces: Sequence[range]) -> Iterator[Tensor]:
    """Stacked images of every piece; threads read the next piece while one is in use."""
    with ThreadPoolExecutor(max(2, cores())) as pool:
        waiting = deque(pool.map(load, piece) for piece in pieces[:1])
        for following in [*pieces[1:], None]:
            if following is not None:
                waiting.append(pool.map(load, following))
            yield torch.stack(list(waiting.popleft()))
