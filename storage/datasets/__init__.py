"""Labelled data sets for training: Fashion-MNIST and digits."""
