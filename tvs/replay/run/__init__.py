"""Runs of the load tester: schedule, processes, calls and counters."""
