"""What a person runs: one flow a question, the study that asks it, and the command line."""
