"""Streams with their gap-free sequence, the outbox and the relay's lease, and orders that go up."""

from django.db import migrations

from audit.append_only import definer_only_sql, partitions_sql, protect_sql, runtime_role

TABLES = """
CREATE TABLE event_stream (
    name text PRIMARY KEY CHECK (name ~ '^[a-z]{1,8}:[a-z0-9-]{1,40}$'),
    epoch text NOT NULL,
    seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE event (
    stream text NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    at timestamptz NOT NULL,
    epoch text NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,40}$'),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    PRIMARY KEY (stream, seq, at)
) PARTITION BY RANGE (at);

CREATE TABLE event_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    published_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX event_outbox_waiting ON event_outbox (id) WHERE published_at IS NULL;
CREATE INDEX event_outbox_published ON event_outbox (published_at)
    WHERE published_at IS NOT NULL;

CREATE TABLE event_relay_lease (
    name text PRIMARY KEY,
    owner text NOT NULL DEFAULT '',
    token bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO event_relay_lease (name) VALUES ('relay');

CREATE TABLE event_order (
    id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_.]{0,60}$'),
    subject text NOT NULL,
    payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz,
    applied_by text NOT NULL DEFAULT '',
    CHECK ((applied_at IS NULL) = (applied_by = ''))
);
CREATE INDEX event_order_pending ON event_order (kind, id) WHERE applied_at IS NULL;
CREATE INDEX event_order_subject ON event_order (subject, id);
"""

# The sequence is taken under the stream's row lock and the row is written after it, so that numbers
# are gap-free and their order is the order of commits; `at` is read after the lock for the same
# reason. NULL says that there is no such stream.
FUNCTIONS = """
CREATE FUNCTION event_create_stream(stream_name text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO event_stream (name, epoch)
    VALUES (stream_name, left(replace(gen_random_uuid()::text, '-', ''), 8))
    ON CONFLICT (name) DO NOTHING
$$;

CREATE FUNCTION event_append(stream_name text, event_kind text, event_data jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    next_seq bigint;
    now_epoch text;
    written timestamptz;
BEGIN
    UPDATE event_stream SET seq = seq + 1 WHERE name = stream_name
        RETURNING seq, epoch INTO next_seq, now_epoch;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    written := clock_timestamp();
    INSERT INTO event (stream, seq, at, epoch, kind, data)
        VALUES (stream_name, next_seq, written, now_epoch, event_kind, event_data);
    INSERT INTO event_outbox (stream, seq, at) VALUES (stream_name, next_seq, written);
    PERFORM pg_notify('faro_outbox', '');
    RETURN next_seq;
END $$;

CREATE FUNCTION event_new_epoch(stream_name text) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE event_stream SET epoch = left(replace(gen_random_uuid()::text, '-', ''), 8)
    WHERE name = stream_name RETURNING epoch
$$;

CREATE FUNCTION event_order_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.applied_at IS NOT NULL OR NEW.applied_at IS NULL
        OR to_jsonb(NEW) - 'applied_at' - 'applied_by'
            <> to_jsonb(OLD) - 'applied_at' - 'applied_by' THEN
        RAISE EXCEPTION 'append_only: an order changes once, from waiting to applied'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_order_applied BEFORE UPDATE ON event_order
    FOR EACH ROW EXECUTE FUNCTION event_order_change();
CREATE TRIGGER event_order_no_delete BEFORE DELETE ON event_order
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER event_order_no_truncate BEFORE TRUNCATE ON event_order
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""

DROP = """
DROP TABLE event_order, event_relay_lease, event_outbox, event, event_stream;
DROP FUNCTION event_order_change();
DROP FUNCTION event_new_epoch(text);
DROP FUNCTION event_append(text, text, jsonb);
DROP FUNCTION event_create_stream(text);
"""


def _rights() -> str:
    """The runtime role appends only through the function; it marks outbox rows, and clears them."""
    role = runtime_role()
    functions = (
        "event_create_stream(text)",
        "event_append(text, text, jsonb)",
        "event_new_epoch(text)",
    )
    grants = "".join(
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC;\nGRANT EXECUTE ON FUNCTION {name} TO {role};\n"
        for name in functions
    )
    return f"""{grants}
{definer_only_sql("event_stream")}
REVOKE ALL ON event_outbox, event_relay_lease, event_order FROM PUBLIC, {role};
GRANT SELECT, DELETE ON event_outbox TO {role};
GRANT UPDATE (published_at) ON event_outbox TO {role};
GRANT SELECT ON event_relay_lease TO {role};
GRANT UPDATE (owner, token, expires_at) ON event_relay_lease TO {role};
GRANT SELECT ON event_order TO {role};
GRANT INSERT (id, kind, subject, payload, actor_kind, actor_id) ON event_order TO {role};
GRANT UPDATE (applied_at, applied_by) ON event_order TO {role};
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("audit", "0001_append_only")]
    operations = [
        migrations.RunSQL(
            TABLES
            + FUNCTIONS
            + partitions_sql("event")
            + protect_sql("event", insert=False)
            + _rights(),
            DROP,
        ),
    ]
