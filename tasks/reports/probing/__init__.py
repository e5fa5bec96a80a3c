"""The report on linear probes."""
