"""Results of a replay: text, chart, page, file, comparison and thresholds."""
