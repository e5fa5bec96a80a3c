"""Networks on disk: the reference zoo, and states of unfinished trainings."""
