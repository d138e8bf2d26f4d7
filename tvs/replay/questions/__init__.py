"""Questions to replay: from captures, trace logs, device lists and recordings."""
