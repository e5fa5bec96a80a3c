"""Formulas and settings behind the numbers of a report, for its method folds."""
