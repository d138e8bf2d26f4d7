"""The `tvs` command: one module for each group of commands, without logic of its own."""
