"""The report with every experiment of the paper."""
