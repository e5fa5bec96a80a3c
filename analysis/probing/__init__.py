"""Probes: how well a linear classifier does on the features of a tap."""

from analysis.probing.accuracy import accuracies
from analysis.probing.design import Probing, Split, split
from analysis.probing.features import Axes, axes, with_cells
from analysis.probing.learner import FULL, Learner, Probe
from analysis.probing.ridge import GRID, Path, from_rows
from analysis.probing.taps import Outcome, probe

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
