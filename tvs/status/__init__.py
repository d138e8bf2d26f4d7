"""How the service is, as typed values, and health computed from them."""
