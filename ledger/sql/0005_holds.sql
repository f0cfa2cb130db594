-- Holds: money set aside on an account for one transfer that may follow. A hold counts against the
-- floor (`held`) until it ends, once: captured, voided, or expired by the clock of the database.
-- The id of a hold is the id of its transfer, and the key of the request.

CREATE TABLE ledger_hold (
    id uuid PRIMARY KEY,
    account bigint NOT NULL,  -- the transfer's debit
    credit bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    kind text NOT NULL,
    ref text NOT NULL CHECK (length(ref) <= 200),
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT ledger_hold_two_accounts CHECK (account <> credit),
    CONSTRAINT ledger_hold_ahead CHECK (expires_at > at),
    -- A permit dies with its transaction and a hold outlives it (docs/decisions/0115).
    CONSTRAINT ledger_hold_no_permit CHECK (kind NOT IN ('stake', 'deposit', 'withdrawal_hold'))
);
CREATE INDEX ledger_hold_account ON ledger_hold (account, expires_at);
CREATE INDEX ledger_hold_at ON ledger_hold (at);
-- Whose holds may be due. Posting does not change `held`, so its updates stay in their page (HOT).
CREATE INDEX ledger_account_holding ON ledger_account (id) WHERE held > 0;

CREATE TABLE ledger_hold_end (
    hold uuid PRIMARY KEY REFERENCES ledger_hold,
    outcome text NOT NULL CHECK (outcome IN ('captured', 'voided', 'expired')),
    captured bigint CHECK (captured > 0),
    batch bigint,
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
    at timestamptz NOT NULL,
    CONSTRAINT ledger_hold_end_captured CHECK (
        num_nonnulls(captured, batch) = CASE outcome WHEN 'captured' THEN 2 ELSE 0 END)
);
CREATE INDEX ledger_hold_end_at ON ledger_hold_end (at);

-- The hold that an id already is: as it was made, or conflict when the id meant something else.
CREATE FUNCTION ledger_stored_hold(p_id uuid, p_fingerprint bytea) RETURNS TABLE (
    o_outcome text, o_at timestamptz, o_expires_at timestamptz
) LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN h.fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END,
        h.at, h.expires_at
    FROM ledger_hold h WHERE h.id = p_id
$$;

