"""Use cases and wiring: commands, queries, projectors, the command line."""
