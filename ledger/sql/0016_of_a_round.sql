-- What comes back out of a round is of a bet there: a refund or an undo gives back no more than the player
-- staked in that round and currency, a correction takes no more than the round paid that player, and pays
-- nobody who has no stake in it. All of it is read from the transfers between the player's accounts and the
-- round's escrow, which is locked: no sum is kept that could be wrong.

-- The items that are of no bet of their round get code 15, in their order: what an earlier one took is
-- not there for a later one, what was refused here takes nothing. Stakes and payouts of the same batch
-- do not count. Looked up where a batch has such a kind: never for stakes and payouts.
CREATE FUNCTION ledger_round_codes(
    p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[], p_codes smallint[]
) RETURNS smallint[] LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_codes smallint[] := p_codes;
    v_left bigint[] := '{}';  -- per player, round and direction; NULL: no bound
    v_room bigint;
    r record;
BEGIN
    FOR r IN
        WITH account AS MATERIALIZED (
            SELECT a.* FROM (SELECT DISTINCT unnest(p_debits || p_credits) AS id) u
            CROSS JOIN LATERAL (SELECT a.id, a.kind, a.currency, a.owner_ref, a.opened_at
                FROM ledger_account a WHERE a.id = u.id LIMIT 1) a
        ), item AS MATERIALIZED (
            SELECT i.ord::integer AS ord, i.amount, e.id AS escrow, e.opened_at, p.owner_ref, p.currency,
                CASE WHEN i.kind <> 'correction' THEN 'back' WHEN e.id = i.credit THEN 'taken'
                    ELSE 'paid' END AS what
            FROM unnest(p_debits, p_credits, p_amounts, p_kinds, p_codes) WITH ORDINALITY
                AS i (debit, credit, amount, kind, code, ord)
            JOIN account e ON e.id IN (i.debit, i.credit) AND e.kind = 'escrow'
            JOIN account p ON p.id IN (i.debit, i.credit) AND p.kind IN ('player_cash', 'receivable')
            WHERE i.code = 0 AND i.kind IN ('refund', 'stake_undo', 'correction')
        ), moved AS MATERIALIZED (
            SELECT p.owner_ref, p.escrow,
                coalesce(sum(t.amount) FILTER (WHERE t.kind = 'stake'), 0) AS staked,
                coalesce(sum(t.amount) FILTER (WHERE t.kind IN ('refund', 'stake_undo')), 0) AS back,
                coalesce(sum(t.amount) FILTER (WHERE t.kind = 'payout'
                    OR t.kind = 'correction' AND NOT t.inward), 0) AS paid,
                coalesce(sum(t.amount) FILTER (WHERE t.kind = 'correction' AND t.inward), 0) AS taken
            FROM (SELECT DISTINCT owner_ref, currency, escrow, opened_at FROM item) p
            CROSS JOIN (VALUES ('player_cash'), ('receivable')) AS k (kind)
            CROSS JOIN LATERAL (SELECT a.id FROM ledger_account a WHERE a.kind = k.kind
                AND a.owner_ref = p.owner_ref AND a.currency = p.currency LIMIT 1) a
            -- By the player's entries, which are few since the round opened, and not by the escrow's:
            -- an undo in a round of 100,000 bets would read them all. The clock may have been set back.
            CROSS JOIN LATERAL (
                SELECT x.kind, x.amount, true AS inward FROM ledger_transfer x
                WHERE x.debit = a.id AND x.posted_at >= p.opened_at - interval '1 day'
                    AND (x.credit = p.escrow) IS TRUE
                UNION ALL
                SELECT x.kind, x.amount, false FROM ledger_transfer x
                WHERE x.credit = a.id AND x.posted_at >= p.opened_at - interval '1 day'
                    AND (x.debit = p.escrow) IS TRUE
            ) t
            GROUP BY p.owner_ref, p.escrow
        )
        SELECT i.ord, i.amount,
            dense_rank() OVER (ORDER BY i.escrow, i.owner_ref, i.what)::integer AS nth,
            CASE i.what WHEN 'back' THEN coalesce(m.staked - m.back, 0)
                WHEN 'taken' THEN coalesce(m.paid - m.taken, 0)
                ELSE CASE WHEN m.staked > m.back THEN NULL ELSE 0 END END::bigint AS room
        FROM item i LEFT JOIN moved m ON m.owner_ref = i.owner_ref AND m.escrow = i.escrow
        ORDER BY i.ord
    LOOP
        v_room := coalesce(v_left[r.nth], r.room);
        IF r.amount > v_room THEN
            v_codes[r.ord] := 15;
        ELSE
            v_left[r.nth] := v_room - r.amount;
        END IF;
    END LOOP;
    RETURN v_codes;
END $$;

-- As in 0013, and what comes back out of a round.
CREATE OR REPLACE FUNCTION ledger_item_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT f.o_codes, f.o_watched INTO o_codes, o_watched
        FROM ledger_adjusted_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) f;
    IF 'chargeback' = ANY (p_kinds) THEN
        o_codes := ledger_chargeback_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
    IF 'dispute' = ANY (p_kinds) THEN
        o_codes := ledger_dispute_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
    IF p_kinds && ARRAY['refund', 'stake_undo', 'correction'] THEN
        o_codes := ledger_round_codes(p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
END $$;

REVOKE ALL ON FUNCTION ledger_round_codes(bigint[], bigint[], bigint[], text[], smallint[])
FROM PUBLIC, :runtime_role;
