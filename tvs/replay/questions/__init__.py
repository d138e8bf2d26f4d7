"""Questions to replay, from recordings, logs, captures, tables and imagined fleets."""
