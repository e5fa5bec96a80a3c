"""Reports: one package per report, and the elements that all of them share."""
