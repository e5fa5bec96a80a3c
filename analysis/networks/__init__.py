"""torch and timm: load a network, choose its taps, record them, train the reference zoo."""

from analysis.networks.torchvision_ops import define_missing_operators

# Before anything imports timm, which imports torchvision.
define_missing_operators()

from analysis.networks.models import ModelSpec, load, untrained  # noqa: E402
from analysis.networks.network import Network  # noqa: E402
from analysis.networks.recording import hooked, record, summarise  # noqa: E402
from analysis.networks.reduction import reduce, reduced_shape  # noqa: E402
from analysis.networks.tap import Tap, taps  # noqa: E402
from analysis.networks.transforms import preprocessing, transform  # noqa: E402

__all__ = [
    "ModelSpec",
    "Network",
    "Tap",
    "hooked",
    "load",
    "preprocessing",
    "record",
    "reduce",
    "reduced_shape",
    "summarise",
    "taps",
    "transform",
    "untrained",
]
