"""Formulas and settings of a comparison's sections."""

import xarray as xr

from seelike.storage.reports.write import Method

GRAM = (
    "K = X Xᵀ, X the activations of a layer on a batch of images, flattened and centred; "
    "K̃ is K U-centred (Székely and Rizzo 2014)."
)
HSIC = "HSIC₁(K, L) = Σᵢ≠ⱼ K̃ᵢⱼ L̃ᵢⱼ / (n (n − 3)), n images per batch (Song et al. 2012)."
CKA = (
    "CKA = Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K) · Σ HSIC₁(L, L)), sums over batches "
    "(Nguyen, Raghu and Kornblith 2021)."
)
QUARTERS = "Ends: mean CKA of every layer of the lowest quarter with every one of the highest."
MATCH = "Best match of a layer: the layer of the other model with the largest CKA."
SAME = "Same layers: CKA of every layer of one network with the same layer of the other."
HALVES = "Halves: the mean over the lower half of the layers, and over the upper half."
QUARTER_ENDS = "Quarters: the mean over the first quarter of the layers, and over the last."
ACROSS = (
    "Across block i: mean CKA of every layer below the block with every one above it; on one side: "
    "of every two layers that are both below it, or both above."
)
INTERVAL = (
    "Intervals: θ ± t(0.975, B − 1) √((B − 1) / B · Σ (θ₍ⱼ₎ − θ̄)²), θ₍ⱼ₎ the number without "
    "batch j of B (delete-one jackknife); see docs/statistics.md."
)


def cka_method(dataset: xr.Dataset, *further: str) -> Method:
    """Minibatch CKA with the settings of the comparison, and ``further`` formulas."""
    known = dataset.attrs
    return Method(
        (GRAM, HSIC, CKA, *further, INTERVAL),
        (
            ("images", f"{known['images']['count']} of {known['images']['source']}"),
            ("images per batch", str(known["batch"])),
            ("layers", ", ".join(known["taps"])),
            ("reduction", known["reduction"]),
            ("estimator", known["estimator"]),
            ("interval", known["interval"]),
        ),
    )


def chance_method(dataset: xr.Dataset) -> Method:
    """Permutation tests and calibrated CKA."""
    return Method(
        (
            "p = (1 + draws with a CKA at least as large) / (1 + draws).",
            "q within a model: p adjusted for all pairs of layers of the model (Benjamini and "
            "Hochberg 1995).",
            "q across two models: p adjusted for all their pairs of layers, and at least the "
            "corrected p of the two models.",
            "Corrected p of two models = (1 + draws whose largest CKA across any two models is at "
            "least as large as theirs) / (1 + draws) (Westfall and Young 1993).",
            "Calibrated CKA = max((CKA − c) / (1 − c), 0), c the 95 % point of the draws "
            "(Gröger, Wen and Brbić 2026).",
        ),
        (("shuffles of the images, two draws each", str(dataset.attrs["permutations"])),),
    )
