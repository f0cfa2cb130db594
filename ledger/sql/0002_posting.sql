-- Posting. `ledger_post` is the only way money moves; the other functions here are its steps and
-- are called by nobody else. Codes are those of ledger.postings.POST_CODES, by number:
--   0 posted  1 below_floor  2 unknown_account  3 currency_mismatch  4 account_closed
--   5 not_positive  6 same_account  7 permit_missing  8 permit_invalid  9 permit_exceeded
--   10 duplicate_id  11 group_failed  12 route_not_allowed  13 too_large

-- Step 1: what can be said of each item without regard to balances and to the other items.
CREATE FUNCTION ledger_item_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_distinct integer;
BEGIN
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
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) WITH ORDINALITY
        AS i (id, debit, credit, amount, kind, permit, ord)
    LEFT JOIN ledger_account d ON d.id = i.debit
    LEFT JOIN ledger_account c ON c.id = i.credit
    LEFT JOIN ledger_route r
        ON r.kind = i.kind AND r.debit_kind = d.kind AND r.credit_kind = c.kind
    LEFT JOIN ledger_permit p
        ON p.id = i.permit AND p.issued_at = transaction_timestamp()
        AND p.xid = pg_current_xact_id()
    LEFT JOIN ledger_transfer_id t ON t.id = i.id;

    IF v_distinct < cardinality(p_ids) THEN
        SELECT array_agg((CASE WHEN x.code = 0 AND x.nth > 1 THEN 10 ELSE x.code END)::smallint
            ORDER BY x.ord)
        INTO o_codes
        FROM (SELECT i.code, i.ord, row_number() OVER (PARTITION BY i.id ORDER BY i.ord) AS nth
              FROM unnest(p_ids, o_codes) WITH ORDINALITY AS i (id, code, ord)) x;
    END IF;
END $$;

-- What each permit of this transaction still allows: its maximum less what earlier batches of the
-- same transaction used.
CREATE FUNCTION ledger_permit_room(p_permits uuid[]) RETURNS TABLE (o_permit uuid, o_room numeric)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_batch b WHERE b.xid = pg_current_xact_id()) THEN
        RETURN QUERY SELECT p.id, p.amount_minor_max::numeric FROM ledger_permit p
            WHERE p.id = ANY (p_permits) AND p.issued_at = transaction_timestamp()
            AND p.xid = pg_current_xact_id();
        RETURN;
    END IF;
    RETURN QUERY
        SELECT p.id, p.amount_minor_max - coalesce(used.amount, 0)
        FROM ledger_permit p LEFT JOIN (
            SELECT t.permit, sum(t.amount) AS amount
            FROM ledger_batch b JOIN ledger_transfer t
                ON t.batch = b.id AND t.posted_at = b.posted_at
            WHERE b.xid = pg_current_xact_id() AND t.permit IS NOT NULL
            GROUP BY t.permit
        ) used ON used.permit = p.id
        WHERE p.id = ANY (p_permits) AND p.issued_at = transaction_timestamp()
        AND p.xid = pg_current_xact_id();
END $$;

-- Step 3, only when something would fail: the items that are still alive (code 0), one after the
-- other in memory, group by group. A group that fails leaves no trace for those after it.
CREATE FUNCTION ledger_decide_in_order(
    p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_permits uuid[],
    p_groups integer[], p_codes smallint[]
) RETURNS smallint[] LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_codes smallint[] := p_codes;
    v_room bigint[];         -- per account, what may still be taken; NULL: no floor
    v_permit_room numeric[];
    v_ord integer[];         -- per alive item: its place, and its accounts and permit as positions
    v_debit integer[];
    v_credit integer[];
    v_permit integer[];
    v_amount bigint[];
    v_group integer[];
    v_k integer := 1;
    v_last integer;
    v_failed integer;
    v_code smallint;
    v_total integer;
