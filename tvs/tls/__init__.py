"""TLS profiles, contexts and connections."""
