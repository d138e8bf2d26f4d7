"""The running load test: schedule, processes, calls and counters."""
