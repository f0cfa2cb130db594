-- A transfer keeps both of its entries in its own row: the account's number and balance on either side.
-- They were two rows more, each with the transfer's id and time again and a key of its own: a third of
-- the ledger's bytes for what the transfer says already. `ledger_entry` is a view from here on, with
-- what each entry was for. That the two cancel out is no rule any more that somebody could break: there
-- is one amount.

-- What is being posted now is waited for, and nothing is posted until the rows are moved: it would be
-- in the balances, and in no row.
LOCK TABLE ledger_transfer, ledger_entry IN ACCESS EXCLUSIVE MODE;

-- Every entry there is, and whose transfer it belongs to, held against it: books that do not agree are
-- not moved (`manage.py check_ledger` names what is wrong).
CREATE TEMPORARY TABLE moved_transfer ON COMMIT DROP AS
SELECT t.*, d.seq AS debit_seq, d.balance_after AS debit_balance_after,
    c.seq AS credit_seq, c.balance_after AS credit_balance_after
FROM ledger_transfer t
LEFT JOIN ledger_entry d ON d.transfer = t.id AND d.account = t.debit AND d.amount = -t.amount
    AND d.posted_at = t.posted_at
LEFT JOIN ledger_entry c ON c.transfer = t.id AND c.account = t.credit AND c.amount = t.amount
    AND c.posted_at = t.posted_at;
DO $$
BEGIN
    IF EXISTS (SELECT FROM moved_transfer WHERE debit_seq IS NULL OR credit_seq IS NULL)
        OR (SELECT count(*) FROM ledger_entry) <> 2 * (SELECT count(*) FROM ledger_transfer)
        OR (SELECT count(*) FROM moved_transfer) <> (SELECT count(*) FROM ledger_transfer)
    THEN
        RAISE EXCEPTION 'ledger_migration: entries and transfers do not agree; see manage.py check_ledger'
            USING ERRCODE = 'data_exception';
    END IF;
END $$;
DROP VIEW ledger_entry_line;
DROP TABLE ledger_entry;
DROP FUNCTION ledger_entry_balanced();
DROP TABLE ledger_transfer;

-- Wide columns first: no byte is lost to alignment.
CREATE TABLE ledger_transfer (
    posted_at timestamptz NOT NULL,
    batch bigint NOT NULL,
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    debit_seq bigint NOT NULL CHECK (debit_seq > 0),
    debit_balance_after bigint NOT NULL,
    credit_seq bigint NOT NULL CHECK (credit_seq > 0),
    credit_balance_after bigint NOT NULL,
    item integer NOT NULL,  -- position in its batch: (batch, item) orders all transfers
    id uuid NOT NULL,
    permit uuid,
    kind text NOT NULL,
    ref text NOT NULL CHECK (length(ref) <= 200),
    PRIMARY KEY (batch, item, posted_at),
    CONSTRAINT ledger_transfer_debit_once UNIQUE (debit, debit_seq, posted_at),
    CONSTRAINT ledger_transfer_credit_once UNIQUE (credit, credit_seq, posted_at),
    CONSTRAINT ledger_transfer_two_accounts CHECK (debit <> credit),
    CONSTRAINT ledger_transfer_permit
        CHECK (permit IS NOT NULL OR kind NOT IN ('stake', 'deposit', 'withdrawal_hold'))
) PARTITION BY RANGE (posted_at);

-- The two sides of each transfer as an account sees them: signed, numbered, with the balance after.
CREATE VIEW ledger_entry WITH (security_invoker = true) AS
    SELECT debit AS account, debit_seq AS seq, id AS transfer, -amount AS amount,
        debit_balance_after AS balance_after, posted_at, batch, item, kind, ref,
        credit AS counterpart
    FROM ledger_transfer
    UNION ALL
    SELECT credit, credit_seq, id, amount, credit_balance_after, posted_at, batch, item, kind, ref,
        debit
    FROM ledger_transfer;

-- Entries with a key of one column, for pages.
CREATE VIEW ledger_entry_line WITH (security_invoker = true) AS
    SELECT account::text || ':' || seq::text AS id,
        account, seq, transfer, amount, balance_after, posted_at
    FROM ledger_entry;

DROP FUNCTION ledger_entries(bigint[], bigint[], bigint[], smallint[]);
DROP FUNCTION ledger_write(
    ledger_batch, uuid[], bigint[], bigint[], bigint[], text[], text[], uuid[], smallint[],
    bigint[], bigint[], integer[], bigint[], bigint[]);

