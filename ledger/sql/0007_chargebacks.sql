-- Chargebacks: a provider took a captured deposit back, in part or whole, and perhaps returned it. One
-- person enters what the provider says, another approves, and posting demands it. Where the money comes
-- from is worked out here, when it is approved and under the locks of the accounts. Rows are written by
-- the doors below; the runtime role reads.

CREATE TABLE ledger_chargeback (
    id uuid PRIMARY KEY,  -- of provider, dispute, step and attempt, as its transfers' ids are of it
    provider text NOT NULL CHECK (provider ~ '^[a-z0-9][a-z0-9._-]{0,31}$'),
    dispute text NOT NULL CHECK (dispute ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}$'),
    step text NOT NULL CHECK (step IN ('taken', 'returned')),
    attempt integer NOT NULL CHECK (attempt > 0),  -- above 1: those before were refused or withdrawn
    returns uuid REFERENCES ledger_chargeback,
    deposit uuid NOT NULL,  -- the transfer that credited it
    ref text NOT NULL,      -- of that transfer
    cash bigint NOT NULL,
    clearing bigint NOT NULL,
    bearer bigint NOT NULL,  -- whose is what the cash does not cover
    amount bigint NOT NULL CHECK (amount > 0),
    currency text NOT NULL REFERENCES ledger_currency,
    shortfall text NOT NULL CHECK (shortfall IN ('receivable', 'house')),
    note text NOT NULL CHECK (note <> '' AND length(note) <= 400),
    proposer text NOT NULL CHECK (length(proposer) BETWEEN 1 AND 120),
    proposer_role text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_chargeback_once UNIQUE (provider, dispute, step, attempt),
    CONSTRAINT ledger_chargeback_of UNIQUE (id, proposer),
    CONSTRAINT ledger_chargeback_return CHECK ((step = 'returned') = (returns IS NOT NULL))
);
CREATE INDEX ledger_chargeback_deposit ON ledger_chargeback (deposit);
CREATE INDEX ledger_chargeback_time ON ledger_chargeback (proposed_at);

-- One decision for each, by somebody else: as for adjustments.
CREATE TABLE ledger_chargeback_decision (
    chargeback uuid PRIMARY KEY,
    proposer text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approved', 'refused', 'withdrawn')),
    approver text NOT NULL CHECK (length(approver) BETWEEN 1 AND 120),
    approver_role text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 400),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_chargeback_decision_of FOREIGN KEY (chargeback, proposer)
        REFERENCES ledger_chargeback (id, proposer),
    CONSTRAINT ledger_chargeback_two_people
        CHECK ((decision = 'withdrawn') = (approver = proposer)),
    CONSTRAINT ledger_chargeback_why_not CHECK (decision <> 'refused' OR note <> '')
);

-- The transfers that an approval allows, each under its own id, so once.
CREATE TABLE ledger_chargeback_leg (
    transfer uuid PRIMARY KEY,
    chargeback uuid NOT NULL REFERENCES ledger_chargeback_decision,
    debit bigint NOT NULL,
    credit bigint NOT NULL CHECK (credit <> debit),
    amount bigint NOT NULL CHECK (amount > 0),
    CONSTRAINT ledger_chargeback_leg_one_each UNIQUE (chargeback, debit, credit)
);

-- What the provider returns goes where it was taken from.
INSERT INTO ledger_route (kind, debit_kind, credit_kind, side) VALUES
    ('chargeback', 'psp_clearing', 'player_cash', 'credit'),
    ('chargeback', 'psp_clearing', 'receivable', 'credit');

-- The same id for the same words (UUID version 8, from SHA-256).
CREATE FUNCTION ledger_uuid_of(VARIADIC p_words text[]) RETURNS uuid
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT overlay(overlay(encode(substr(sha256(convert_to(
        array_to_string(p_words, E'\x1f'), 'UTF8')), 1, 16), 'hex')
        PLACING '8' FROM 13 FOR 1) PLACING 'a' FROM 17 FOR 1)::uuid
$$;

