-- Permits of one call as one row for each purpose and currency: a permit was a row and an entry of an
-- index (135 bytes) for something that counts within its transaction only and is kept for the checks.
-- What a permit is worth has not changed: same owner, purpose, currency, amount and transaction.

CREATE TABLE ledger_permit_set (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    issued_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    n integer NOT NULL CHECK (n > 0),  -- which set of its transaction
    purpose text NOT NULL CHECK (purpose IN ('stake', 'deposit', 'withdrawal_hold')),
    currency text NOT NULL,
    ids uuid[] NOT NULL,
    owner_refs text[] NOT NULL,
    amounts_minor_max bigint[] NOT NULL,
    PRIMARY KEY (issued_at, xid, n),
    CONSTRAINT ledger_permit_set_whole CHECK (cardinality(ids) > 0
        AND cardinality(ids) = cardinality(owner_refs)
        AND cardinality(ids) = cardinality(amounts_minor_max)
        AND array_position(ids, NULL) IS NULL AND array_position(owner_refs, NULL) IS NULL),
    CONSTRAINT ledger_permit_set_positive CHECK ((0 < ALL (amounts_minor_max)) IS TRUE)
) PARTITION BY RANGE (issued_at);

-- Every permit there is, those that were rows of their own among them.
CREATE VIEW ledger_permit_line WITH (security_invoker = true) AS
    SELECT p.id, p.owner_ref, p.purpose, p.currency, p.amount_minor_max, p.xid, p.issued_at
    FROM ledger_permit p
    UNION ALL
    SELECT u.id, u.owner_ref, s.purpose, s.currency, u.amount_minor_max, s.xid, s.issued_at
    FROM ledger_permit_set s
    CROSS JOIN LATERAL unnest(s.ids, s.owner_refs, s.amounts_minor_max)
        AS u (id, owner_ref, amount_minor_max);

-- The permits of this transaction, and of no other.
CREATE FUNCTION ledger_open_permits() RETURNS TABLE (
    o_id uuid, o_owner_ref text, o_purpose text, o_currency text, o_amount_minor_max bigint
) LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT u.id, u.owner_ref, s.purpose, s.currency, u.amount
    FROM ledger_permit_set s
    CROSS JOIN LATERAL unnest(s.ids, s.owner_refs, s.amounts_minor_max) AS u (id, owner_ref, amount)
    WHERE s.issued_at = transaction_timestamp() AND s.xid = pg_current_xact_id()
$$;