-- Steps 2 and 4: the number and the balance that each item leaves on either side, in the order of the
-- items, NULL where it is not alive (its code is not 0). o_fits says whether no account passes below
-- its floor on the way.
CREATE FUNCTION ledger_sides(
    p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_codes smallint[],
    OUT o_debit_seqs bigint[], OUT o_debit_after bigint[],
    OUT o_credit_seqs bigint[], OUT o_credit_after bigint[], OUT o_fits boolean
) LANGUAGE sql SET search_path = public, pg_temp AS $$
    WITH account AS MATERIALIZED (
        SELECT a.* FROM (SELECT DISTINCT unnest(p_debits || p_credits) AS id) u
        CROSS JOIN LATERAL (SELECT a.id, a.seq, a.posted, a.posted - a.held - a.floor AS room
            FROM ledger_account a WHERE a.id = u.id LIMIT 1) a
    ), side AS (
        SELECT leg.ord, leg.is_debit, leg.account, (sum(leg.amount) OVER w)::bigint AS running,
            row_number() OVER w AS nth
        FROM unnest(p_debits, p_credits, p_amounts, p_codes) WITH ORDINALITY
            AS i (debit, credit, amount, code, ord)
        CROSS JOIN LATERAL (VALUES
            (i.ord, true, CASE WHEN i.code = 0 THEN i.debit END, CASE WHEN i.code = 0 THEN -i.amount END),
            (i.ord, false, CASE WHEN i.code = 0 THEN i.credit END, CASE WHEN i.code = 0 THEN i.amount END)
        ) AS leg (ord, is_debit, account, amount)
        WINDOW w AS (PARTITION BY leg.account ORDER BY leg.ord ROWS UNBOUNDED PRECEDING)
    )
    SELECT array_agg(a.seq + s.nth ORDER BY s.ord) FILTER (WHERE s.is_debit),
        array_agg(a.posted + s.running ORDER BY s.ord) FILTER (WHERE s.is_debit),
        array_agg(a.seq + s.nth ORDER BY s.ord) FILTER (WHERE NOT s.is_debit),
        array_agg(a.posted + s.running ORDER BY s.ord) FILTER (WHERE NOT s.is_debit),
        coalesce(bool_and(a.room IS NULL OR a.room + s.running >= 0), true)
    FROM side s LEFT JOIN account a ON a.id = s.account
$$;

-- Step 5: the rows. The accounts are locked and everything is decided. Answers NULL when a rival
-- committed the same key in between (possible only when it used other accounts).
CREATE FUNCTION ledger_write(
    p_batch ledger_batch, p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[],
    p_kinds text[], p_refs text[], p_permits uuid[], p_codes smallint[],
    p_debit_seqs bigint[], p_debit_after bigint[], p_credit_seqs bigint[], p_credit_after bigint[]
) RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_batch bigint;
    v_alive integer;
    v_written integer;
BEGIN
    INSERT INTO ledger_batch (key, fingerprint, kind, actor, n, total, codes, balances, posted_at)
    SELECT p_batch.key, p_batch.fingerprint, p_batch.kind, p_batch.actor, count(*),
        coalesce(sum(i.amount), 0), p_batch.codes, p_batch.balances, p_batch.posted_at
    FROM unnest(p_amounts, p_codes) AS i (amount, code) WHERE i.code = 0
    ON CONFLICT ON CONSTRAINT ledger_batch_key DO NOTHING
    RETURNING id, n INTO v_batch, v_alive;
    IF v_batch IS NULL OR v_alive = 0 THEN RETURN v_batch; END IF;

    INSERT INTO ledger_transfer_id (id, batch, item)
    SELECT i.id, v_batch, i.ord
    FROM unnest(p_ids, p_codes) WITH ORDINALITY AS i (id, code, ord) WHERE i.code = 0
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_written = ROW_COUNT;
    IF v_written <> v_alive THEN
        RAISE EXCEPTION 'ledger_raced: a transfer id was used by a rival at the same moment; try again'
            USING ERRCODE = 'serialization_failure';
    END IF;

    INSERT INTO ledger_transfer
        (id, batch, item, debit, credit, amount, kind, ref, permit, debit_seq, debit_balance_after,
        credit_seq, credit_balance_after, posted_at)
    SELECT i.id, v_batch, i.ord, i.debit, i.credit, i.amount, i.kind, i.ref, i.permit, i.debit_seq,
        i.debit_after, i.credit_seq, i.credit_after, p_batch.posted_at
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_refs, p_permits, p_codes,
            p_debit_seqs, p_debit_after, p_credit_seqs, p_credit_after) WITH ORDINALITY
        AS i (id, debit, credit, amount, kind, ref, permit, code,
            debit_seq, debit_after, credit_seq, credit_after, ord)
    WHERE i.code = 0;

    UPDATE ledger_account a SET posted = a.posted + s.amount, seq = a.seq + s.n
    FROM (
        SELECT leg.account, sum(leg.amount)::bigint AS amount, count(*) AS n
        FROM unnest(p_debits, p_credits, p_amounts, p_codes) AS i (debit, credit, amount, code)
        CROSS JOIN LATERAL (VALUES (i.debit, -i.amount), (i.credit, i.amount))
            AS leg (account, amount)
        WHERE i.code = 0 GROUP BY leg.account) s
    WHERE a.id = s.account;
    RETURN v_batch;
