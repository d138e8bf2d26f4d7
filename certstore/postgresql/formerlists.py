"""The table of trust lists that were replaced. A trigger fills it, for older programs too."""

from __future__ import annotations

from certstore.generations import LISTS_KEPT

FORMER_LISTS = f"""
CREATE TABLE formerlist (
    name text COLLATE "C" NOT NULL,
    generation bigint NOT NULL,              -- that put the list into trustlist
    replaced bigint NOT NULL,                -- or deleted: seconds since 1970, UTC
    content bytea NOT NULL,
    PRIMARY KEY (name, generation)
);
CREATE FUNCTION listreplaced() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
    DELETE FROM formerlist WHERE name = OLD.name AND generation = OLD.generation;
    INSERT INTO formerlist (name, generation, replaced, content)
    VALUES (OLD.name, OLD.generation, extract(epoch FROM clock_timestamp())::bigint, OLD.content);
    DELETE FROM formerlist WHERE name = OLD.name AND generation <= (
        SELECT generation FROM formerlist WHERE name = OLD.name ORDER BY generation DESC LIMIT 1 OFFSET {LISTS_KEPT}
    );
    RETURN NULL;
END $$;
CREATE TRIGGER listreplaced AFTER UPDATE ON trustlist FOR EACH ROW
    WHEN (OLD.content IS NOT NULL AND OLD.content IS DISTINCT FROM NEW.content) EXECUTE FUNCTION listreplaced()
"""  # noqa: S608 - constants
"""Statements that make it."""
