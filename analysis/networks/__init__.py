"""torch and timm: load a network, choose its taps, record them, train the reference zoo."""

from analysis.networks.torchvision_ops import define_missing_operators

# Before anything imports timm, which imports torchvision.
define_missing_operators()
