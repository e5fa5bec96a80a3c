"""Reports: data model of a page, its HTML and files, and the lineage of its figures."""
