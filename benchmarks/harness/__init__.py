"""Shared parts of all benchmark items: clocks, processes, peers, the report."""
