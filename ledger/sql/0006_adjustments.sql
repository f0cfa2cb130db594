-- Manual adjustments: one person proposes, another approves, and posting demands it. Rows are written
-- by the two doors below; the runtime role reads. Which roles somebody holds is read from the database
-- at that moment, never told by the caller.

CREATE TABLE ledger_adjustment_reason (
    reason text PRIMARY KEY CHECK (reason ~ '^[a-z_]{3,40}$'),
    wording text NOT NULL,
    is_offered boolean NOT NULL DEFAULT true
);
INSERT INTO ledger_adjustment_reason (reason, wording, is_offered) VALUES
    ('goodwill', 'Goodwill to a player', true),
    ('complaint', 'A complaint or dispute was upheld', true),
    ('wrong_posting', 'An earlier posting was wrong', true),
    ('provider_difference', 'A payment provider''s statement differs', true),
    ('provider_fees', 'Fees a payment provider charged or returned', true),
    ('transfer_of_result', 'House result carried to another account', true),
    ('set_up', 'Opening balance of a demonstration', false),
    ('before_the_rule', 'Posted before adjustments needed two people', false);

-- What a role may propose and approve, in minor units of one currency; NULL: nothing. The newest row
-- of a role and currency holds. Changed by a migration that adds rows.
CREATE TABLE ledger_adjustment_limit (
    role text NOT NULL,
    currency text NOT NULL REFERENCES ledger_currency,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    propose_minor_max bigint CHECK (propose_minor_max > 0),
    approve_minor_max bigint CHECK (approve_minor_max > 0),
    PRIMARY KEY (role, currency, since)
);
-- Finance approves up to about 1,000 euros; more, up to a hundred times that, an administrator.
INSERT INTO ledger_adjustment_limit (role, currency, propose_minor_max, approve_minor_max)
SELECT l.role, c.currency, l.propose * c.units * 10 ^ k.scale, l.approve * c.units * 10 ^ k.scale
FROM (VALUES ('finance', 100, 1), ('administrator', NULL, 100)) AS l (role, propose, approve)
CROSS JOIN (VALUES ('CAD', 1000), ('CHF', 1000), ('DKK', 7500), ('EUR', 1000), ('GBP', 1000),
    ('JPY', 150000), ('NOK', 10000), ('PLN', 4000), ('SEK', 10000), ('USD', 1000))
    AS c (currency, units)
JOIN ledger_currency k USING (currency);
-- The set-up of a demonstration: a role that nobody has in production.
INSERT INTO ledger_adjustment_limit (role, currency, propose_minor_max, approve_minor_max)
SELECT 'set_up', currency, 100000000000000, 100000000000000 FROM ledger_currency;

CREATE TABLE ledger_adjustment (
    id uuid PRIMARY KEY,  -- of the transfer as well, so that it happens once
    debit bigint NOT NULL,
    credit bigint NOT NULL CHECK (credit <> debit),
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL REFERENCES ledger_adjustment_reason,
    note text NOT NULL CHECK (note <> '' AND length(note) <= 400),
    proposer text NOT NULL CHECK (length(proposer) BETWEEN 1 AND 120),
    proposer_role text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_adjustment_of UNIQUE (id, proposer)
);
CREATE INDEX ledger_adjustment_time ON ledger_adjustment (proposed_at);

-- One decision for each. The proposer stands in it too, so that the table itself tells the two apart.
CREATE TABLE ledger_adjustment_decision (
    adjustment uuid PRIMARY KEY,
    proposer text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('approved', 'refused', 'withdrawn')),
    approver text NOT NULL CHECK (length(approver) BETWEEN 1 AND 120),
    approver_role text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 400),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT ledger_adjustment_decision_of FOREIGN KEY (adjustment, proposer)
        REFERENCES ledger_adjustment (id, proposer),
    CONSTRAINT ledger_adjustment_two_people
        CHECK ((decision = 'withdrawn') = (approver = proposer)),
    CONSTRAINT ledger_adjustment_why_not CHECK (decision <> 'refused' OR note <> '')
);

-- What is in the books already had one person. It says so, and is never offered again.
INSERT INTO ledger_adjustment (id, debit, credit, amount, reason, note, proposer, proposer_role, proposed_at)
SELECT t.id, t.debit, t.credit, t.amount, 'before_the_rule', 'Posted before adjustments needed two people.',
    b.actor, 'unknown', t.posted_at
FROM ledger_transfer t JOIN ledger_batch b ON b.id = t.batch WHERE t.kind = 'adjustment';
INSERT INTO ledger_adjustment_decision (adjustment, proposer, decision, approver, approver_role, note)
SELECT a.id, a.proposer, 'approved', 'system:migration-0004', 'unknown', 'Nobody approved it then.'
FROM ledger_adjustment a;

