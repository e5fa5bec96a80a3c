"""Formulas and settings of the analyses inside networks and of probes."""

from collections.abc import Mapping
from typing import Any

from seelike.analysis.probing.design import HELD_OUT
from seelike.analysis.probing.ridge import GRID
from seelike.storage.arrays.xarray_datasets import PROBES
from seelike.storage.reports.write import Method
from seelike.tasks.probing import PARTS

# By name of the analysis.
FORMULAS: dict[str, tuple[str, ...]] = {
    "attention": (
        "d = meanᵢ Σⱼ aᵢⱼ ‖pᵢ − pⱼ‖: aᵢⱼ the attention of patch i to patch j after the softmax, "
        "p the middles of patches in pixels; the mean is over patches i, then over images.",
        "Renormalised: aᵢⱼ / Σⱼ aᵢⱼ in place of aᵢⱼ, the sum over patches j alone.",
        "Uniform attention: the same with aᵢⱼ = 1 / number of tokens.",
    ),
    "heads": (
        "A head's output: its attention times its values, before heads are projected together.",
        "Subsets: runs of a quarter of the heads, in order of their mean attention distance; the "
        "Gram matrix of a subset is the sum of its heads' Gram matrices.",
        "CKA = Σ HSIC₁(K, L) / √(Σ HSIC₁(K, K) · Σ HSIC₁(L, L)), sums over batches of images "
        "(Nguyen, Raghu and Kornblith 2021).",
        "Correlation: Pearson's, of single heads' distance and CKA.",
    ),
    "receptive_fields": (
        "F(x, y) = mean |∂ z_c / ∂ input(x, y)| over the layer's channels c, input channels and "
        "images, z_c a channel of the layer at its centre location; then F / Σ F (Luo et al. 2016, "
        "Raghu et al. 2021). The absolute value comes before the mean over channels.",
        "Channels: all of them where they are few; else each image takes the next k of a random "
        "order of all channels that its group of images shares, so that the mean over them is "
        "unbiased and the interval includes the sample's spread.",
        "Centre share: Σ F over the centre patch. Radius: around the patch's middle, where Σ F "
        "within it reaches 0.5 or 0.95; each pixel counts at the distance of its middle, spread "
        "by 0.71 pixels, to its corner, over a triangle.",
        "Uniform field: the same radius if F were the same for all pixels.",
    ),
    "residuals": (
        "Ratio = ‖x‖ / ‖f(x)‖, cosine = x · f(x) / (‖x‖ ‖f(x)‖): x what a skip carries, f(x) the "
        "branch added to it, over the channels of one token or pixel; means over an image's "
        "tokens, then over images.",
    ),
    "localization": (
        "CKA(t, p) = Σ HSIC₁(K_t, L_p) / √(Σ HSIC₁(K_t, K_t) · Σ HSIC₁(L_p, L_p)): K_t the Gram "
        "matrix of one token over a batch of images, L_p that of one patch of their pixels, sums "
        "over batches.",
        "Own patch first: the share of tokens t for which no p has a larger CKA than p = t; tied "
        "patches share it. Softly: the mean over tokens of exp(CKA(t, t) / 0.05) / Σ_p "
        "exp(CKA(t, p) / 0.05), which has no jumps and so an interval.",
        "z = (CKA(t, t) − mean) / standard deviation, both over the patches p ≠ t.",
    ),
    "ablation": (
        "Without a skip, x + f(x) becomes f(x), and all later layers compute on that.",
        "Agreement: the share of images with the same most likely class as the intact network's.",
    ),
    PROBES: (
        "min over W of ‖Y − X W‖² + λ ‖W‖²: X one tap's features, each divided by its standard "
        "deviation over the training images and centred, Y ±1 targets, intercept free.",
        "Solved by the examples' Gram matrix where features are more than examples (dual), by the "
        "features' scatter otherwise.",
        f"λ: of {len(GRID)} from 10⁻⁴ to 10³ times the mean squared length of an example, the one "
        f"that gets most held-out images right, {HELD_OUT:.0%} of those that are not for testing. "
        "The few-shot probes learn from k images per class, but their λ is chosen on all held-out "
        "images, which have labels, too.",
    ),
}


def anatomy_method(analysis: str, known: Mapping[str, Any] | None) -> Method | None:
    """Formulas and settings of ``analysis``.

    Args:
        analysis: Name of an analysis, or ``probes``.
        known: Attributes of one of its datasets; None where no model has the part.
    """
    if known is None:
        return None
    settings = _of_probes(known) if analysis == PROBES else _of_images(known)
    return Method(FORMULAS[analysis], (*settings, ("interval", known["interval"])))


def _of_images(known: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    images = known["images"]
    settings = [("images", f"the first {images['used']} of {images['source']}")]
    if "channel_sample" in known:
        of = known["channel_sample"]
        drawn = f"{of['per image']} per image, {of['per group']} per group of images"
        chosen = f"all up to {of['exact up to']}, else {drawn}, seed {of['seed']}"
        settings.append(("channels", chosen))
    if "images_a_gram" in known:
        settings.append(("images per batch", str(known["images_a_gram"])))
    return tuple(settings)


def _of_probes(known: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    design, parts = known["probing"], known["split"]
    return (
        ("images", f"{known['images']['count']} of {known['images']['source']}"),
        *((part.replace("_", " "), str(parts[part])) for part in PARTS),
        ("shots", ", ".join(map(str, design["shots"]))),
        ("draws", str(design["draws"])),
    )
