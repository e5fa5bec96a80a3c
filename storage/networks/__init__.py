"""Networks on disk: the reference zoo, and the states of trainings that go on."""