-- The roles that somebody holds at this moment. The ledger knows no people: the app that does puts its
-- own body here (backoffice 0006). Until then nobody holds any, and nothing can be proposed.
CREATE FUNCTION ledger_roles_of(p_actor text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$ SELECT '{}'::text[] $$;

-- The least role of p_actor that suffices; o_code: ok | over_limit | not_allowed. An amount of 0 asks
-- whether somebody may at all.
CREATE FUNCTION ledger_adjustment_role(
    p_actor text, p_currency text, p_amount bigint, p_approves boolean, OUT o_role text, OUT o_code text
) LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    v_most bigint;
BEGIN
    SELECT l.role, l.most INTO o_role, v_most FROM (
        SELECT DISTINCT ON (x.role) x.role,
            CASE WHEN p_approves THEN x.approve_minor_max ELSE x.propose_minor_max END AS most
        FROM ledger_adjustment_limit x
        WHERE x.currency = p_currency AND x.role = ANY (ledger_roles_of(p_actor))
            AND x.since <= clock_timestamp()
        ORDER BY x.role, x.since DESC) l
    WHERE l.most IS NOT NULL ORDER BY l.most >= p_amount DESC, l.most, l.role LIMIT 1;
    o_code := CASE WHEN o_role IS NULL THEN 'not_allowed'
        WHEN v_most < p_amount THEN 'over_limit' ELSE 'ok' END;
END $$;

-- Propose. Answers proposed | replayed | conflict (the id stands for something else) | not_allowed |
-- over_limit | no_note | unknown_reason | not_positive | too_large | same_account | unknown_account |
-- account_closed | currency_mismatch | route_not_allowed. Nothing is written unless proposed.
CREATE FUNCTION ledger_propose_adjustment(
    p_id uuid, p_debit bigint, p_credit bigint, p_amount bigint, p_reason text, p_note text,
    p_proposer text
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
        IF NOT EXISTS (SELECT FROM ledger_route r WHERE r.kind = 'adjustment'
                AND r.debit_kind = d.kind AND r.credit_kind = c.kind) THEN
            RETURN 'route_not_allowed';
        END IF;
        v_may := ledger_adjustment_role(p_proposer, d.currency, p_amount, false);
        IF v_may.o_code <> 'ok' THEN RETURN v_may.o_code; END IF;
        IF NOT EXISTS (SELECT FROM ledger_adjustment_reason r WHERE r.reason = p_reason
                AND (r.is_offered OR (r.reason = 'set_up' AND v_may.o_role = 'set_up'))) THEN
            RETURN 'unknown_reason';
        END IF;
        IF coalesce(btrim(p_note), '') = '' OR length(p_note) > 400 THEN RETURN 'no_note'; END IF;
        INSERT INTO ledger_adjustment (id, debit, credit, amount, reason, note, proposer, proposer_role)
        VALUES (p_id, p_debit, p_credit, p_amount, p_reason, p_note, p_proposer, v_may.o_role)
        ON CONFLICT DO NOTHING RETURNING * INTO a;
        IF FOUND THEN RETURN 'proposed'; END IF;
        SELECT * INTO a FROM ledger_adjustment WHERE id = p_id;  -- a rival was faster
    END IF;
    RETURN CASE WHEN (a.debit, a.credit, a.amount, a.reason, a.note, a.proposer)
            IS NOT DISTINCT FROM (p_debit, p_credit, p_amount, p_reason, p_note, p_proposer)
        THEN 'replayed' ELSE 'conflict' END;
END $$;

-- Decide: approved, refused, or (by the proposer alone) withdrawn. Answers decided | replayed (the same
-- decision by the same person) | unknown | already_decided | same_person | not_yours | not_allowed |
-- over_limit | no_note. Whoever refuses may approve some amount, if not this one.
CREATE FUNCTION ledger_decide_adjustment(
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
    INSERT INTO ledger_adjustment_decision
        (adjustment, proposer, decision, approver, approver_role, note)
    VALUES (p_id, a.proposer, p_decision, p_approver, v_role, left(btrim(p_note), 400))
    ON CONFLICT DO NOTHING RETURNING * INTO v_made;
    IF FOUND THEN RETURN 'decided'; END IF;
    SELECT * INTO v_made FROM ledger_adjustment_decision WHERE adjustment = p_id;
    RETURN CASE WHEN v_made.decision = p_decision AND v_made.approver = p_approver
        THEN 'replayed' ELSE 'already_decided' END;
END $$;

-- The items of kind adjustment that nobody approved, exactly as they are, get code 14.
CREATE FUNCTION ledger_adjustment_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_codes smallint[]
) RETURNS smallint[] LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT array_agg((CASE WHEN i.code = 0 AND i.kind = 'adjustment' AND a.id IS NULL
        THEN 14 ELSE i.code END)::smallint ORDER BY i.ord)
    FROM unnest(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_codes) WITH ORDINALITY
        AS i (id, debit, credit, amount, kind, code, ord)
    LEFT JOIN (ledger_adjustment a JOIN ledger_adjustment_decision x
            ON x.adjustment = a.id AND x.decision = 'approved')
        ON a.id = i.id AND a.debit = i.debit AND a.credit = i.credit AND a.amount = i.amount
$$;

REVOKE ALL ON FUNCTION
    ledger_roles_of(text),
    ledger_adjustment_role(text, text, bigint, boolean),
    ledger_adjustment_codes(uuid[], bigint[], bigint[], bigint[], text[], smallint[]),
    ledger_propose_adjustment(uuid, bigint, bigint, bigint, text, text, text),
    ledger_decide_adjustment(uuid, text, text, text)
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    ledger_propose_adjustment(uuid, bigint, bigint, bigint, text, text, text),
    ledger_decide_adjustment(uuid, text, text, text)
TO :runtime_role;

-- The codes of 0002, and 14 not_approved: adjustments are looked up where a batch has any.
ALTER FUNCTION ledger_item_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[])
    RENAME TO ledger_form_codes;
CREATE FUNCTION ledger_item_codes(
    p_ids uuid[], p_debits bigint[], p_credits bigint[], p_amounts bigint[], p_kinds text[],
    p_permits uuid[], OUT o_codes smallint[], OUT o_watched bigint[]
) LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    SELECT f.o_codes, f.o_watched INTO o_codes, o_watched
        FROM ledger_form_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, p_permits) f;
    IF 'adjustment' = ANY (p_kinds) THEN
        o_codes := ledger_adjustment_codes(p_ids, p_debits, p_credits, p_amounts, p_kinds, o_codes);
    END IF;
END $$;
REVOKE ALL ON FUNCTION
    ledger_item_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[]),
    ledger_form_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[])
FROM PUBLIC, :runtime_role;
