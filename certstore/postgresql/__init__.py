"""The certificate store in a PostgreSQL database."""
