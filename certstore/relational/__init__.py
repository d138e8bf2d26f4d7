"""The certificate store in tables: everything that SQLite and PostgreSQL share.

The tables, their columns and the statements are the same in both (``docs/database.md``). A statement is written once,
in SQLite's spelling; `certstore.postgresql.dialect` has the few spellings that differ there. A database's package has
its connection, its schema, its change log and its `select`.
"""
