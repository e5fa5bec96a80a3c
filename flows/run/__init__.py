"""Parts of all flows: an opened study, failures of single models, errors."""