BEGIN
    -- dense_rank, not a join of two unnests: that could be planned as a quadratic loop.
    SELECT array_agg(x.ord ORDER BY x.ord) FILTER (WHERE x.debit),
        array_agg(x.place ORDER BY x.ord) FILTER (WHERE x.debit),
        array_agg(x.place ORDER BY x.ord) FILTER (WHERE NOT x.debit),
        array_agg(x.amount ORDER BY x.ord) FILTER (WHERE x.debit),
        array_agg(x.grp ORDER BY x.ord) FILTER (WHERE x.debit)
    INTO v_ord, v_debit, v_credit, v_amount, v_group
    FROM (
        SELECT leg.*, dense_rank() OVER (ORDER BY leg.account)::integer AS place
        FROM unnest(p_debits, p_credits, p_amounts, p_groups, p_codes) WITH ORDINALITY
            AS i (debit, credit, amount, grp, code, ord)
        CROSS JOIN LATERAL (VALUES
            (i.ord::integer, true, i.debit, i.amount, i.grp),
            (i.ord::integer, false, i.credit, i.amount, i.grp)
        ) AS leg (ord, debit, account, amount, grp)
        WHERE i.code = 0
    ) x;
    SELECT array_agg(a.posted - a.held - a.floor ORDER BY a.id) INTO v_room
    FROM ledger_account a WHERE a.id IN (
        SELECT unnest(ARRAY[i.debit, i.credit])
        FROM unnest(p_debits, p_credits, p_codes) AS i (debit, credit, code) WHERE i.code = 0);
    SELECT array_agg(x.place ORDER BY x.ord) INTO v_permit
    FROM (
        SELECT i.ord, CASE WHEN i.permit IS NOT NULL
            THEN dense_rank() OVER (ORDER BY i.permit NULLS LAST)::integer END AS place
        FROM unnest(p_permits, p_codes) WITH ORDINALITY AS i (permit, code, ord)
        WHERE i.code = 0
    ) x;
    SELECT array_agg(r.o_room ORDER BY r.o_permit) INTO v_permit_room
    FROM ledger_permit_room(ARRAY(
        SELECT DISTINCT i.permit FROM unnest(p_permits, p_codes) AS i (permit, code)
        WHERE i.code = 0 AND i.permit IS NOT NULL)) r;

    v_total := coalesce(cardinality(v_ord), 0);
    WHILE v_k <= v_total LOOP
        v_last := v_k;
        WHILE v_last < v_total AND v_group[v_last + 1] = v_group[v_k] LOOP
            v_last := v_last + 1;
        END LOOP;
        v_failed := 0;
        FOR j IN v_k..v_last LOOP
            IF v_permit_room[v_permit[j]] < v_amount[j] THEN
                v_failed := j; v_code := 9; EXIT;
            ELSIF v_room[v_debit[j]] < v_amount[j] THEN
                v_failed := j; v_code := 1; EXIT;
            END IF;
            v_room[v_debit[j]] := v_room[v_debit[j]] - v_amount[j];
            v_room[v_credit[j]] := v_room[v_credit[j]] + v_amount[j];
            IF v_permit[j] IS NOT NULL THEN
                v_permit_room[v_permit[j]] := v_permit_room[v_permit[j]] - v_amount[j];
            END IF;
        END LOOP;
        IF v_failed > 0 THEN
            FOR j IN v_k..v_failed - 1 LOOP
                v_room[v_debit[j]] := v_room[v_debit[j]] + v_amount[j];
                v_room[v_credit[j]] := v_room[v_credit[j]] - v_amount[j];
                IF v_permit[j] IS NOT NULL THEN
                    v_permit_room[v_permit[j]] := v_permit_room[v_permit[j]] + v_amount[j];
                END IF;
            END LOOP;
            FOR j IN v_k..v_last LOOP
                v_codes[v_ord[j]] := CASE WHEN j = v_failed THEN v_code ELSE 11 END;
            END LOOP;
        END IF;
        v_k := v_last + 1;
    END LOOP;
    RETURN v_codes;
END $$;

-- Steps 2 and 4: the two entries of each item that is still alive, with running balances in order.
-- o_fits says whether no account passes below its floor on the way.
CREATE FUNCTION ledger_entries(
    p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_codes smallint[],
    OUT o_ords integer[], OUT o_accounts bigint[], OUT o_seqs bigint[], OUT o_amounts bigint[],
    OUT o_after bigint[], OUT o_fits boolean
) LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT array_agg(x.ord), array_agg(x.account), array_agg(a.seq + x.nth), array_agg(x.amount),
        array_agg(a.posted + x.running),
        coalesce(bool_and(a.floor IS NULL OR a.posted - a.held + x.running >= a.floor), true)
    FROM (
        SELECT leg.ord, leg.account, leg.amount,
            (sum(leg.amount) OVER w)::bigint AS running, row_number() OVER w AS nth
        FROM unnest(p_debits, p_credits, p_amounts, p_codes) WITH ORDINALITY
            AS i (debit, credit, amount, code, ord)
        CROSS JOIN LATERAL (VALUES (i.ord::integer, i.debit, -i.amount), (i.ord::integer, i.credit, i.amount))
            AS leg (ord, account, amount)
        WHERE i.code = 0
        WINDOW w AS (PARTITION BY leg.account ORDER BY leg.ord ROWS UNBOUNDED PRECEDING)
    ) x JOIN ledger_account a ON a.id = x.account
$$;