-- As in 0003. An id is issued once in a transaction, or two maxima would stand for one permit.
CREATE OR REPLACE FUNCTION ledger_issue_permits(
    p_ids uuid[], p_owners text[], p_purposes text[], p_currencies text[], p_amounts bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_before integer;
BEGIN
    SELECT coalesce(max(s.n), 0) INTO v_before FROM ledger_permit_set s
    WHERE s.issued_at = transaction_timestamp() AND s.xid = pg_current_xact_id();
    IF (SELECT count(DISTINCT u.id) FROM unnest(p_ids) AS u (id)) < cardinality(p_ids)
        OR (v_before > 0 AND EXISTS (SELECT FROM ledger_permit_set s
            WHERE s.issued_at = transaction_timestamp() AND s.xid = pg_current_xact_id()
            AND s.ids && p_ids))
    THEN
        RAISE EXCEPTION 'ledger_permit: an id is issued once in a transaction'
            USING ERRCODE = 'unique_violation';
    END IF;
    INSERT INTO ledger_permit_set (n, purpose, currency, ids, owner_refs, amounts_minor_max)
    SELECT v_before + row_number() OVER (ORDER BY g.purpose, g.currency), g.*
    FROM (SELECT i.purpose, i.currency, array_agg(i.id ORDER BY i.nth),
            array_agg(i.owner_ref ORDER BY i.nth), array_agg(i.amount ORDER BY i.nth)
        FROM unnest(p_ids, p_owners, p_purposes, p_currencies, p_amounts) WITH ORDINALITY
            AS i (id, owner_ref, purpose, currency, amount, nth)
        GROUP BY i.purpose, i.currency) g;
END $$;

-- As in 0010, with this transaction's permits read once.
CREATE OR REPLACE FUNCTION ledger_form_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_nestloop = off AS $$
DECLARE
    v_distinct integer;
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT * FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) WITH ORDINALITY
            AS i (id, debit, credit, amount, kind, permit, ord)
    ), account AS MATERIALIZED (
        SELECT a.* FROM (SELECT DISTINCT unnest(p_debits || p_credits) AS id) u
        CROSS JOIN LATERAL (SELECT a.id, a.kind, a.currency, a.owner_ref, a.closed_at
            FROM ledger_account a WHERE a.id = u.id LIMIT 1) a
    ), route AS MATERIALIZED (
        SELECT r.* FROM ledger_route r WHERE NOT EXISTS (SELECT FROM ledger_route_closed z
            WHERE z.kind = r.kind AND z.debit_kind = r.debit_kind AND z.credit_kind = r.credit_kind)
    )
    SELECT array_agg((CASE
            WHEN i.amount <= 0 OR i.amount IS NULL THEN 5
            WHEN i.amount > 100000000000000 THEN 13
            WHEN i.debit = i.credit THEN 6
            WHEN d.id IS NULL OR c.id IS NULL THEN 2
            WHEN d.closed_at IS NOT NULL OR c.closed_at IS NOT NULL THEN 4
            WHEN d.currency <> c.currency THEN 3
            WHEN r.kind IS NULL OR (r.same_owner AND d.owner_ref <> c.owner_ref) THEN 12
            WHEN r.permit AND i.permit IS NULL THEN 7
            WHEN i.permit IS NOT NULL AND (
                p.o_id IS NULL OR p.o_purpose <> i.kind OR p.o_currency <> d.currency
                OR p.o_owner_ref <> CASE r.side WHEN 'debit' THEN d.owner_ref ELSE c.owner_ref END
            ) THEN 8
            WHEN t.id IS NOT NULL OR i.id IS NULL THEN 10
            ELSE 0
        END)::smallint ORDER BY i.ord),
        array_agg(CASE r.side WHEN 'credit' THEN i.credit ELSE i.debit END ORDER BY i.ord),
        count(DISTINCT i.id)
    INTO o_codes, o_watched, v_distinct
    FROM asked i
    LEFT JOIN account d ON d.id = i.debit
    LEFT JOIN account c ON c.id = i.credit
    LEFT JOIN route r
        ON r.kind = i.kind AND r.debit_kind = d.kind AND r.credit_kind = c.kind
    LEFT JOIN ledger_open_permits() p ON p.o_id = i.permit
    LEFT JOIN LATERAL (SELECT x.id FROM ledger_transfer_id x WHERE x.id = i.id LIMIT 1) t ON true;

    IF v_distinct < cardinality(p_ids) THEN
        SELECT array_agg((CASE WHEN x.code = 0 AND x.nth > 1 THEN 10 ELSE x.code END)::smallint
            ORDER BY x.ord)
        INTO o_codes
        FROM (SELECT i.code, i.ord, row_number() OVER (PARTITION BY i.id ORDER BY i.ord) AS nth
              FROM unnest(p_ids, o_codes) WITH ORDINALITY AS i (id, code, ord)) x;
    END IF;
END $$;

-- As in 0008, from the same place.
CREATE OR REPLACE FUNCTION ledger_permit_room(p_permits uuid[])
RETURNS TABLE (o_permit uuid, o_room numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_nestloop = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_batch b WHERE b.xid = pg_current_xact_id()) THEN
        RETURN QUERY SELECT p.o_id, p.o_amount_minor_max::numeric
            FROM (SELECT DISTINCT unnest(p_permits) AS id) u
            JOIN ledger_open_permits() p ON p.o_id = u.id;
        RETURN;
    END IF;
    RETURN QUERY
        SELECT p.o_id, p.o_amount_minor_max - coalesce(used.amount, 0)
        FROM (SELECT DISTINCT unnest(p_permits) AS id) u
        JOIN ledger_open_permits() p ON p.o_id = u.id
        LEFT JOIN (
            SELECT t.permit, sum(t.amount) AS amount
            FROM ledger_batch b CROSS JOIN LATERAL (SELECT x.permit, x.amount FROM ledger_transfer x
                WHERE x.batch = b.id AND x.posted_at = b.posted_at AND x.permit IS NOT NULL OFFSET 0) t
            WHERE b.xid = pg_current_xact_id()
            GROUP BY t.permit
        ) used ON used.permit = p.o_id;
END $$;

REVOKE ALL ON FUNCTION ledger_open_permits() FROM PUBLIC, :runtime_role;
