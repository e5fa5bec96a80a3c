"""The command line: arguments and dispatch."""
