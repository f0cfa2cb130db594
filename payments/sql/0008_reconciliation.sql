-- Reconciliation: tries, runs, breaks, and what two people made of a break. Runs, events, proposals and
-- decisions never change; a break's row is the same over all runs and is never deleted. Whether a break
-- is resolved is decided by the doors below, which read everybody's roles themselves.

CREATE TABLE payments_reconciliation_run (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{64}$'),
    provider text NOT NULL,
    as_of timestamptz NOT NULL,
    window_from timestamptz NOT NULL CHECK (window_from <= as_of),
    policy_version text NOT NULL,
    code_version text NOT NULL,
    inputs jsonb NOT NULL,
    summary jsonb NOT NULL,
    report_sha256 text NOT NULL CHECK (report_sha256 ~ '^[0-9a-f]{64}$'),
    lines_sha256 text NOT NULL CHECK (lines_sha256 ~ '^[0-9a-f]{64}$'),
    breaks_open integer NOT NULL CHECK (breaks_open >= 0),
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX payments_reconciliation_run_as_of ON payments_reconciliation_run (as_of);

CREATE TABLE payments_reconciliation_attempt (
    id uuid PRIMARY KEY,
    asked_by text NOT NULL CHECK (asked_by <> ''),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cause text NOT NULL CHECK (cause IN ('nightly', 'import', 'command', 'page')),
    provider text NOT NULL DEFAULT '',
    as_of timestamptz,
    dry_run boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    step text NOT NULL DEFAULT '',
    done integer NOT NULL DEFAULT 0 CHECK (done >= 0),
    total integer NOT NULL DEFAULT 0 CHECK (total >= done),
    tries integer NOT NULL DEFAULT 0,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    code text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '' CHECK (length(message) <= 2000),
    run_id text REFERENCES payments_reconciliation_run,
    CHECK ((state = 'failed') = (code <> '')),
    CHECK (state <> 'done' OR dry_run OR run_id IS NOT NULL),
    CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed')))
);
CREATE INDEX payments_reconciliation_attempt_open ON payments_reconciliation_attempt (asked_at)
    WHERE state IN ('waiting', 'running');
CREATE INDEX payments_reconciliation_attempt_time ON payments_reconciliation_attempt (asked_at);

CREATE TABLE payments_reconciliation_break (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{64}$'),
    kind text NOT NULL CHECK (kind IN ('missing_at_psp', 'missing_in_ledger', 'amount', 'currency',
        'duplicate', 'status', 'fee', 'fx', 'batch_sum', 'unmatched_bank_line', 'unbooked_chargeback',
        'timing')),
    side text NOT NULL CHECK (side IN ('ledger', 'psp', 'bank', 'both')),
    provider text NOT NULL,
    currency text NOT NULL,
    category text NOT NULL,
    ledger_entry text NOT NULL DEFAULT '',
    transfer_id uuid,
    payment_id uuid,
    psp_ref text NOT NULL DEFAULT '',
    merchant_ref text NOT NULL DEFAULT '',
    payout_id text NOT NULL DEFAULT '',
    bank_ref text NOT NULL DEFAULT '',
    psp_file text NOT NULL DEFAULT '',
    psp_row bigint,
    bank_file text NOT NULL DEFAULT '',
    bank_row bigint,
    ledger_minor bigint,
    psp_gross_minor bigint,
    psp_currency text NOT NULL DEFAULT '',
    fee_minor bigint,
    net_minor bigint,
    bank_minor bigint,
    difference_minor bigint NOT NULL,
    status text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    booked_at timestamptz NOT NULL,
    settled_at timestamptz,
    is_test boolean NOT NULL DEFAULT false,
    facts_sha256 text NOT NULL CHECK (facts_sha256 ~ '^[0-9a-f]{64}$'),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'cleared')),
    first_run_id text NOT NULL REFERENCES payments_reconciliation_run,
    last_run_id text NOT NULL REFERENCES payments_reconciliation_run,
    cleared_run_id text REFERENCES payments_reconciliation_run,
    assignee_id bigint,
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 400),
    CHECK ((state = 'cleared') = (cleared_run_id IS NOT NULL))
);
CREATE INDEX payments_reconciliation_break_open ON payments_reconciliation_break (booked_at, id)
    WHERE state <> 'cleared';
