"""The Gram of a device is the Gram of NumPy; run on the CPU, which is a device like others."""

import numpy as np
import pytest
import torch

from seelike.analysis.networks.recording.device_gram import device_gram
from seelike.analysis.similarity import gram
from seelike.analysis.similarity.gram import gram_of_product


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (1e-20, 0), (1e15, 0), (1, 1e3), (3, -7)])
@pytest.mark.parametrize("shape", [(8, 5), (16, 33, 4), (4, 1)])
def test_it_equals_the_gram_of_numpy(scale: float, shift: float, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    x = (x * np.float32(scale) + np.float32(shift * scale)).astype(np.float32)
    product, energy = device_gram(torch.from_numpy(x)).product()
    expected = gram(x.astype(np.float64))
    found = gram_of_product(product, mean_energy=energy)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_blocks_of_features_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(6, 5000, generator=torch.Generator().manual_seed(0))
    whole = device_gram(x).product()[0]
    monkeypatch.setattr("seelike.analysis.networks.recording.device_gram.BLOCK", 6 * 1024)
    np.testing.assert_allclose(device_gram(x).product()[0], whole, rtol=1e-5, atol=1e-3)


def test_the_first_image_that_is_not_finite_is_named() -> None:
    x = torch.ones(5, 3)
    assert device_gram(x).first_not_finite() is None
    x[3, 1], x[4, 0] = float("inf"), float("nan")
    assert device_gram(x).first_not_finite() == 3


def test_constant_features_give_exactly_zero() -> None:
    product, energy = device_gram(torch.full((6, 9), 0.1)).product()
    assert not gram_of_product(product, mean_energy=energy).any()
