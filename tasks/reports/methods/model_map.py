"""Formulas and settings of a map's report."""

import xarray as xr

from seelike.storage.reports.write import Method
from seelike.tasks.reports.methods.comparison import CKA, GRAM, HSIC

ANGLE = "Distance of two models, or two layers: the angle arccos s of their similarity s."
ALIGNED = (
    "Aligned: the best monotone path over both models' layers. D(i, j) = max(D(i−1, j) + B s, "
    "D(i, j−1) + A s, D(i−1, j−1) + (A + B) s), s the CKA of layers i and j of models with A and "
    "B layers, D(1, 1) = (A + B) s; the similarity is D(A, B) / 2AB. The weights of every path "
    "sum to 2AB, half for each model, so a model with itself has 1 (dynamic time warping, Sakoe "
    "and Chiba 1978, in shares of depth)."
)


def models_method(mapped: xr.Dataset) -> Method:
    """The two aggregates, their null and the tree."""
    window = f"{mapped.attrs['window']:g}"
    formulas = [
        GRAM,
        HSIC,
        CKA,
        ALIGNED,
        f"Best match: of every layer the largest CKA with a layer at most {window} of depth away "
        "in the other model, the mean over the layers of each model, and of the two.",
        ANGLE,
        "Tree: average linkage of angles (UPGMA), leaves in optimal order (Bar-Joseph, Gifford "
        "and Jaakkola 2001).",
    ]
    settings = [
        ("images", f"{mapped.attrs['images']['count']} of {mapped.attrs['images']['source']}"),
        ("images per batch", str(mapped.attrs["batch"])),
        ("layers", ", ".join(mapped.attrs["taps"])),
        ("depth window of best matches", window),
    ]
    if "draws" in mapped.attrs:
        formulas.append(
            "p = (1 + draws as large) / (1 + draws): images of one model shuffled within batches, "
            "paths and partners chosen again; corrected: against the largest of all pairs of "
            "models under the same shuffles (Westfall and Young 1993)."
        )
        settings.append(("draws", str(mapped.attrs["draws"])))
    for name, value in zip(
        mapped["aggregate"].values, mapped.attrs.get("cophenetic", []), strict=False
    ):
        if value is not None:
            called = f"cophenetic correlation of the tree, {str(name).replace('_', ' ')}"
            settings.append((called, f"{value:.3f}"))
    return Method(tuple(formulas), tuple(settings))


def explained_method(mapped: xr.Dataset) -> Method:
    """PERMANOVA."""
    counts = sorted({int(one) for one in mapped["factor_permutations"].values.ravel()})
    return Method(
        (
            ANGLE,
            "SS_T = Σ d² over pairs / N; SS_W = Σ d² over pairs of one level / size of the level, "
            "over levels; R² = 1 − SS_W / SS_T (PERMANOVA, Anderson 2001).",
            "F = ((SS_T − SS_W) / (a − 1)) / (SS_W / (N − a)), a levels of N models.",
            "p: the share of permutations of the models among the levels with an F as large; all "
            "different ones where they are few, drawn by a seed otherwise.",
            "One factor at a time: factors that vary together in a study explain the same share. A "
            "small p may also come from levels of different spread.",
        ),
        (("permutations", ", ".join(map(str, counts))),),
    )


def map_method(mapped: xr.Dataset) -> Method:
    """Classical scaling, and UMAP where it was asked for."""
    formulas = [
        GRAM,
        HSIC,
        CKA,
        "D: angles arccos CKA of all layers; B = −½ J D² J, J = I − 1/T (Torgerson 1952, Gower "
        "1966). Axes are the leading eigenvectors of B times the roots of their eigenvalues λ, "
        "each towards deeper layers.",
        "Share of an axis: λ / Σλ, which is its part of the sum of all squared angles.",
        "Weight of negative eigenvalues: Σλ² of those below zero / Σλ²; bounds, since not all "
        "eigenvalues are computed.",
        "B is never stored: a block Krylov space from rows read in passes (Golub and Underwood "
        "1977).",
    ]
    if mapped.attrs["method"] == "umap":
        formulas.append("UMAP (McInnes, Healy and Melville 2018) of D, started from there.")
    return Method(
        tuple(formulas),
        (("layers", str(mapped.sizes["tap"])), ("passes", str(mapped.attrs["passes"]))),
    )
