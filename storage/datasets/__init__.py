"""Data sets with labels that networks are trained on: Fashion-MNIST and digits."""