-- How much of p_amount is there; the twin of ledger.shortfall.cover.
CREATE FUNCTION ledger_cover(p_amount bigint, p_there bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = public, pg_temp AS $$
    SELECT least(p_amount, greatest(p_there, 0))
$$;

-- The proposal of a dispute's step that stands: neither refused nor withdrawn.
CREATE FUNCTION ledger_standing_chargeback(p_provider text, p_dispute text, p_step text)
RETURNS SETOF ledger_chargeback LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT c.* FROM ledger_chargeback c
    LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
    WHERE c.provider = p_provider AND c.dispute = p_dispute AND c.step = p_step
        AND coalesce(x.decision, 'approved') = 'approved'
    ORDER BY c.attempt DESC LIMIT 1
$$;

-- What of a deposit is charged back or may yet be: proposals that stand, less what was returned.
CREATE FUNCTION ledger_charged_back(p_deposit uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(sum(CASE
        WHEN c.step = 'taken' AND coalesce(x.decision, 'approved') = 'approved' THEN c.amount
        WHEN c.step = 'returned' AND x.decision = 'approved' THEN -c.amount
        ELSE 0 END), 0)::bigint
    FROM ledger_chargeback c LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
    WHERE c.deposit = p_deposit
$$;

-- The number of the next attempt. It is read before one looks for a proposal that stands: whoever is
-- faster takes the number, and the other's row is refused by its key.
CREATE FUNCTION ledger_next_attempt(p_provider text, p_dispute text, p_step text) RETURNS integer
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(max(c.attempt), 0) + 1 FROM ledger_chargeback c
    WHERE c.provider = p_provider AND c.dispute = p_dispute AND c.step = p_step
$$;

-- Write a proposal that was judged. NULL where a rival was faster.
CREATE FUNCTION ledger_write_chargeback(p_row ledger_chargeback) RETURNS uuid
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    p_row.id := ledger_uuid_of(
        'chargeback', p_row.provider, p_row.dispute, p_row.step, p_row.attempt::text);
    p_row.proposed_at := clock_timestamp();
    INSERT INTO ledger_chargeback SELECT (p_row).* ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN NULL; END IF;
    RETURN p_row.id;
END $$;

-- Propose to take a disputed deposit back. Answers proposed | replayed | conflict (the dispute stands for
-- something else) | unknown_deposit | currency_mismatch | not_positive | account_closed |
-- above_deposit | unknown_shortfall | bad_dispute | no_note | not_allowed | over_limit, and the proposal. Nothing
-- is written unless proposed. Locks the player's account: of two at once the second sees the first.
CREATE FUNCTION ledger_propose_chargeback(
    p_provider text, p_dispute text, p_deposit uuid, p_amount bigint, p_currency text,
    p_shortfall text, p_note text, p_proposer text, OUT o_outcome text, OUT o_id uuid
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c ledger_chargeback;
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
        IF (t.kind = 'deposit' AND k.owner_ref = 'psp:' || p_provider) IS NOT TRUE THEN
            o_outcome := 'unknown_deposit';
        ELSIF d.currency IS DISTINCT FROM p_currency THEN o_outcome := 'currency_mismatch';
        ELSIF (p_amount > 0) IS NOT TRUE THEN o_outcome := 'not_positive';
        ELSIF d.closed_at IS NOT NULL OR k.closed_at IS NOT NULL THEN o_outcome := 'account_closed';
        ELSIF p_amount > t.amount - ledger_charged_back(p_deposit) THEN o_outcome := 'above_deposit';
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

-- Propose to book back what the provider returned of a chargeback: all of it. Answers proposed | replayed |
-- unknown | not_booked | no_note | not_allowed | over_limit, and the proposal.
CREATE FUNCTION ledger_propose_chargeback_return(
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
        o_id := ledger_write_chargeback(c);
        IF o_id IS NOT NULL THEN o_outcome := 'proposed'; RETURN; END IF;
        SELECT s.id INTO o_id FROM ledger_standing_chargeback(c.provider, c.dispute, 'returned') s;
    END IF;
    o_outcome := 'replayed';
END $$;

-- The transfers of a chargeback as the accounts stand now; they are locked. Taken: from the cash what is
-- there, the rest from who bears it. Returned: to the house what it bore; to a debt no more than is
-- still owed, for what was paid of it since is the player's; everything else to the cash.
CREATE FUNCTION ledger_chargeback_legs(p_chargeback ledger_chargeback)
RETURNS TABLE (o_debit bigint, o_credit bigint, o_amount bigint)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_bearer bigint;
    v_there bigint;
BEGIN
    IF p_chargeback.step = 'taken' THEN
        SELECT a.posted - a.held - a.floor INTO v_there FROM ledger_account a
            WHERE a.id = p_chargeback.cash;
        v_bearer := p_chargeback.amount - ledger_cover(p_chargeback.amount, v_there);
    ELSE
        SELECT coalesce(sum(l.amount), 0) INTO v_bearer FROM ledger_chargeback_leg l
            WHERE l.chargeback = p_chargeback.returns AND l.debit = p_chargeback.bearer;
        IF p_chargeback.shortfall = 'receivable' THEN
            SELECT -a.posted INTO v_there FROM ledger_account a WHERE a.id = p_chargeback.bearer;
            v_bearer := ledger_cover(v_bearer, v_there);
        END IF;
    END IF;
    RETURN QUERY
        SELECT CASE p_chargeback.step WHEN 'taken' THEN s.account ELSE p_chargeback.clearing END,
            CASE p_chargeback.step WHEN 'taken' THEN p_chargeback.clearing ELSE s.account END,
            s.amount
        FROM (VALUES (p_chargeback.cash, p_chargeback.amount - v_bearer),
            (p_chargeback.bearer, v_bearer)) AS s (account, amount)
        WHERE s.amount > 0;
END $$;

-- Decide: approved, refused, or (by the proposer alone) withdrawn. Answers decided | replayed (the same
-- decision by the same person) | unknown | already_decided | same_person | not_yours | not_allowed |
-- over_limit | no_note | account_closed. Approved, its transfers may be posted in this form and no
-- other. An approval locks the accounts, in order of their ids.
CREATE FUNCTION ledger_decide_chargeback(
    p_id uuid, p_decision text, p_approver text, p_note text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    c ledger_chargeback;
    v_made ledger_chargeback_decision;
    v_may record;
    v_role text;
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
        PERFORM 1 FROM ledger_account a WHERE a.id IN (c.cash, c.clearing, c.bearer)
            ORDER BY a.id FOR NO KEY UPDATE;
    END IF;
    SELECT * INTO v_made FROM ledger_chargeback_decision WHERE chargeback = p_id;
    IF NOT FOUND THEN
        IF p_decision = 'approved' AND EXISTS (SELECT FROM ledger_account a
                WHERE a.id IN (c.cash, c.clearing, c.bearer) AND a.closed_at IS NOT NULL) THEN
            RETURN 'account_closed';
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

-- The items of kind chargeback that nobody approved, exactly as they are, get code 14.
CREATE FUNCTION ledger_chargeback_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_codes smallint[]
) RETURNS smallint[] LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg((CASE WHEN i.code = 0 AND i.kind = 'chargeback' AND l.transfer IS NULL
        THEN 14 ELSE i.code END)::smallint ORDER BY i.ord)
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_codes) WITH ORDINALITY
        AS i (id, debit, credit, amount, kind, code, ord)
    LEFT JOIN (ledger_chargeback_leg l JOIN ledger_chargeback_decision x
            ON x.chargeback = l.chargeback AND x.decision = 'approved')
        ON l.transfer = i.id AND l.debit = i.debit AND l.credit = i.credit AND l.amount = i.amount
$$;

REVOKE ALL ON FUNCTION
    ledger_uuid_of(text[]),
    ledger_cover(bigint, bigint),
    ledger_standing_chargeback(text, text, text),
    ledger_charged_back(uuid),
    ledger_next_attempt(text, text, text),
    ledger_write_chargeback(ledger_chargeback),
    ledger_chargeback_legs(ledger_chargeback),
    ledger_chargeback_codes(uuid[], bigint[], bigint[], bigint[], text[], smallint[]),
    ledger_propose_chargeback(text, text, uuid, bigint, text, text, text, text),
    ledger_propose_chargeback_return(uuid, text, text),
    ledger_decide_chargeback(uuid, text, text, text)
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    ledger_propose_chargeback(text, text, uuid, bigint, text, text, text, text),
    ledger_propose_chargeback_return(uuid, text, text),
    ledger_decide_chargeback(uuid, text, text, text)
TO :runtime_role;

-- The codes of 0006, and 14 for chargebacks as well: looked up where a batch has any.
ALTER FUNCTION ledger_item_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[])
    RENAME TO ledger_adjusted_codes;
CREATE FUNCTION ledger_item_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT f.o_codes, f.o_watched INTO o_codes, o_watched
        FROM ledger_adjusted_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) f;
    IF 'chargeback' = ANY (p_kinds) THEN
        o_codes := ledger_chargeback_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
END $$;
REVOKE ALL ON FUNCTION
    ledger_item_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[]),
    ledger_adjusted_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[])
FROM PUBLIC, :runtime_role;
