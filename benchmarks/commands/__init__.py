"""Benchmarks of commands as people run them."""
