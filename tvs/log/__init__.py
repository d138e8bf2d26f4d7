"""The log: lines that never hold up an answer."""
