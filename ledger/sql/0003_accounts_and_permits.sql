-- Opening and closing accounts, and issuing permits.

-- The accounts named by three parallel arrays, opened where they do not exist. Idempotent and safe
-- under concurrency: it may wait for a rival that is just opening the same account.
CREATE FUNCTION ledger_ensure_accounts(p_kinds text[], p_owners text[], p_currencies text[])
RETURNS TABLE (o_id bigint, o_kind text, o_owner text, o_currency text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_account (currency, scale, kind, owner_ref, floor)
    SELECT DISTINCT c.currency, c.scale, k.kind, w.owner_ref, k.floor
    FROM unnest(p_kinds, p_owners, p_currencies) AS w (kind, owner_ref, currency)
    JOIN ledger_account_kind k ON k.kind = w.kind
    JOIN ledger_currency c ON c.currency = w.currency
    WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.kind = w.kind
        AND a.owner_ref = w.owner_ref AND a.currency = w.currency)
    ORDER BY k.kind, w.owner_ref, c.currency
    ON CONFLICT ON CONSTRAINT ledger_account_one_each DO NOTHING;
    RETURN QUERY
        SELECT a.id, a.kind, a.owner_ref, a.currency
        FROM (SELECT DISTINCT * FROM unnest(p_kinds, p_owners, p_currencies)
            AS u (kind, owner_ref, currency)) w
        JOIN ledger_account a ON a.kind = w.kind
            AND a.owner_ref = w.owner_ref AND a.currency = w.currency;
END $$;

-- Close an account for ever. Answers closed | not_empty | unknown; closing twice is closed.
CREATE FUNCTION ledger_close_account(p_id bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    a ledger_account;
BEGIN
    SELECT * INTO a FROM ledger_account WHERE id = p_id ORDER BY id FOR NO KEY UPDATE;
    IF a.id IS NULL THEN RETURN 'unknown'; END IF;
    IF a.posted <> 0 OR a.held <> 0 THEN RETURN 'not_empty'; END IF;
    UPDATE ledger_account SET closed_at = coalesce(closed_at, clock_timestamp()) WHERE id = p_id;
    RETURN 'closed';
END $$;

-- Permits of the current transaction. Called by the gate and by nobody else.
CREATE FUNCTION ledger_issue_permits(
    p_ids uuid[], p_owners text[], p_purposes text[], p_currencies text[], p_amounts bigint[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO ledger_permit (id, owner_ref, purpose, currency, amount_minor_max)
    SELECT * FROM unnest(p_ids, p_owners, p_purposes, p_currencies, p_amounts);
END $$;
