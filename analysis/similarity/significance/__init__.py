"""Permutation tests of similarities, and corrections for many tests."""
