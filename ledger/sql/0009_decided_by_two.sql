-- What else two people decide: collecting a debt, writing one off, and money between a player and
-- suspense. It is proposed and decided by the doors of 0006, under the same limits; a proposal now has
-- the kind of its transfer, and each kind has reasons of its own. Two routes from the house straight
-- into a player's cash are closed: no act used them.

ALTER TABLE ledger_adjustment_reason ADD COLUMN kind text NOT NULL DEFAULT 'adjustment'
    CHECK (kind IN ('adjustment', 'debt_settled', 'debt_written_off', 'suspense'));
INSERT INTO ledger_adjustment_reason (reason, wording, kind) VALUES
    ('debt_agreed', 'The player agreed to pay it from their account', 'debt_settled'),
    ('debt_due', 'Due by the terms the player accepted', 'debt_settled'),
    ('debt_uncollectable', 'It cannot be collected', 'debt_written_off'),
    ('debt_not_worth_it', 'Collecting it costs more than it is', 'debt_written_off'),
    ('debt_forgiven', 'Forgiven to the player', 'debt_written_off'),
    ('suspense_players', 'What was held back is the player''s', 'suspense'),
    ('suspense_mistaken', 'It was credited to a player by mistake', 'suspense');

ALTER TABLE ledger_adjustment ADD COLUMN kind text NOT NULL DEFAULT 'adjustment'
    CHECK (kind IN ('adjustment', 'debt_settled', 'debt_written_off', 'suspense'));

-- A route that is closed stays in the list of those that were open, for what was posted by it.
CREATE TABLE ledger_route_closed (
    kind text NOT NULL,
    debit_kind text NOT NULL,
    credit_kind text NOT NULL,
    closed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    why text NOT NULL CHECK (why <> ''),
    PRIMARY KEY (kind, debit_kind, credit_kind),
    FOREIGN KEY (kind, debit_kind, credit_kind) REFERENCES ledger_route
);
INSERT INTO ledger_route_closed (kind, debit_kind, credit_kind, why) VALUES
    ('refund', 'house', 'player_cash', 'A refund comes out of the escrow of its round.'),
    ('correction', 'house', 'player_cash', 'A correction pays out of the escrow of its round.');

