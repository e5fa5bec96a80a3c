"""Reports: the data model of a page, its HTML, its files, and the lineage of its figures."""
