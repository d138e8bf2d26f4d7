"""Status of the service as typed values, and health computed from them."""