-- Whether a transfer is one that two people must have decided; chargebacks have tables of their own.
CREATE FUNCTION ledger_needs_two(p_kind text, p_debit_kind text, p_credit_kind text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT p_kind IN ('adjustment', 'debt_settled', 'debt_written_off')
        OR (p_kind = 'suspense' AND 'player_cash' IN (p_debit_kind, p_credit_kind))
$$;

-- What is in the books already had one person. It says so, and is never offered again.
INSERT INTO ledger_adjustment
    (id, debit, credit, amount, kind, reason, note, proposer, proposer_role, proposed_at)
SELECT t.id, t.debit, t.credit, t.amount, t.kind, 'before_the_rule',
    'Posted before this needed two people.', b.actor, 'unknown', t.posted_at
FROM ledger_transfer t JOIN ledger_batch b ON b.id = t.batch
JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
WHERE t.kind <> 'adjustment' AND ledger_needs_two(t.kind, d.kind, c.kind);
INSERT INTO ledger_adjustment_decision (adjustment, proposer, decision, approver, approver_role, note)
SELECT a.id, a.proposer, 'approved', 'system:migration-0007', 'unknown', 'Nobody approved it then.'
FROM ledger_adjustment a WHERE a.kind <> 'adjustment';

-- As in 0006, and p_kind. Answers what that did, and above_debt: more than the player owes now.
DROP FUNCTION ledger_propose_adjustment(uuid, bigint, bigint, bigint, text, text, text);
CREATE FUNCTION ledger_propose_adjustment(
    p_id uuid, p_debit bigint, p_credit bigint, p_amount bigint, p_reason text, p_note text,
    p_proposer text, p_kind text DEFAULT 'adjustment'
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    a ledger_adjustment;
    d ledger_account;
    c ledger_account;
    v_may record;
BEGIN
    SELECT * INTO a FROM ledger_adjustment WHERE id = p_id;
    IF NOT FOUND THEN
        SELECT * INTO d FROM ledger_account WHERE id = p_debit;
        SELECT * INTO c FROM ledger_account WHERE id = p_credit;
        IF d.id IS NULL OR c.id IS NULL THEN RETURN 'unknown_account'; END IF;
        IF d.id = c.id THEN RETURN 'same_account'; END IF;
        IF (p_amount > 0) IS NOT TRUE THEN RETURN 'not_positive'; END IF;
        IF p_amount > 100000000000000 THEN RETURN 'too_large'; END IF;
        IF d.closed_at IS NOT NULL OR c.closed_at IS NOT NULL THEN RETURN 'account_closed'; END IF;
        IF d.currency <> c.currency THEN RETURN 'currency_mismatch'; END IF;
        IF NOT EXISTS (SELECT FROM ledger_route r WHERE r.kind = p_kind
                AND r.debit_kind = d.kind AND r.credit_kind = c.kind
                AND (NOT r.same_owner OR d.owner_ref = c.owner_ref)
                AND ledger_needs_two(r.kind, r.debit_kind, r.credit_kind)) THEN
            RETURN 'route_not_allowed';
        END IF;
        v_may := ledger_adjustment_role(p_proposer, d.currency, p_amount, false);
        IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
        IF NOT EXISTS (SELECT FROM ledger_adjustment_reason r WHERE r.reason = p_reason
                AND r.kind = p_kind
                AND (r.is_offered OR (r.reason = 'set_up' AND v_may.o_role = 'set_up'))) THEN
            RETURN 'unknown_reason';
        END IF;
        IF coalesce(btrim(p_note), '') = '' OR length(p_note) > 400 THEN RETURN 'no_note'; END IF;
        IF p_kind IN ('debt_settled', 'debt_written_off') AND c.posted + p_amount > 0 THEN
            RETURN 'above_debt';
        END IF;
        INSERT INTO ledger_adjustment
            (id, debit, credit, amount, kind, reason, note, proposer, proposer_role)
        VALUES (p_id, p_debit, p_credit, p_amount, p_kind, p_reason, p_note, p_proposer, v_may.o_role)
        ON CONFLICT DO NOTHING RETURNING * INTO a;
        IF FOUND THEN RETURN 'proposed'; END IF;
        SELECT * INTO a FROM ledger_adjustment WHERE id = p_id;  -- a rival was faster
    END IF;
    RETURN CASE WHEN (a.debit, a.credit, a.amount, a.kind, a.reason, a.note, a.proposer)
            IS NOT DISTINCT FROM (p_debit, p_credit, p_amount, p_kind, p_reason, p_note, p_proposer)
        THEN 'replayed' ELSE 'conflict' END;
END $$;

-- As in 0006. Approving what lessens a debt looks again at what is owed, under the locks of both
-- accounts, in order of their ids; more than that is above_debt, and nothing is decided.
CREATE OR REPLACE FUNCTION ledger_decide_adjustment(
    p_id uuid, p_decision text, p_approver text, p_note text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    a ledger_adjustment;
    v_made ledger_adjustment_decision;
    v_currency text;
    v_may record;
    v_role text;
BEGIN
    SELECT * INTO a FROM ledger_adjustment WHERE id = p_id;
    IF NOT FOUND THEN RETURN 'unknown'; END IF;
    v_role := a.proposer_role;
    IF p_decision = 'withdrawn' THEN
        IF a.proposer IS DISTINCT FROM p_approver THEN RETURN 'not_yours'; END IF;
    ELSE
        IF a.proposer = p_approver THEN RETURN 'same_person'; END IF;
        SELECT currency INTO v_currency FROM ledger_account WHERE id = a.debit;
        v_may := ledger_adjustment_role(
            p_approver, v_currency, CASE p_decision WHEN 'approved' THEN a.amount ELSE 0 END, true);
        IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
        v_role := v_may.o_role;
    END IF;
    IF p_decision = 'refused' AND coalesce(btrim(p_note), '') = '' THEN RETURN 'no_note'; END IF;
    IF p_decision = 'approved' AND a.kind IN ('debt_settled', 'debt_written_off') THEN
        PERFORM 1 FROM ledger_account x WHERE x.id IN (a.debit, a.credit)
            ORDER BY x.id FOR NO KEY UPDATE;
        IF NOT EXISTS (SELECT FROM ledger_adjustment_decision x WHERE x.adjustment = p_id)
                AND (SELECT x.posted + a.amount > 0 FROM ledger_account x WHERE x.id = a.credit) THEN
            RETURN 'above_debt';
        END IF;
    END IF;
    INSERT INTO ledger_adjustment_decision
        (adjustment, proposer, decision, approver, approver_role, note)
    VALUES (p_id, a.proposer, p_decision, p_approver, v_role, left(btrim(p_note), 400))
    ON CONFLICT DO NOTHING RETURNING * INTO v_made;
    IF FOUND THEN RETURN 'decided'; END IF;
    SELECT * INTO v_made FROM ledger_adjustment_decision WHERE adjustment = p_id;
    RETURN CASE WHEN v_made.decision = p_decision AND v_made.approver = p_approver
        THEN 'replayed' ELSE 'already_decided' END;
END $$;

-- The items that two people must decide and did not, exactly as they are, get code 14; so does what
-- would lessen a debt by more than is owed. The accounts are locked. Closed routes get code 12.
CREATE OR REPLACE FUNCTION ledger_adjustment_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_codes smallint[]
) RETURNS smallint[] LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg((CASE
            WHEN i.code <> 0 THEN i.code
            WHEN i.closed THEN 12
            WHEN i.needs_two AND (a.id IS NULL OR i.owed_after > 0) THEN 14
            ELSE 0
        END)::smallint ORDER BY i.ord)
    FROM (
        SELECT i.*, ledger_needs_two(i.kind, d.kind, c.kind) AS needs_two,
            EXISTS (SELECT FROM ledger_route_closed r WHERE r.kind = i.kind
                AND r.debit_kind = d.kind AND r.credit_kind = c.kind) AS closed,
            CASE WHEN i.is_debt THEN c.posted + sum(CASE WHEN i.is_debt THEN i.amount ELSE 0 END)
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

-- Looked up where a batch has a kind of which some need it: never for stakes and payouts.
CREATE OR REPLACE FUNCTION ledger_adjusted_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT f.o_codes, f.o_watched INTO o_codes, o_watched
        FROM ledger_form_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) f;
    IF p_kinds && (ARRAY['adjustment', 'debt_settled', 'debt_written_off', 'suspense']
            || ARRAY(SELECT r.kind FROM ledger_route_closed r)) THEN
        o_codes := ledger_adjustment_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
END $$;

REVOKE ALL ON FUNCTION
    ledger_needs_two(text, text, text),
    ledger_propose_adjustment(uuid, bigint, bigint, bigint, text, text, text, text)
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    ledger_propose_adjustment(uuid, bigint, bigint, bigint, text, text, text, text)
TO :runtime_role;
