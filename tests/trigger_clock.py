"""A clock for what the database keeps of exclusions and breaks, in a throw-away database.

Its trigger asks the server's own clock, which a test that runs ahead of time cannot wait for; it
would take a term that is over for one that is shortened. What the trigger decides stays as it is.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

#: For the owner of the database, once.
CLOCK = """
CREATE SCHEMA IF NOT EXISTS gate_clock;
GRANT USAGE ON SCHEMA gate_clock TO faro_app;
CREATE OR REPLACE FUNCTION gate_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT coalesce(nullif(current_setting('gate_clock.now', true), '')::timestamptz,
    pg_catalog.clock_timestamp()) $$;
ALTER FUNCTION compliance_exclusion_stays()
    SET search_path = gate_clock, pg_catalog, public, pg_temp;
"""


def set_clock(now: datetime, *, until_commit: bool = True) -> None:
    """For the open transaction, or for the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('gate_clock.now', %s, %s)", [str(now), until_commit])
