"""How fast this machine runs a network and multiplies matrices: for estimates, measured anew."""

import time

import torch

from seelike.analysis.networks.network import Network

# A forward pass this wide is about as fast an image as wider ones, and takes seconds at most.
IMAGES = 4
# The side of the matrices whose product is timed.
SIDE = 2048


def seconds_an_image(network: Network) -> float:
    """Seconds that a forward pass takes for one image here, without recording anything.

    Measured on ``IMAGES`` blank images, after a pass that is not counted.
    """
    x = network.placed(torch.zeros(IMAGES, *network.input_size))
    with torch.inference_mode():
        network.module(x[:1])
        start = time.perf_counter()
        # An item is a number: a GPU has to be done by then.
        network.module(x).sum().item()
    return (time.perf_counter() - start) / IMAGES


def multiplications_a_second() -> float:
    """Multiply-adds a second in a product of float32 matrices here, as Grams are made of."""
    x = torch.ones(SIDE, SIDE)
    x @ x
    start = time.perf_counter()
    x @ x
    return SIDE**3 / (time.perf_counter() - start)