CREATE INDEX payments_reconciliation_break_last ON payments_reconciliation_break (last_run_id);

CREATE TABLE payments_reconciliation_break_event (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    break_id text NOT NULL REFERENCES payments_reconciliation_break,
    kind text NOT NULL CHECK (kind IN ('found', 'changed', 'cleared', 'reopened', 'assigned', 'noted',
        'proposed', 'approved', 'refused', 'withdrawn')),
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
    run_id text REFERENCES payments_reconciliation_run,
    resolution_id uuid,
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX payments_reconciliation_break_event_of
    ON payments_reconciliation_break_event (break_id, at);

-- What may be written off, and by whom up to what, in minor units of one currency; NULL: nothing. The
-- newest row of a role and currency holds. The codes are those of policy.yaml (a test compares them).
CREATE TABLE payments_write_off_code (code text PRIMARY KEY CHECK (code ~ '^[a-z_]{3,40}$'));
INSERT INTO payments_write_off_code (code) VALUES
    ('provider_error'), ('rounding'), ('fee_accepted'), ('rate_accepted'), ('corrected_elsewhere'),
    ('not_recoverable');
CREATE TABLE payments_write_off_limit (
    role text NOT NULL,
    currency text NOT NULL REFERENCES ledger_currency,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    propose_minor_max bigint CHECK (propose_minor_max > 0),
    approve_minor_max bigint CHECK (approve_minor_max > 0),
    PRIMARY KEY (role, currency, since)
);
-- Finance proposes up to about 1,000 euros and approves up to about 100; an administrator 10,000.
INSERT INTO payments_write_off_limit (role, currency, propose_minor_max, approve_minor_max)
SELECT l.role, c.currency, l.propose * c.units * 10 ^ k.scale, l.approve * c.units * 10 ^ k.scale
FROM (VALUES ('finance', 10, 1), ('administrator', NULL, 100)) AS l (role, propose, approve)
CROSS JOIN (VALUES ('CAD', 100), ('CHF', 100), ('DKK', 750), ('EUR', 100), ('GBP', 100),
    ('JPY', 15000), ('NOK', 1000), ('PLN', 400), ('SEK', 1000), ('USD', 100))
    AS c (currency, units)
JOIN ledger_currency k USING (currency);

CREATE TABLE payments_reconciliation_resolution (
    id uuid PRIMARY KEY,
    break_id text NOT NULL REFERENCES payments_reconciliation_break,
    facts_sha256 text NOT NULL,
    method text NOT NULL CHECK (method IN ('ledger_entry', 'write_off')),
    code text NOT NULL DEFAULT '',
    adjustment_id uuid,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL,
    note text NOT NULL CHECK (note <> '' AND length(note) <= 400),
    proposer text NOT NULL CHECK (length(proposer) BETWEEN 1 AND 120),
    proposer_role text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT payments_reconciliation_resolution_of UNIQUE (id, proposer),
    CHECK ((method = 'ledger_entry') = (adjustment_id IS NOT NULL)),
    CHECK ((method = 'write_off') = (code <> ''))
);
CREATE INDEX payments_reconciliation_resolution_break
    ON payments_reconciliation_resolution (break_id, proposed_at);

-- One decision for each. The proposer stands in it too, so that the table itself tells the two apart.
CREATE TABLE payments_reconciliation_decision (
    resolution_id uuid PRIMARY KEY,
    proposer text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approved', 'refused', 'withdrawn')),
    approver text NOT NULL CHECK (length(approver) BETWEEN 1 AND 120),
    approver_role text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 400),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT payments_reconciliation_decision_of FOREIGN KEY (resolution_id, proposer)
        REFERENCES payments_reconciliation_resolution (id, proposer),
    CONSTRAINT payments_reconciliation_two_people
        CHECK ((decision = 'withdrawn') = (approver = proposer)),
    CONSTRAINT payments_reconciliation_why_not CHECK (decision <> 'refused' OR note <> '')
);

