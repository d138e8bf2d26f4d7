"""Results of a load test: table, charts, page, files, comparison and thresholds."""
