-- A dispute that the provider itself reported, and confirmed when it was asked: what it took of a deposit
-- is booked at once against the account chargebacks, and what it gave back the other way. Who bears it is
-- decided by two people afterwards, by the doors of 0007, and then moves against that same account: the
-- provider's side is booked once, by whichever of the two came first. Rows are written by the door below.

CREATE TABLE ledger_dispute (
    transfer uuid PRIMARY KEY,  -- of provider, dispute and step, so that it happens once
    provider text NOT NULL CHECK (provider ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
    dispute text NOT NULL CHECK (dispute ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}$'),
    step text NOT NULL CHECK (step IN ('taken', 'returned')),
    deposit uuid NOT NULL,  -- the transfer that credited it
    ref text NOT NULL,      -- of that transfer
    cash bigint NOT NULL,
    clearing bigint NOT NULL,
    disputed bigint NOT NULL CHECK (disputed <> clearing),  -- the account chargebacks
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL REFERENCES ledger_currency,
    confirmed text NOT NULL CHECK (confirmed <> '' AND length(confirmed) <= 200),
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_dispute_once UNIQUE (provider, dispute, step)
);
CREATE INDEX ledger_dispute_deposit ON ledger_dispute (deposit);

CREATE FUNCTION ledger_dispute_step(p_provider text, p_dispute text, p_step text)
RETURNS SETOF ledger_dispute LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT d.* FROM ledger_dispute d
    WHERE d.provider = p_provider AND d.dispute = p_dispute AND d.step = p_step
$$;

-- What of a deposit is taken back or may yet be: what providers took themselves less what they gave
-- back, and as in 0007 what people entered by hand about other disputes.
CREATE OR REPLACE FUNCTION ledger_charged_back(p_deposit uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT (coalesce((SELECT sum(CASE
            WHEN c.step = 'taken' AND coalesce(x.decision, 'approved') = 'approved' THEN c.amount
            WHEN c.step = 'returned' AND x.decision = 'approved' THEN -c.amount
            ELSE 0 END)
        FROM ledger_chargeback c LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
        WHERE c.deposit = p_deposit AND NOT EXISTS (
            SELECT FROM ledger_dispute_step(c.provider, c.dispute, 'taken'))), 0)
        + coalesce((SELECT sum(CASE d.step WHEN 'taken' THEN d.amount ELSE -d.amount END)
            FROM ledger_dispute d WHERE d.deposit = p_deposit), 0))::bigint
$$;

-- Note what a provider confirmed. Answers noted | replayed | conflict (the dispute stands for something
-- else) | by_hand (two people have booked the provider's side already) | not_taken (a return of nothing) |
-- unknown_deposit | currency_mismatch | not_positive | above_deposit | bad_dispute | unconfirmed, and the
-- transfer with its two accounts. Nothing is written unless noted; its transfer may then be posted in this
-- form and no other. Locks the player's account and the provider's two, in order of their ids: of two at
-- once the second sees the first.
CREATE FUNCTION ledger_note_dispute(
    p_provider text, p_dispute text, p_step text, p_deposit uuid, p_amount bigint, p_currency text,
    p_confirmed text,
    OUT o_outcome text, OUT o_transfer uuid, OUT o_clearing bigint, OUT o_disputed bigint, OUT o_ref text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    n ledger_dispute;
    t ledger_transfer;
    d ledger_account;
    k ledger_account;
    v_disputed bigint;
BEGIN
    SELECT x.* INTO t FROM ledger_transfer_id i JOIN ledger_transfer x
        ON x.batch = i.batch AND x.item = i.item AND x.id = i.id WHERE i.id = p_deposit;
    SELECT * INTO k FROM ledger_account WHERE id = t.debit;
    SELECT * INTO d FROM ledger_account WHERE id = t.credit;
    IF t.kind = 'deposit' AND k.owner_ref = 'psp:' || p_provider THEN
        SELECT e.o_id INTO v_disputed FROM ledger_ensure_accounts(
            ARRAY['chargebacks'], ARRAY[k.owner_ref], ARRAY[d.currency]) e;
        PERFORM 1 FROM ledger_account a WHERE a.id IN (t.debit, t.credit, v_disputed)
            ORDER BY a.id FOR NO KEY UPDATE;
    END IF;

    SELECT * INTO n FROM ledger_dispute_step(p_provider, p_dispute, p_step);
    IF n.transfer IS NULL THEN
        o_outcome := CASE
            WHEN (t.kind = 'deposit' AND k.owner_ref = 'psp:' || p_provider) IS NOT TRUE
                THEN 'unknown_deposit'
            WHEN d.currency IS DISTINCT FROM p_currency THEN 'currency_mismatch'
            WHEN (p_amount > 0) IS NOT TRUE THEN 'not_positive'
            WHEN (p_dispute ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}$') IS NOT TRUE
                OR (p_step IN ('taken', 'returned')) IS NOT TRUE THEN 'bad_dispute'
            WHEN coalesce(btrim(p_confirmed), '') = '' THEN 'unconfirmed' END;
        IF o_outcome IS NOT NULL THEN RETURN; END IF;
        SELECT * INTO n FROM ledger_dispute_step(p_provider, p_dispute, 'taken');
        IF n.transfer IS NULL AND EXISTS (
                SELECT FROM ledger_standing_chargeback(p_provider, p_dispute, 'taken') c
                JOIN ledger_chargeback_decision x ON x.chargeback = c.id) THEN
            o_outcome := 'by_hand'; RETURN;
        END IF;
        IF p_step = 'taken' THEN
            -- What waits to be approved about this very dispute is the same money.
            IF p_amount > t.amount - ledger_charged_back(p_deposit) + coalesce((
                    SELECT c.amount FROM ledger_standing_chargeback(p_provider, p_dispute, 'taken') c
                    WHERE c.deposit = p_deposit), 0) THEN
                o_outcome := 'above_deposit'; RETURN;
            END IF;
        ELSIF n.transfer IS NULL THEN o_outcome := 'not_taken'; RETURN;
        ELSIF (n.deposit, n.amount) IS DISTINCT FROM (p_deposit, p_amount) THEN
            o_outcome := 'conflict'; RETURN;
        END IF;
        INSERT INTO ledger_dispute (transfer, provider, dispute, step, deposit, ref, cash, clearing,
            disputed, amount, currency, confirmed)
        VALUES (ledger_uuid_of('dispute', p_provider, p_dispute, p_step), p_provider, p_dispute,
            p_step, p_deposit, t.ref, d.id, k.id, v_disputed, p_amount, d.currency,
            left(btrim(p_confirmed), 200))
        ON CONFLICT DO NOTHING RETURNING * INTO n;
        IF FOUND THEN o_outcome := 'noted';
        ELSE SELECT * INTO n FROM ledger_dispute_step(p_provider, p_dispute, p_step);
        END IF;
    END IF;
    o_transfer := n.transfer; o_clearing := n.clearing; o_disputed := n.disputed; o_ref := n.ref;
    o_outcome := coalesce(o_outcome, CASE WHEN (n.deposit, n.amount, n.currency)
        IS NOT DISTINCT FROM (p_deposit, p_amount, p_currency) THEN 'replayed' ELSE 'conflict' END);
END $$;

-- As in 0007. Of a dispute that the provider reported, people enter who bears it: of its own deposit, no
-- more than was taken, and nothing once it was given back. It then moves against the account chargebacks.
-- Answers also dispute_won.
CREATE OR REPLACE FUNCTION ledger_propose_chargeback(
    p_provider text, p_dispute text, p_deposit uuid, p_amount bigint, p_currency text,
    p_shortfall text, p_note text, p_proposer text, OUT o_outcome text, OUT o_id uuid
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c ledger_chargeback;
    n ledger_dispute;
    t ledger_transfer;
    d ledger_account;
    k ledger_account;
    v_may record;
    v_attempt integer;
BEGIN
    SELECT x.* INTO t FROM ledger_transfer_id i JOIN ledger_transfer x
        ON x.batch = i.batch AND x.item = i.item AND x.id = i.id WHERE i.id = p_deposit;
    SELECT * INTO k FROM ledger_account WHERE id = t.debit;
    SELECT * INTO d FROM ledger_account WHERE id = t.credit ORDER BY id FOR NO KEY UPDATE;

    v_attempt := ledger_next_attempt(p_provider, p_dispute, 'taken');
    SELECT * INTO c FROM ledger_standing_chargeback(p_provider, p_dispute, 'taken');
    IF c.id IS NULL THEN
        SELECT * INTO n FROM ledger_dispute_step(p_provider, p_dispute, 'taken');
        IF (t.kind = 'deposit' AND k.owner_ref = 'psp:' || p_provider) IS NOT TRUE THEN
            o_outcome := 'unknown_deposit';
        ELSIF d.currency IS DISTINCT FROM p_currency THEN o_outcome := 'currency_mismatch';
        ELSIF (p_amount > 0) IS NOT TRUE THEN o_outcome := 'not_positive';
        ELSIF d.closed_at IS NOT NULL OR k.closed_at IS NOT NULL THEN o_outcome := 'account_closed';
        ELSIF n.deposit <> p_deposit THEN o_outcome := 'conflict';
        ELSIF p_amount > coalesce(n.amount, t.amount - ledger_charged_back(p_deposit)) THEN
            o_outcome := 'above_deposit';
        ELSIF EXISTS (SELECT FROM ledger_dispute_step(p_provider, p_dispute, 'returned')) THEN
            o_outcome := 'dispute_won';
        ELSIF (p_shortfall IN ('receivable', 'house')) IS NOT TRUE THEN
            o_outcome := 'unknown_shortfall';
        ELSIF (p_dispute ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}$') IS NOT TRUE THEN o_outcome := 'bad_dispute';
        ELSIF coalesce(btrim(p_note), '') = '' OR length(p_note) > 400 THEN o_outcome := 'no_note';
        END IF;
        IF o_outcome IS NOT NULL THEN RETURN; END IF;
        v_may := ledger_adjustment_role(p_proposer, d.currency, p_amount, false);
        IF v_may.o_code <> 'ok' THEN o_outcome := v_may.o_code; RETURN; END IF;

        SELECT e.o_id INTO c.bearer FROM ledger_ensure_accounts(
            ARRAY[CASE p_shortfall WHEN 'house' THEN 'chargebacks' ELSE 'receivable' END],
            ARRAY[CASE p_shortfall WHEN 'house' THEN k.owner_ref ELSE d.owner_ref END],
            ARRAY[d.currency]) e;
        c.provider := p_provider; c.dispute := p_dispute; c.step := 'taken'; c.attempt := v_attempt;
        c.deposit := p_deposit; c.ref := t.ref; c.cash := d.id; c.clearing := k.id;
        c.amount := p_amount; c.currency := d.currency; c.shortfall := p_shortfall;
        c.note := btrim(p_note); c.proposer := p_proposer; c.proposer_role := v_may.o_role;
        o_id := ledger_write_chargeback(c);
        IF o_id IS NOT NULL THEN o_outcome := 'proposed'; RETURN; END IF;
        SELECT * INTO c FROM ledger_standing_chargeback(p_provider, p_dispute, 'taken');
    END IF;
    o_id := c.id;
    o_outcome := CASE WHEN (c.deposit, c.amount, c.currency, c.shortfall)
            IS NOT DISTINCT FROM (p_deposit, p_amount, p_currency, p_shortfall)
        THEN 'replayed' ELSE 'conflict' END;
END $$;

-- What stands against approving it now: NULL, or the answer. A dispute that the provider reported after
-- it was entered may be smaller than what was entered, or be over.
CREATE FUNCTION ledger_chargeback_obstacle(p_chargeback ledger_chargeback) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE
        WHEN p_chargeback.step = 'returned' THEN
            CASE WHEN g.transfer IS NULL THEN 'not_returned' END
        WHEN n.deposit <> p_chargeback.deposit THEN 'conflict'
        WHEN g.transfer IS NOT NULL THEN 'dispute_won'
        WHEN p_chargeback.amount > n.amount THEN 'above_deposit' END
    FROM ledger_dispute_step(p_chargeback.provider, p_chargeback.dispute, 'taken') n
    LEFT JOIN ledger_dispute_step(p_chargeback.provider, p_chargeback.dispute, 'returned') g ON true
$$;

-- As in 0007; what the provider itself gives back must have been given back, or there is nothing to share
-- out. Answers also not_returned, and nothing_borne: the house bore all of it, so nobody is given any.
CREATE OR REPLACE FUNCTION ledger_propose_chargeback_return(
    p_chargeback uuid, p_note text, p_proposer text, OUT o_outcome text, OUT o_id uuid
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c ledger_chargeback;
    v_may record;
    v_attempt integer;
BEGIN
    SELECT * INTO c FROM ledger_chargeback WHERE id = p_chargeback AND step = 'taken';
    IF NOT FOUND THEN o_outcome := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM ledger_account WHERE id = c.cash ORDER BY id FOR NO KEY UPDATE;
    v_attempt := ledger_next_attempt(c.provider, c.dispute, 'returned');
    SELECT s.id INTO o_id FROM ledger_standing_chargeback(c.provider, c.dispute, 'returned') s;
    IF o_id IS NULL THEN
        IF NOT EXISTS (SELECT FROM ledger_chargeback_decision x
                WHERE x.chargeback = c.id AND x.decision = 'approved') THEN
            o_outcome := 'not_booked'; RETURN;
        END IF;
        IF coalesce(btrim(p_note), '') = '' OR length(p_note) > 400 THEN
            o_outcome := 'no_note'; RETURN;
        END IF;
        v_may := ledger_adjustment_role(p_proposer, c.currency, c.amount, false);
        IF v_may.o_code <> 'ok' THEN o_outcome := v_may.o_code; RETURN; END IF;
        c.step := 'returned'; c.attempt := v_attempt; c.returns := c.id; c.note := btrim(p_note);
        c.proposer := p_proposer; c.proposer_role := v_may.o_role;
        o_outcome := ledger_chargeback_obstacle(c);
        IF o_outcome IS NULL AND NOT EXISTS (
                SELECT FROM ledger_chargeback_leg l WHERE l.chargeback = p_chargeback) THEN
            o_outcome := 'nothing_borne';
        END IF;
        IF o_outcome IS NOT NULL THEN RETURN; END IF;
        o_id := ledger_write_chargeback(c);
        IF o_id IS NOT NULL THEN o_outcome := 'proposed'; RETURN; END IF;
        SELECT s.id INTO o_id FROM ledger_standing_chargeback(c.provider, c.dispute, 'returned') s;
    END IF;
    o_outcome := 'replayed';
END $$;

-- As in 0007, against the account chargebacks where the provider's side is booked there: what the house
-- bears then stays where it is, and no transfer says it.
CREATE OR REPLACE FUNCTION ledger_chargeback_legs(p_chargeback ledger_chargeback)
RETURNS TABLE (o_debit bigint, o_credit bigint, o_amount bigint)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_counter bigint;
    v_whole bigint := p_chargeback.amount;
    v_bearer bigint;
    v_there bigint;
BEGIN
    SELECT n.disputed INTO v_counter
        FROM ledger_dispute_step(p_chargeback.provider, p_chargeback.dispute, 'taken') n;
    v_counter := coalesce(v_counter, p_chargeback.clearing);
    IF p_chargeback.step = 'taken' THEN
        SELECT a.posted - a.held - a.floor INTO v_there FROM ledger_account a
            WHERE a.id = p_chargeback.cash;
        v_bearer := p_chargeback.amount - ledger_cover(p_chargeback.amount, v_there);
    ELSE
        SELECT coalesce(sum(l.amount) FILTER (WHERE l.debit = p_chargeback.bearer), 0),
                coalesce(sum(l.amount), 0) INTO v_bearer, v_whole
            FROM ledger_chargeback_leg l WHERE l.chargeback = p_chargeback.returns;
        IF p_chargeback.shortfall = 'receivable' THEN
            SELECT -a.posted INTO v_there FROM ledger_account a WHERE a.id = p_chargeback.bearer;
            v_bearer := ledger_cover(v_bearer, v_there);
        END IF;
    END IF;
    RETURN QUERY
        SELECT CASE p_chargeback.step WHEN 'taken' THEN s.account ELSE v_counter END,
            CASE p_chargeback.step WHEN 'taken' THEN v_counter ELSE s.account END,
            s.amount
        FROM (VALUES (p_chargeback.cash, v_whole - v_bearer),
            (p_chargeback.bearer, v_bearer)) AS s (account, amount)
        WHERE s.amount > 0 AND s.account <> v_counter;
END $$;

-- As in 0007. Answers also dispute_won, above_deposit, conflict and not_returned: see the obstacle.
CREATE OR REPLACE FUNCTION ledger_decide_chargeback(
    p_id uuid, p_decision text, p_approver text, p_note text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c ledger_chargeback;
    v_made ledger_chargeback_decision;
    v_may record;
    v_role text;
    v_obstacle text;
    v_accounts bigint[];
BEGIN
    SELECT * INTO c FROM ledger_chargeback WHERE id = p_id;
    IF NOT FOUND THEN RETURN 'unknown'; END IF;
    v_role := c.proposer_role;
    IF p_decision = 'withdrawn' THEN
        IF c.proposer IS DISTINCT FROM p_approver THEN RETURN 'not_yours'; END IF;
    ELSE
        IF c.proposer = p_approver THEN RETURN 'same_person'; END IF;
        v_may := ledger_adjustment_role(
            p_approver, c.currency, CASE p_decision WHEN 'approved' THEN c.amount ELSE 0 END, true);
        IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
        v_role := v_may.o_role;
    END IF;
    IF p_decision = 'refused' AND coalesce(btrim(p_note), '') = '' THEN RETURN 'no_note'; END IF;
    IF p_decision = 'approved' THEN
        v_accounts := ARRAY(
            SELECT c.cash UNION SELECT c.clearing UNION SELECT c.bearer
            UNION SELECT n.disputed FROM ledger_dispute_step(c.provider, c.dispute, 'taken') n);
        PERFORM 1 FROM ledger_account a WHERE a.id = ANY (v_accounts)
            ORDER BY a.id FOR NO KEY UPDATE;
    END IF;
    SELECT * INTO v_made FROM ledger_chargeback_decision WHERE chargeback = p_id;
    IF NOT FOUND THEN
        IF p_decision = 'approved' THEN
            IF EXISTS (SELECT FROM ledger_account a
                    WHERE a.id = ANY (v_accounts) AND a.closed_at IS NOT NULL) THEN
                RETURN 'account_closed';
            END IF;
            v_obstacle := ledger_chargeback_obstacle(c);
            IF v_obstacle IS NOT NULL THEN RETURN v_obstacle; END IF;
        END IF;
        INSERT INTO ledger_chargeback_decision
            (chargeback, proposer, decision, approver, approver_role, note)
        VALUES (p_id, c.proposer, p_decision, p_approver, v_role, left(btrim(p_note), 400))
        ON CONFLICT DO NOTHING RETURNING * INTO v_made;
        IF FOUND THEN
            IF p_decision = 'approved' THEN
                INSERT INTO ledger_chargeback_leg (transfer, chargeback, debit, credit, amount)
                SELECT ledger_uuid_of('chargeback-leg', p_id::text, l.o_debit::text, l.o_credit::text),
                    p_id, l.o_debit, l.o_credit, l.o_amount
                FROM ledger_chargeback_legs(c) l;
            END IF;
            RETURN 'decided';
        END IF;
        SELECT * INTO v_made FROM ledger_chargeback_decision WHERE chargeback = p_id;
    END IF;
    RETURN CASE WHEN v_made.decision = p_decision AND v_made.approver = p_approver
        THEN 'replayed' ELSE 'already_decided' END;
END $$;

-- The items of kind dispute that were not noted, exactly as they are, get code 14.
CREATE FUNCTION ledger_dispute_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_codes smallint[]
) RETURNS smallint[] LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg((CASE WHEN i.code = 0 AND i.kind = 'dispute' AND n.transfer IS NULL
        THEN 14 ELSE i.code END)::smallint ORDER BY i.ord)
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_codes) WITH ORDINALITY
        AS i (id, debit, credit, amount, kind, code, ord)
    LEFT JOIN ledger_dispute n ON n.transfer = i.id AND n.amount = i.amount
        AND (i.debit, i.credit) = (CASE n.step WHEN 'taken' THEN n.disputed ELSE n.clearing END,
            CASE n.step WHEN 'taken' THEN n.clearing ELSE n.disputed END)
$$;

-- As in 0007, and disputes: looked up where a batch has any.
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
END $$;

REVOKE ALL ON FUNCTION
    ledger_dispute_step(text, text, text),
    ledger_note_dispute(text, text, text, uuid, bigint, text, text),
    ledger_chargeback_obstacle(ledger_chargeback),
    ledger_dispute_codes(uuid[], bigint[], bigint[], bigint[], text[], smallint[])
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION ledger_note_dispute(text, text, text, uuid, bigint, text, text)
TO :runtime_role;
