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
    """Yield the images of every piece, transformed for the network, (n, c, h, w) float32.

    Args:
        network: The network.
        images: The image set.
        pieces: Ranges of image numbers.
    """
    prepared = transform(network)
    return _load_ahead(lambda i: prepared(images.read(i)), pieces)


def _load_ahead(load: Callable[[int], Tensor], pieces: Sequence[range]) -> Iterator[Tensor]:
    """Stack the images of every piece; threads read the next piece while one is in use."""
    with ThreadPoolExecutor(max(2, cores())) as pool:
        waiting = deque(pool.map(load, piece) for piece in pieces[:1])
        for following in [*pieces[1:], None]:
            if following is not None:
                waiting.append(pool.map(load, following))
            yield torch.stack(list(waiting.popleft()))