END $$;

-- As in 0002. Post a batch. p_partial false: all or nothing. true: each group (or item without one) for
-- itself. Answers one row: outcome posted | replayed | conflict | refused, with a code per item.
-- Nothing is written unless the outcome is posted.
CREATE OR REPLACE FUNCTION ledger_post(
    p_key text, p_fingerprint bytea, p_kind text, p_actor text, p_partial boolean,
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_refs text[], p_permits uuid[], p_groups integer[],
    OUT o_outcome text, OUT o_batch bigint, OUT o_posted_at timestamptz,
    OUT o_codes smallint[], OUT o_balances bigint[]
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_count integer := cardinality(p_ids);
    v_groups integer[] := p_groups;
    v_watched bigint[];
    v_permits_fit boolean;
    v_row ledger_batch;
    s record;
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
        SELECT i.o_codes, i.o_watched INTO o_codes, v_watched
            FROM ledger_item_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) i;
    END IF;
    o_codes := coalesce(o_codes, '{}');
    IF 0 <> ANY (o_codes) AND EXISTS (SELECT FROM unnest(v_groups) g WHERE g IS NOT NULL) THEN
        SELECT array_agg((CASE WHEN x.code = 0 AND x.failed THEN 11 ELSE x.code END)::smallint ORDER BY x.ord)
        INTO o_codes FROM (
            SELECT i.ord, i.code, i.grp IS NOT NULL AND bool_or(i.code <> 0) OVER (PARTITION BY i.grp) AS failed
            FROM unnest(o_codes, v_groups) WITH ORDINALITY AS i (code, grp, ord)) x;
    END IF;
    IF p_partial OR NOT 0 <> ANY (o_codes) THEN
        SELECT * INTO s FROM ledger_sides(p_debits, p_credits, p_amounts, o_codes);
        SELECT NOT EXISTS (
            SELECT FROM (
                SELECT i.permit, sum(i.amount) AS amount
                FROM unnest(p_permits, p_amounts, o_codes) AS i (permit, amount, code)
                WHERE i.code = 0 AND i.permit IS NOT NULL GROUP BY i.permit
            ) asked JOIN ledger_permit_room(p_permits) room ON room.o_permit = asked.permit
            WHERE asked.amount > room.o_room
        ) INTO v_permits_fit;
        IF NOT (s.o_fits AND v_permits_fit) THEN
            o_codes := ledger_decide_in_order(
                p_debits, p_credits, p_amounts, p_permits, v_groups, o_codes);
            SELECT * INTO s FROM ledger_sides(p_debits, p_credits, p_amounts, o_codes);
        END IF;
    END IF;
    IF NOT p_partial AND 0 <> ANY (o_codes) THEN
        o_outcome := 'refused';
        RETURN;
    END IF;

    IF p_partial THEN
        SELECT array_agg(
            CASE i.watched WHEN i.debit THEN i.debit_after WHEN i.credit THEN i.credit_after END
            ORDER BY i.ord)
        INTO o_balances
        FROM unnest(v_watched, p_debits, p_credits, s.o_debit_after, s.o_credit_after)
            WITH ORDINALITY AS i (watched, debit, credit, debit_after, credit_after, ord);
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
        s.o_debit_seqs, s.o_debit_after, s.o_credit_seqs, s.o_credit_after);
    o_outcome := 'posted';
    IF o_batch IS NULL THEN
        SELECT r.* INTO o_outcome, o_batch, o_posted_at, o_codes, o_balances
            FROM ledger_stored_answer(p_key, p_fingerprint) r;
    END IF;
END $$;

REVOKE ALL ON FUNCTION
    ledger_sides(bigint[], bigint[], bigint[], smallint[]),
    ledger_write(ledger_batch, uuid[], bigint[], bigint[], bigint[], text[], text[], uuid[],
        smallint[], bigint[], bigint[], bigint[], bigint[])
FROM PUBLIC, :runtime_role;