-- A break counts as resolved only where two people resolved exactly what it says now.
CREATE FUNCTION payments_break_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state = 'resolved' AND NOT EXISTS (
        SELECT FROM payments_reconciliation_resolution r
        JOIN payments_reconciliation_decision d ON d.resolution_id = r.id AND d.decision = 'approved'
        WHERE r.break_id = NEW.id AND r.facts_sha256 = NEW.facts_sha256) THEN
        RAISE EXCEPTION 'break_not_resolved: nobody approved a resolution of what it says now'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.state = 'open' AND OLD.state = 'resolved'
        AND NEW.facts_sha256 = OLD.facts_sha256 THEN
        RAISE EXCEPTION 'break_stays_resolved: what two people resolved is as it was'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION payments_break_kept() FROM PUBLIC;
CREATE TRIGGER payments_break_kept BEFORE INSERT OR UPDATE ON payments_reconciliation_break
    FOR EACH ROW EXECUTE FUNCTION payments_break_kept();
CREATE TRIGGER payments_break_no_delete BEFORE DELETE ON payments_reconciliation_break
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER payments_break_no_truncate BEFORE TRUNCATE ON payments_reconciliation_break
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();

-- The least role of p_actor that suffices; o_code: ok | over_limit | not_allowed. As
-- ledger_adjustment_role; an amount of 0 asks whether somebody may at all.
CREATE FUNCTION payments_write_off_role(
    p_actor text, p_currency text, p_amount bigint, p_approves boolean, OUT o_role text, OUT o_code text
) LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    v_most bigint;
BEGIN
    SELECT l.role, l.most INTO o_role, v_most FROM (
        SELECT DISTINCT ON (x.role) x.role,
            CASE WHEN p_approves THEN x.approve_minor_max ELSE x.propose_minor_max END AS most
        FROM payments_write_off_limit x
        WHERE x.currency = p_currency AND x.role = ANY (ledger_roles_of(p_actor))
            AND x.since <= clock_timestamp()
        ORDER BY x.role, x.since DESC) l
    WHERE l.most IS NOT NULL ORDER BY l.most >= p_amount DESC, l.most, l.role LIMIT 1;
    o_code := CASE WHEN o_role IS NULL THEN 'not_allowed'
        WHEN v_most < p_amount THEN 'over_limit' ELSE 'ok' END;
END $$;

-- Whether an adjustment moves the provider's clearing account by exactly what the break lacks, was
-- approved, and stands for no other break: ok | adjustment_not_approved | adjustment_does_not_cover |
-- adjustment_used. Seen from us, money on the debit side is money towards us.
CREATE FUNCTION payments_adjustment_covers(b payments_reconciliation_break, p_adjustment uuid)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    a ledger_adjustment;
    v_clearing bigint;
BEGIN
    SELECT x.* INTO a FROM ledger_adjustment x JOIN ledger_adjustment_decision d
        ON d.adjustment = x.id AND d.decision = 'approved' WHERE x.id = p_adjustment;
    IF NOT FOUND THEN RETURN 'adjustment_not_approved'; END IF;
    SELECT x.id INTO v_clearing FROM ledger_account x WHERE x.kind = 'psp_clearing'
        AND x.owner_ref = 'psp:' || b.provider AND x.currency = b.currency;
    IF (b.difference_minor IS DISTINCT FROM
        CASE v_clearing WHEN a.debit THEN a.amount WHEN a.credit THEN -a.amount END) THEN
        RETURN 'adjustment_does_not_cover';
    END IF;
    IF EXISTS (SELECT FROM payments_reconciliation_resolution r
        LEFT JOIN payments_reconciliation_decision d ON d.resolution_id = r.id
        WHERE r.adjustment_id = p_adjustment AND r.break_id <> b.id
            AND coalesce(d.decision, 'approved') = 'approved') THEN
        RETURN 'adjustment_used';
    END IF;
    RETURN 'ok';