-- Items of one group stand next to each other, so that "in order" has one meaning.
CREATE FUNCTION ledger_groups_together(p_groups integer[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT count(*) FILTER (WHERE g.started) = count(DISTINCT g.grp)
    FROM (SELECT i.grp, i.grp IS NOT NULL
            AND i.grp IS DISTINCT FROM lag(i.grp) OVER (ORDER BY i.ord) AS started
          FROM unnest(p_groups) WITH ORDINALITY AS i (grp, ord)) g
$$;

-- The answer stored under a key: as it was given, or conflict when the key meant something else.
CREATE FUNCTION ledger_stored_answer(p_key text, p_fingerprint bytea) RETURNS TABLE (
    o_outcome text, o_batch bigint, o_posted_at timestamptz, o_codes smallint[], o_balances bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT
        CASE WHEN b.fingerprint = p_fingerprint THEN 'replayed' ELSE 'conflict' END,
        b.id, b.posted_at, b.codes, b.balances
    FROM ledger_batch b WHERE b.key = p_key;
END $$;

-- Step 5: the rows. The accounts are locked and everything is decided. Answers NULL when a rival
-- committed the same key in between (possible only when it used other accounts).
CREATE FUNCTION ledger_write(
    p_batch ledger_batch, p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[],
    p_kinds text[], p_refs text[], p_permits uuid[], p_codes smallint[],
    p_accounts bigint[], p_seqs bigint[], p_ords integer[], p_signed bigint[], p_after bigint[]
) RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_batch bigint;
    v_written integer;
BEGIN
    INSERT INTO ledger_batch (key, fingerprint, kind, actor, n, total, codes, balances, posted_at)
    SELECT p_batch.key, p_batch.fingerprint, p_batch.kind, p_batch.actor, count(*),
        coalesce(sum(i.amount), 0), p_batch.codes, p_batch.balances, p_batch.posted_at
    FROM unnest(p_amounts, p_codes) AS i (amount, code) WHERE i.code = 0
    ON CONFLICT ON CONSTRAINT ledger_batch_key DO NOTHING
    RETURNING id INTO v_batch;
    IF v_batch IS NULL OR p_accounts IS NULL THEN RETURN v_batch; END IF;

    INSERT INTO ledger_transfer_id (id, batch, item)
    SELECT i.id, v_batch, i.ord
    FROM unnest(p_ids, p_codes) WITH ORDINALITY AS i (id, code, ord) WHERE i.code = 0
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_written = ROW_COUNT;
    IF v_written * 2 <> cardinality(p_accounts) THEN
        RAISE EXCEPTION 'ledger_raced: a transfer id was used by a rival at the same moment; try again'
            USING ERRCODE = 'serialization_failure';
    END IF;

    INSERT INTO ledger_transfer
        (id, batch, item, debit, credit, amount, kind, ref, permit, posted_at)
    SELECT i.id, v_batch, i.ord, i.debit, i.credit, i.amount, i.kind, i.ref, i.permit,
        p_batch.posted_at
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_refs, p_permits, p_codes)
        WITH ORDINALITY AS i (id, debit, credit, amount, kind, ref, permit, code, ord)
    WHERE i.code = 0;

    INSERT INTO ledger_entry (account, seq, transfer, amount, balance_after, posted_at)
    SELECT x.account, x.seq, p_ids[x.ord], x.amount, x.after, p_batch.posted_at
    FROM unnest(p_accounts, p_seqs, p_ords, p_signed, p_after)
        AS x (account, seq, ord, amount, after);

    UPDATE ledger_account a SET posted = a.posted + s.amount, seq = a.seq + s.n
    FROM (SELECT x.account, sum(x.amount)::bigint AS amount, count(*) AS n
          FROM unnest(p_accounts, p_signed) AS x (account, amount) GROUP BY x.account) s
    WHERE a.id = s.account;
    RETURN v_batch;
END $$;

-- Post a batch. p_partial false: all or nothing. true: each group (or item without one) for itself.
-- Answers one row: outcome posted | replayed | conflict | refused, with a code per item. Nothing is
-- written unless the outcome is posted.
CREATE FUNCTION ledger_post(
    p_key text, p_fingerprint bytea, p_kind text, p_actor text, p_partial boolean,
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_refs text[], p_permits uuid[], p_groups integer[],
    OUT o_outcome text, OUT o_batch bigint, OUT o_posted_at timestamptz,
    OUT o_codes smallint[], OUT o_balances bigint[]
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_count integer := cardinality(p_ids);
    v_groups integer[] := p_groups;
    v_watched bigint[];
    v_permits_fit boolean;
    v_row ledger_batch;
    e record;
BEGIN
    IF (v_count <= 10000 AND v_count = ALL (ARRAY[
            cardinality(p_debits), cardinality(p_credits), cardinality(p_amounts),
            cardinality(p_kinds), cardinality(p_refs), cardinality(p_permits), cardinality(p_groups)
        ]) AND ledger_groups_together(p_groups)) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'ledger_malformed: at most 10000 items, arrays of one length, groups together'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT r.* INTO o_outcome, o_batch, o_posted_at, o_codes, o_balances
        FROM ledger_stored_answer(p_key, p_fingerprint) r;
    IF FOUND THEN RETURN; END IF;

    -- Locked in id order before anything is decided or changed.
    PERFORM 1 FROM ledger_account a WHERE a.id = ANY (ARRAY(
            SELECT DISTINCT u.id FROM unnest(p_debits || p_credits) AS u (id)))
        ORDER BY a.id FOR NO KEY UPDATE;
    -- A rival with the same key has committed while we waited for its accounts.
    SELECT r.* INTO o_outcome, o_batch, o_posted_at, o_codes, o_balances
        FROM ledger_stored_answer(p_key, p_fingerprint) r;
    IF FOUND THEN RETURN; END IF;

    IF NOT p_partial THEN v_groups := array_fill(1, ARRAY[v_count]); END IF;
    IF v_count > 0 THEN
        SELECT s.o_codes, s.o_watched INTO o_codes, v_watched
            FROM ledger_item_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) s;
    END IF;
    o_codes := coalesce(o_codes, '{}');
    IF 0 <> ANY (o_codes) AND EXISTS (SELECT FROM unnest(v_groups) g WHERE g IS NOT NULL) THEN
        SELECT array_agg((CASE WHEN x.code = 0 AND x.failed THEN 11 ELSE x.code END)::smallint ORDER BY x.ord)
        INTO o_codes FROM (
            SELECT i.ord, i.code, i.grp IS NOT NULL AND bool_or(i.code <> 0) OVER (PARTITION BY i.grp) AS failed
            FROM unnest(o_codes, v_groups) WITH ORDINALITY AS i (code, grp, ord)) x;
    END IF;
    IF p_partial OR NOT 0 <> ANY (o_codes) THEN
        SELECT * INTO e FROM ledger_entries(p_debits, p_credits, p_amounts, o_codes);
        SELECT NOT EXISTS (
            SELECT FROM (
                SELECT i.permit, sum(i.amount) AS amount
                FROM unnest(p_permits, p_amounts, o_codes) AS i (permit, amount, code)
                WHERE i.code = 0 AND i.permit IS NOT NULL GROUP BY i.permit
            ) asked JOIN ledger_permit_room(p_permits) room ON room.o_permit = asked.permit
            WHERE asked.amount > room.o_room
        ) INTO v_permits_fit;
        IF NOT (e.o_fits AND v_permits_fit) THEN
            o_codes := ledger_decide_in_order(
                p_debits, p_credits, p_amounts, p_permits, v_groups, o_codes);
            SELECT * INTO e FROM ledger_entries(p_debits, p_credits, p_amounts, o_codes);
        END IF;
    END IF;
    IF NOT p_partial AND 0 <> ANY (o_codes) THEN
        o_outcome := 'refused';
        RETURN;
    END IF;

    IF p_partial THEN
        SELECT array_agg(x.after ORDER BY x.ord) INTO o_balances FROM (
            SELECT l.ord, l.after
            FROM unnest(e.o_ords, e.o_accounts, e.o_after) AS l (ord, account, after)
            WHERE l.account = v_watched[l.ord]
            UNION ALL
            SELECT c.ord, NULL FROM unnest(o_codes) WITH ORDINALITY AS c (code, ord)
            WHERE c.code <> 0) x;
        o_balances := coalesce(o_balances, '{}');
        v_row.codes := o_codes;
        v_row.balances := o_balances;
    END IF;
    o_posted_at := clock_timestamp();
    v_row.key := p_key;
    v_row.fingerprint := p_fingerprint;
    v_row.kind := p_kind;
    v_row.actor := p_actor;
    v_row.posted_at := o_posted_at;
    o_batch := ledger_write(
        v_row, p_ids, p_debits, p_credits, p_amounts, p_kinds, p_refs, p_permits, o_codes,
        e.o_accounts, e.o_seqs, e.o_ords, e.o_amounts, e.o_after);
    o_outcome := 'posted';
    IF o_batch IS NULL THEN
        SELECT r.* INTO o_outcome, o_batch, o_posted_at, o_codes, o_balances
            FROM ledger_stored_answer(p_key, p_fingerprint) r;
    END IF;
END $$;
