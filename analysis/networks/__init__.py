"""Networks in torch and timm: loading, taps, recording, anatomy, training of the zoo."""

from seelike.analysis.networks.loading.torchvision_ops import define_missing_operators

# Before anything imports timm, which imports torchvision.
define_missing_operators()

from seelike.analysis.networks.layers.tap import Tap, taps  # noqa: E402
from seelike.analysis.networks.loading.models import ModelSpec, load, untrained  # noqa: E402
from seelike.analysis.networks.network import Network  # noqa: E402
from seelike.analysis.networks.recording.recording import hooked, record, summarise  # noqa: E402
from seelike.analysis.networks.recording.reduction import reduce, reduced_shape  # noqa: E402
from seelike.analysis.networks.transforms import preprocessing, transform  # noqa: E402

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
