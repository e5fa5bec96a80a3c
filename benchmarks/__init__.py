"""Costs and statistics of seelike, measured beside its peers: one module per item.

    python -m benchmarks [ITEM ...] [--quick] [--device cpu|cuda]
    python -m benchmarks report

An item measures, stores its numbers as JSON in benchmarks/results, and reports them in a section of
docs/benchmarks.md. ``--quick`` runs toy sizes, prints the section and stores nothing.
"""