-- Set an amount aside. Answers held | replayed | conflict | not_allowed (a kind that needs a permit)
-- | refused with a code of 0002. Judged as a transfer would be; nothing is written unless held.
CREATE FUNCTION ledger_place_hold(
    p_id uuid, p_account bigint, p_credit bigint, p_amount bigint, p_kind text, p_ref text,
    p_actor text, p_timeout_ms bigint,
    OUT o_outcome text, OUT o_code smallint, OUT o_at timestamptz, OUT o_expires_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_fingerprint bytea := sha256(convert_to(concat_ws(E'\x1f', 'hold', p_account, p_credit,
        p_amount, p_kind, p_timeout_ms, p_ref), 'UTF8'));
    v_fits boolean;
BEGIN
    IF (p_timeout_ms BETWEEN 1 AND 2592000000) IS NOT TRUE OR num_nulls(
            p_id, p_account, p_credit, p_amount, p_kind, p_ref, p_actor) > 0
    THEN
        RAISE EXCEPTION 'ledger_malformed: a hold is whole and ends within 30 days'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT r.* INTO o_outcome, o_at, o_expires_at FROM ledger_stored_hold(p_id, v_fingerprint) r;
    IF FOUND THEN RETURN; END IF;
    IF EXISTS (SELECT FROM ledger_route r WHERE r.kind = p_kind AND r.permit) THEN
        o_outcome := 'not_allowed';
        RETURN;
    END IF;

    PERFORM 1 FROM ledger_account a WHERE a.id = p_account ORDER BY a.id FOR NO KEY UPDATE;
    SELECT r.* INTO o_outcome, o_at, o_expires_at FROM ledger_stored_hold(p_id, v_fingerprint) r;
    IF FOUND THEN RETURN; END IF;

    SELECT s.o_codes[1] INTO o_code FROM ledger_item_codes(
        ARRAY[p_id], ARRAY[p_account], ARRAY[p_credit], ARRAY[p_amount], ARRAY[p_kind],
        ARRAY[NULL::uuid]) s;
    IF o_code = 0 THEN
        SELECT a.floor IS NULL OR a.posted - a.held - p_amount >= a.floor INTO v_fits
            FROM ledger_account a WHERE a.id = p_account;
        IF NOT v_fits THEN o_code := 1; END IF;
    END IF;
    IF o_code <> 0 THEN
        o_outcome := 'refused';
        RETURN;
    END IF;

    o_at := clock_timestamp();
    o_expires_at := o_at + p_timeout_ms * interval '1 millisecond';
    INSERT INTO ledger_hold
        (id, account, credit, amount, kind, ref, actor, fingerprint, at, expires_at)
    VALUES (p_id, p_account, p_credit, p_amount, p_kind, p_ref, p_actor, v_fingerprint, o_at,
        o_expires_at)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN  -- a rival used the id for another account at the same moment
        SELECT r.* INTO o_outcome, o_at, o_expires_at FROM ledger_stored_hold(p_id, v_fingerprint) r;
        RETURN;
    END IF;
    UPDATE ledger_account SET held = held + p_amount WHERE id = p_account;
    o_outcome := 'held';
END $$;

-- How a hold stands at an instant that was read after its account was locked: open, its end, or
-- expired also where its time is over and no job has said so yet.
CREATE FUNCTION ledger_hold_state(p_hold uuid, p_at timestamptz) RETURNS text
LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT coalesce(e.outcome, CASE WHEN p_at >= h.expires_at THEN 'expired' ELSE 'open' END)
    FROM ledger_hold h LEFT JOIN ledger_hold_end e ON e.hold = h.id WHERE h.id = p_hold
$$;

-- Post up to the held amount (NULL: all of it) in one transfer and let go of the rest. Answers
-- captured | replayed | unknown | stale with the state | above_hold | conflict | refused with a code.
CREATE FUNCTION ledger_capture_hold(
    p_hold uuid, p_amount bigint, p_actor text,
    OUT o_outcome text, OUT o_state text, OUT o_code smallint, OUT o_amount bigint,
    OUT o_batch bigint, OUT o_posted_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    h ledger_hold;
    v_at timestamptz;
    v_codes smallint[];
BEGIN
    SELECT * INTO h FROM ledger_hold WHERE id = p_hold;
    IF h.id IS NULL THEN o_outcome := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM ledger_account a WHERE a.id IN (h.account, h.credit)
        ORDER BY a.id FOR NO KEY UPDATE;
    v_at := clock_timestamp();
    o_state := ledger_hold_state(p_hold, v_at);
    o_amount := coalesce(p_amount, h.amount);
    IF o_state = 'captured' THEN
        SELECT 'replayed', b.id, b.posted_at INTO o_outcome, o_batch, o_posted_at
        FROM ledger_hold_end e JOIN ledger_batch b ON b.id = e.batch
        WHERE e.hold = p_hold AND e.captured = o_amount;
    END IF;
    IF o_outcome = 'replayed' THEN RETURN; END IF;
    IF o_state <> 'open' THEN o_outcome := 'stale'; RETURN; END IF;
    IF o_amount > h.amount THEN o_outcome := 'above_hold'; RETURN; END IF;

    -- Let go first, so that the transfer finds the room; whatever refuses it takes this back.
    UPDATE ledger_account SET held = held - h.amount WHERE id = h.account;
    SELECT r.o_outcome, r.o_batch, r.o_posted_at, r.o_codes
    INTO o_outcome, o_batch, o_posted_at, v_codes
    FROM ledger_post('capture:' || p_hold,
        sha256(convert_to(concat_ws(E'\x1f', 'capture', p_hold, o_amount), 'UTF8')),
        'capture', p_actor, false, ARRAY[p_hold], ARRAY[h.account], ARRAY[h.credit],
        ARRAY[o_amount], ARRAY[h.kind], ARRAY[h.ref], ARRAY[NULL::uuid], ARRAY[NULL::integer]) r;
    IF o_outcome = 'posted' THEN
        INSERT INTO ledger_hold_end (hold, outcome, captured, batch, actor, at)
        VALUES (p_hold, 'captured', o_amount, o_batch, p_actor, v_at);
        o_outcome := 'captured';
        RETURN;
    END IF;
    UPDATE ledger_account SET held = held + h.amount WHERE id = h.account;
    -- An open hold has no batch of its own: whoever used its key posted something else.
    IF o_outcome <> 'refused' THEN o_outcome := 'conflict'; END IF;
    o_code := v_codes[1];
END $$;

-- Let go of a hold. Answers voided | replayed | unknown | stale with the state.
CREATE FUNCTION ledger_void_hold(
    p_hold uuid, p_actor text, OUT o_outcome text, OUT o_state text, OUT o_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    h ledger_hold;
BEGIN
    SELECT * INTO h FROM ledger_hold WHERE id = p_hold;
    IF h.id IS NULL THEN o_outcome := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM ledger_account a WHERE a.id = h.account ORDER BY a.id FOR NO KEY UPDATE;
    o_at := clock_timestamp();
    o_state := ledger_hold_state(p_hold, o_at);
    IF o_state = 'voided' THEN
        SELECT 'replayed', e.at INTO o_outcome, o_at FROM ledger_hold_end e WHERE e.hold = p_hold;
    ELSIF o_state <> 'open' THEN
        o_outcome := 'stale';
    ELSE
        INSERT INTO ledger_hold_end (hold, outcome, actor, at)
        VALUES (p_hold, 'voided', p_actor, o_at);
        UPDATE ledger_account SET held = held - h.amount WHERE id = h.account;
        o_outcome := 'voided';
    END IF;
END $$;

-- End up to p_limit holds whose time is over, the longest overdue first; answers each with its account.
-- Anybody may ask: the clock decides.
CREATE FUNCTION ledger_expire_holds(p_limit integer) RETURNS TABLE (o_hold uuid, o_account bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_at timestamptz := clock_timestamp();
    v_due uuid[];
    v_accounts bigint[];
BEGIN
    IF (p_limit BETWEEN 1 AND 10000) IS NOT TRUE THEN
        RAISE EXCEPTION 'ledger_malformed: between 1 and 10000 holds at once'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT array_agg(due.id), array_agg(DISTINCT due.account) INTO v_due, v_accounts
    FROM (
        SELECT h.id, h.account FROM ledger_account a JOIN ledger_hold h ON h.account = a.id
        WHERE a.held > 0 AND h.expires_at <= v_at
        AND NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id)
        ORDER BY h.expires_at, h.id LIMIT p_limit
    ) due;
    IF v_due IS NULL THEN RETURN; END IF;
    PERFORM 1 FROM ledger_account a WHERE a.id = ANY (v_accounts) ORDER BY a.id FOR NO KEY UPDATE;
    -- Looked at again: a rival may have ended some while we waited for their accounts.
    SELECT array_agg(h.id) INTO v_due FROM ledger_hold h WHERE h.id = ANY (v_due)
        AND NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id);
    INSERT INTO ledger_hold_end (hold, outcome, actor, at)
    SELECT d.id, 'expired', 'system:ledger', v_at FROM unnest(v_due) AS d (id);
    UPDATE ledger_account a SET held = a.held - s.amount
    FROM (SELECT h.account, sum(h.amount)::bigint AS amount FROM ledger_hold h
          WHERE h.id = ANY (v_due) GROUP BY h.account) s
    WHERE a.id = s.account;
    RETURN QUERY SELECT h.id, h.account FROM ledger_hold h WHERE h.id = ANY (v_due)
        ORDER BY h.expires_at, h.id;
END $$;

REVOKE ALL ON FUNCTION
    ledger_stored_hold(uuid, bytea),
    ledger_hold_state(uuid, timestamptz),
    ledger_place_hold(uuid, bigint, bigint, bigint, text, text, text, bigint),
    ledger_capture_hold(uuid, bigint, text),
    ledger_void_hold(uuid, text),
    ledger_expire_holds(integer)
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    ledger_place_hold(uuid, bigint, bigint, bigint, text, text, text, bigint),
    ledger_capture_hold(uuid, bigint, text),
    ledger_void_hold(uuid, text),
    ledger_expire_holds(integer)
TO :runtime_role;
