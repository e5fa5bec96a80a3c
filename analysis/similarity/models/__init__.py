"""From layers to models: aggregates, clustering, PERMANOVA, classical scaling."""
