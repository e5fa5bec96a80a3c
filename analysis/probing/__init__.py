"""Probes: the accuracy of linear classifiers on the features of a layer."""

from seelike.analysis.probing.accuracy import accuracies
from seelike.analysis.probing.design import Probing, Split, split
from seelike.analysis.probing.features import Axes, axes, with_cells
from seelike.analysis.probing.learner import FULL, Learner, Probe
from seelike.analysis.probing.ridge import GRID, Path, from_rows
from seelike.analysis.probing.taps import Outcome, probe

__all__ = [
    "FULL",
    "GRID",
    "Axes",
    "Learner",
    "Outcome",
    "Path",
    "Probe",
    "Probing",
    "Split",
    "accuracies",
    "axes",
    "from_rows",
    "probe",
    "split",
    "with_cells",
]
