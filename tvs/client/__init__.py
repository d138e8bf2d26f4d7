"""The client of TVS servers: its trust in them, its questions, its connections."""
