"""Accuracy of numbers, sanity checks, and error rates of permutation tests."""
