"""A package, so that its server ends with its last test and not with the whole session's."""
