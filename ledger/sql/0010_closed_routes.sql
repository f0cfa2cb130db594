-- As in 0008; a route that was closed is none. It was looked up beside adjustments before, which put
-- every batch of refunds and corrections through their lookup as well.
CREATE OR REPLACE FUNCTION ledger_form_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
                p.id IS NULL OR p.purpose <> i.kind OR p.currency <> d.currency
                OR p.owner_ref <> CASE r.side WHEN 'debit' THEN d.owner_ref ELSE c.owner_ref END
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
    LEFT JOIN LATERAL (SELECT x.id, x.purpose, x.currency, x.owner_ref FROM ledger_permit x
        WHERE x.id = i.permit AND x.issued_at = transaction_timestamp()
        AND x.xid = pg_current_xact_id() LIMIT 1) p ON true
    LEFT JOIN LATERAL (SELECT x.id FROM ledger_transfer_id x WHERE x.id = i.id LIMIT 1) t ON true;

    IF v_distinct < cardinality(p_ids) THEN
        SELECT array_agg((CASE WHEN x.code = 0 AND x.nth > 1 THEN 10 ELSE x.code END)::smallint
            ORDER BY x.ord)
        INTO o_codes
        FROM (SELECT i.code, i.ord, row_number() OVER (PARTITION BY i.id ORDER BY i.ord) AS nth
              FROM unnest(p_ids, o_codes) WITH ORDINALITY AS i (id, code, ord)) x;
    END IF;
END $$;

-- As in 0009; but whatever else of the batch comes to the debtor's account lessens what is owed too,
-- or an adjustment and a collection side by side would take a debt below nothing. Money that leaves it
-- in the same batch is not counted, and neither is anybody's right to a credit: so this refuses, in a
-- batch that nobody makes, rather more than it must.
CREATE OR REPLACE FUNCTION ledger_adjustment_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_codes smallint[]
) RETURNS smallint[] LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg((CASE
            WHEN i.code <> 0 THEN i.code
            WHEN i.needs_two AND (a.id IS NULL OR i.owed_after > 0) THEN 14
            ELSE 0
        END)::smallint ORDER BY i.ord)
    FROM (
        SELECT i.*, ledger_needs_two(i.kind, d.kind, c.kind) AS needs_two,
            CASE WHEN i.is_debt THEN c.posted + sum(CASE WHEN i.code = 0 THEN i.amount ELSE 0 END)
                OVER (PARTITION BY i.credit ORDER BY i.ord) END AS owed_after
        FROM (
            SELECT i.*, i.code = 0 AND i.kind IN ('debt_settled', 'debt_written_off') AS is_debt
            FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_codes) WITH ORDINALITY
                AS i (id, debit, credit, amount, kind, code, ord)
        ) i
        LEFT JOIN ledger_account d ON d.id = i.debit
        LEFT JOIN ledger_account c ON c.id = i.credit
    ) i
    LEFT JOIN (ledger_adjustment a JOIN ledger_adjustment_decision x
            ON x.adjustment = a.id AND x.decision = 'approved')
        ON a.id = i.id AND a.debit = i.debit AND a.credit = i.credit AND a.amount = i.amount
        AND a.kind = i.kind
$$;

-- As in 0009, without the closed routes.
CREATE OR REPLACE FUNCTION ledger_adjusted_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT f.o_codes, f.o_watched INTO o_codes, o_watched
        FROM ledger_form_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) f;
    IF p_kinds && ARRAY['adjustment', 'debt_settled', 'debt_written_off', 'suspense'] THEN
        o_codes := ledger_adjustment_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
END $$;
