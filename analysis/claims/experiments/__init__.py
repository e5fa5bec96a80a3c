"""Tests of the claims, experiment by experiment: the numbers and networks of each."""
