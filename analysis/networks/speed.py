"""Speed of this machine, measured for estimates: forward passes and matrix products."""

import time

import torch

from seelike.analysis.networks.network import Network

# Images of the timed pass: more are hardly faster per image, and these take seconds at most.
IMAGES = 4
# The side of the matrices whose product is timed.
SIDE = 2048


def seconds_per_image(network: Network) -> float:
    """Measure the seconds per image of a forward pass here, without recording.

    Timed on ``IMAGES`` blank images, after a pass that is not counted.
    """
    x = network.placed(torch.zeros(IMAGES, *network.input_size))
    with torch.inference_mode():
        network.module(x[:1])
        start = time.perf_counter()
        # ``item`` waits for the GPU.
        network.module(x).sum().item()
    return (time.perf_counter() - start) / IMAGES


def multiplications_per_second() -> float:
    """Measure multiply-adds per second of a float32 matrix product here."""
    x = torch.ones(SIDE, SIDE)
    x @ x
    start = time.perf_counter()
    x @ x
    return SIDE**3 / (time.perf_counter() - start)
