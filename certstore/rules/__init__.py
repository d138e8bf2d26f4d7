"""Rules of the certificate store that hold in every database: names, conflicts, roles, nodes, stored values.

Pure functions over values that a store has read; a database's package holds its statements.
"""
