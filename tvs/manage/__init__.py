"""Procedures of administrators: a state directory made, changes planned and then committed."""