END $$;

-- Propose. Answers proposed | replayed | conflict | unknown_break | break_cleared | already_resolved |
-- already_proposed | not_due | facts_changed | no_note | unknown_code | method_not_for_kind |
-- not_allowed | over_limit, or as payments_adjustment_covers. Nothing is written unless proposed.
CREATE FUNCTION payments_propose_resolution(
    p_id uuid, p_break text, p_facts text, p_method text, p_code text, p_adjustment uuid, p_note text,
    p_proposer text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    r payments_reconciliation_resolution;
    b payments_reconciliation_break;
    v_may record;
    v_covers text;
BEGIN
    SELECT * INTO r FROM payments_reconciliation_resolution WHERE id = p_id;
    IF FOUND THEN
        RETURN CASE WHEN (r.break_id, r.facts_sha256, r.method, r.code, r.adjustment_id, r.note, r.proposer)
                IS NOT DISTINCT FROM
                (p_break, p_facts, p_method, p_code, p_adjustment, p_note, p_proposer)
            THEN 'replayed' ELSE 'conflict' END;
    END IF;
    SELECT * INTO b FROM payments_reconciliation_break WHERE id = p_break
        ORDER BY id FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'unknown_break'; END IF;
    IF b.state = 'cleared' THEN RETURN 'break_cleared'; END IF;
    IF b.state = 'resolved' THEN RETURN 'already_resolved'; END IF;
    IF b.kind = 'timing' THEN RETURN 'not_due'; END IF;
    IF b.facts_sha256 IS DISTINCT FROM p_facts THEN RETURN 'facts_changed'; END IF;
    IF coalesce(btrim(p_note), '') = '' OR length(p_note) > 400 THEN RETURN 'no_note'; END IF;
    v_may := payments_write_off_role(p_proposer, b.currency,
        CASE p_method WHEN 'write_off' THEN abs(b.difference_minor) ELSE 0 END, false);
    IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
    IF EXISTS (SELECT FROM payments_reconciliation_resolution x
        LEFT JOIN payments_reconciliation_decision d ON d.resolution_id = x.id
        WHERE x.break_id = p_break AND d.resolution_id IS NULL) THEN
        RETURN 'already_proposed';
    END IF;
    IF p_method = 'write_off' THEN
        IF NOT EXISTS (SELECT FROM payments_write_off_code c WHERE c.code = p_code) THEN
            RETURN 'unknown_code';
        END IF;
    ELSIF p_method = 'ledger_entry' AND b.kind IN ('missing_at_psp', 'missing_in_ledger', 'amount',
            'duplicate', 'unbooked_chargeback') THEN
        v_covers := payments_adjustment_covers(b, p_adjustment);
        IF v_covers <> 'ok' THEN RETURN v_covers; END IF;
    ELSE
        RETURN 'method_not_for_kind';
    END IF;
    INSERT INTO payments_reconciliation_resolution (id, break_id, facts_sha256, method, code,
        adjustment_id, amount_minor, currency, note, proposer, proposer_role)
    VALUES (p_id, p_break, p_facts, p_method, p_code, p_adjustment, abs(b.difference_minor), b.currency,
        p_note, p_proposer, v_may.o_role);
    RETURN 'proposed';
END $$;

-- Decide: approved, refused, or (by the proposer alone) withdrawn. Answers decided | replayed |
-- unknown_resolution | already_decided | same_person | not_yours | not_allowed | over_limit | no_note |
-- break_cleared | facts_changed, or as payments_adjustment_covers.
CREATE FUNCTION payments_decide_resolution(
    p_id uuid, p_decision text, p_approver text, p_note text
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    r payments_reconciliation_resolution;
    b payments_reconciliation_break;
    v_made payments_reconciliation_decision;
    v_may record;
    v_role text;
    v_covers text;
BEGIN
    SELECT * INTO r FROM payments_reconciliation_resolution WHERE id = p_id;
    IF NOT FOUND THEN RETURN 'unknown_resolution'; END IF;
    SELECT * INTO b FROM payments_reconciliation_break WHERE id = r.break_id
        ORDER BY id FOR NO KEY UPDATE;
    SELECT * INTO v_made FROM payments_reconciliation_decision WHERE resolution_id = p_id;
    IF FOUND THEN
        RETURN CASE WHEN v_made.decision = p_decision AND v_made.approver = p_approver
            THEN 'replayed' ELSE 'already_decided' END;
    END IF;
    v_role := r.proposer_role;
    IF p_decision = 'withdrawn' THEN
        IF r.proposer IS DISTINCT FROM p_approver THEN RETURN 'not_yours'; END IF;
    ELSE
        IF r.proposer = p_approver THEN RETURN 'same_person'; END IF;
        v_may := payments_write_off_role(p_approver, r.currency,
            CASE WHEN p_decision = 'approved' AND r.method = 'write_off' THEN r.amount_minor ELSE 0 END,
            true);
        IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
        v_role := v_may.o_role;
    END IF;
    IF p_decision = 'refused' AND coalesce(btrim(p_note), '') = '' THEN RETURN 'no_note'; END IF;
    IF p_decision = 'approved' THEN
        IF b.state = 'cleared' THEN RETURN 'break_cleared'; END IF;
        IF b.facts_sha256 <> r.facts_sha256 THEN RETURN 'facts_changed'; END IF;
        IF r.method = 'ledger_entry' THEN
            v_covers := payments_adjustment_covers(b, r.adjustment_id);
            IF v_covers <> 'ok' THEN RETURN v_covers; END IF;
        END IF;
    END IF;
    INSERT INTO payments_reconciliation_decision
        (resolution_id, proposer, decision, approver, approver_role, note)
    VALUES (p_id, r.proposer, p_decision, p_approver, v_role, left(btrim(p_note), 400));
    IF p_decision = 'approved' THEN
        UPDATE payments_reconciliation_break SET state = 'resolved' WHERE id = b.id;
    END IF;
    RETURN 'decided';
END $$;

REVOKE ALL ON FUNCTION
    payments_write_off_role(text, text, bigint, boolean),
    payments_adjustment_covers(payments_reconciliation_break, uuid),
    payments_propose_resolution(uuid, text, text, text, text, uuid, text, text),
    payments_decide_resolution(uuid, text, text, text)
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    payments_propose_resolution(uuid, text, text, text, text, uuid, text, text),
    payments_decide_resolution(uuid, text, text, text)
TO :runtime_role;

REVOKE ALL ON payments_reconciliation_attempt, payments_reconciliation_break,
    payments_write_off_code, payments_write_off_limit FROM PUBLIC, :runtime_role;
GRANT SELECT ON payments_write_off_code, payments_write_off_limit TO :runtime_role;
GRANT SELECT, INSERT ON payments_reconciliation_attempt TO :runtime_role;
GRANT UPDATE (state, step, done, total, tries, beat_at, ended_at, code, message, run_id, as_of)
    ON payments_reconciliation_attempt TO :runtime_role;
GRANT SELECT, INSERT ON payments_reconciliation_break TO :runtime_role;
GRANT UPDATE (state, last_run_id, cleared_run_id, assignee_id, note, facts_sha256, ledger_minor,
    psp_gross_minor, psp_currency, fee_minor, net_minor, bank_minor, difference_minor, status, detail,
    booked_at, settled_at, is_test, psp_file, psp_row, bank_file, bank_row, ledger_entry, transfer_id,
    payment_id, psp_ref, merchant_ref, payout_id, bank_ref, category, currency, side)
    ON payments_reconciliation_break TO :runtime_role;
