"""The variables of every stored dataset: name, dimensions, dtype, unit and meaning."""

from seelike.storage.arrays.variables import anatomy, comparisons, probes_and_maps
from seelike.storage.arrays.variables.variable import Variable

__all__ = ["VARIABLES", "Variable"]

_DIGEST = Variable("digest", ("row", "checksum"), "uint32", "Completion mark and checksums.")
_SIGNED = ("batch", "layer")

VARIABLES: dict[str, tuple[Variable, ...]] = {
    "comparisons": comparisons.COMPARISONS,
    "measures": comparisons.MEASURES,
    "pairs": comparisons.PAIRS,
    "maps": probes_and_maps.MAPS,
    "anatomy: attention": anatomy.ATTENTION,
    "anatomy: heads": anatomy.HEADS,
    "anatomy: receptive_fields": anatomy.RECEPTIVE_FIELDS,
    "anatomy: residuals": anatomy.RESIDUALS,
    "anatomy: localization": anatomy.LOCALIZATION,
    "anatomy: ablation": anatomy.ABLATION,
    "probes": probes_and_maps.PROBES,
    "recordings": (
        Variable("{layer}", ("image", "..."), "float32", "Activations of the layer."),
        _DIGEST,
    ),
    "signatures": (
        Variable("direction", (*_SIGNED, "pair"), "float32", "Signature, of length 1."),
        Variable("norm", _SIGNED, "float64", "Length of the signature before."),
        _DIGEST,
    ),
    "sketches": (
        Variable("sketch", ("layer", "number"), "float32", "Sketch of the signature."),
        Variable("part", ("batch", "layer", "number"), "float32", "What a batch adds to it."),
        Variable("norm", _SIGNED, "float64", "Length of the signature."),
        _DIGEST,
    ),
}
