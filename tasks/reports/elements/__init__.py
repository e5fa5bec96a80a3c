"""Elements of every report: page, claims, figures, tables, lineage."""
