"""The certificate store on SQLite."""
