"""What seelike costs, measured beside its peers: one module an item, one run for all of it.

    python -m benchmarks [ITEM ...] [--quick] [--device cpu|cuda]
    python -m benchmarks report

An item measures, keeps its numbers as JSON in benchmarks/results, and says them in a section of
docs/benchmarks.md. ``--quick`` runs toy sizes, prints the section and keeps nothing.
"""
