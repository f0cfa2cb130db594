-- The ledger's tables. Rows are written by the functions of 0002 and 0003 only; the runtime role reads.

-- What exists, as closed lists: a new currency, kind or route is a migration that somebody reviews.

CREATE TABLE ledger_currency (
    currency text PRIMARY KEY CHECK (currency ~ '^[A-Z]{3}$'),
    scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 4)
);
INSERT INTO ledger_currency (currency, scale) VALUES
    ('CAD', 2), ('CHF', 2), ('DKK', 2), ('EUR', 2), ('GBP', 2),
    ('JPY', 0), ('NOK', 2), ('PLN', 2), ('SEK', 2), ('USD', 2);

CREATE TABLE ledger_account_kind (
    kind text PRIMARY KEY,
    floor bigint  -- NULL: may go below any amount, because it stands for money outside the house
);
INSERT INTO ledger_account_kind (kind, floor) VALUES
    ('player_cash', 0), ('player_held', 0), ('escrow', 0), ('bonus', 0), ('jackpot', 0), ('tips', 0),
    ('receivable', NULL), ('house', NULL), ('psp_clearing', NULL), ('psp_fees', NULL),
    ('chargebacks', NULL), ('adjustments', NULL), ('suspense', NULL);

-- Which kind of transfer may move money between which kinds of account. `side` names the account
-- whose owner must own the permit (where one is needed) and whose balance the answer reports.
CREATE TABLE ledger_route (
    kind text NOT NULL,
    debit_kind text NOT NULL REFERENCES ledger_account_kind,
    credit_kind text NOT NULL REFERENCES ledger_account_kind,
    side text NOT NULL CHECK (side IN ('debit', 'credit')),
    permit boolean NOT NULL DEFAULT false,
    same_owner boolean NOT NULL DEFAULT false,
    PRIMARY KEY (kind, debit_kind, credit_kind),
    CHECK (permit = (kind IN ('stake', 'deposit', 'withdrawal_hold'))),
    -- Whatever the kind, money never passes from one person to another.
    CHECK (same_owner OR NOT (
        debit_kind IN ('player_cash', 'player_held', 'bonus')
        AND credit_kind IN ('player_cash', 'player_held', 'bonus')))
);
INSERT INTO ledger_route (kind, debit_kind, credit_kind, side, permit, same_owner) VALUES
    ('stake', 'player_cash', 'escrow', 'debit', true, false),
    ('stake_undo', 'escrow', 'player_cash', 'credit', false, false),
    ('payout', 'escrow', 'player_cash', 'credit', false, false),
    ('refund', 'escrow', 'player_cash', 'credit', false, false),
    ('refund', 'house', 'player_cash', 'credit', false, false),
    ('house_sweep', 'escrow', 'house', 'credit', false, false),
    ('house_sweep', 'house', 'escrow', 'debit', false, false),
    ('deposit', 'psp_clearing', 'player_cash', 'credit', true, false),
    ('deposit_reversal', 'player_cash', 'psp_clearing', 'debit', false, false),
    ('deposit_reversal', 'receivable', 'psp_clearing', 'debit', false, false),
    ('withdrawal_hold', 'player_cash', 'player_held', 'debit', true, true),
    ('withdrawal_release', 'player_held', 'player_cash', 'credit', false, true),
    ('withdrawal_paid', 'player_held', 'psp_clearing', 'debit', false, false),
    ('withdrawal_returned', 'psp_clearing', 'player_cash', 'credit', false, false),
    ('psp_fee', 'psp_fees', 'psp_clearing', 'debit', false, false),
    ('psp_fee', 'psp_clearing', 'psp_fees', 'debit', false, false),
    ('chargeback', 'player_cash', 'psp_clearing', 'debit', false, false),
    ('chargeback', 'receivable', 'psp_clearing', 'debit', false, false),
    ('chargeback', 'chargebacks', 'psp_clearing', 'debit', false, false),
    ('chargeback', 'psp_clearing', 'chargebacks', 'credit', false, false),
    ('debt_settled', 'player_cash', 'receivable', 'debit', false, true),
    ('debt_written_off', 'house', 'receivable', 'credit', false, false),
    ('debt_written_off', 'chargebacks', 'receivable', 'credit', false, false),
    ('correction', 'player_cash', 'escrow', 'debit', false, false),
    ('correction', 'receivable', 'escrow', 'debit', false, false),
    ('correction', 'escrow', 'player_cash', 'credit', false, false),
    ('correction', 'escrow', 'receivable', 'credit', false, false),
    ('correction', 'escrow', 'house', 'credit', false, false),
    ('correction', 'house', 'escrow', 'debit', false, false),
    ('correction', 'player_cash', 'house', 'debit', false, false),
    ('correction', 'receivable', 'house', 'debit', false, false),
    ('correction', 'house', 'player_cash', 'credit', false, false),
    ('suspense', 'psp_clearing', 'suspense', 'credit', false, false),
    ('suspense', 'suspense', 'psp_clearing', 'debit', false, false),
    ('suspense', 'suspense', 'player_cash', 'credit', false, false),
    ('suspense', 'player_cash', 'suspense', 'debit', false, false),
    ('suspense', 'suspense', 'adjustments', 'debit', false, false),
    ('suspense', 'adjustments', 'suspense', 'credit', false, false),
    ('adjustment', 'adjustments', 'player_cash', 'credit', false, false),
    ('adjustment', 'player_cash', 'adjustments', 'debit', false, false),
    ('adjustment', 'adjustments', 'house', 'credit', false, false),
    ('adjustment', 'house', 'adjustments', 'debit', false, false),
    ('adjustment', 'adjustments', 'psp_clearing', 'credit', false, false),
    ('adjustment', 'psp_clearing', 'adjustments', 'debit', false, false),
    ('adjustment', 'adjustments', 'psp_fees', 'credit', false, false),
    ('adjustment', 'psp_fees', 'adjustments', 'debit', false, false),
    ('adjustment', 'adjustments', 'receivable', 'credit', false, false),
    ('adjustment', 'receivable', 'adjustments', 'debit', false, false);

-- Balances. The only ledger rows that change, and only inside the functions of 0002.
CREATE TABLE ledger_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    currency text NOT NULL REFERENCES ledger_currency,
    scale smallint NOT NULL,
    kind text NOT NULL REFERENCES ledger_account_kind,
    owner_ref text NOT NULL
        CHECK (owner_ref ~ '^[a-z]+:[A-Za-z0-9][A-Za-z0-9._-]*$' AND length(owner_ref) <= 80),
    floor bigint,
    posted bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    CONSTRAINT ledger_account_one_each UNIQUE (kind, owner_ref, currency),
    CONSTRAINT ledger_account_floor CHECK (floor IS NULL OR posted - held >= floor),
    CONSTRAINT ledger_account_closed_empty CHECK (closed_at IS NULL OR (posted = 0 AND held = 0))
) WITH (fillfactor = 70);  -- room for in-page (HOT) updates: every posting rewrites these rows
CREATE INDEX ledger_account_owner ON ledger_account (owner_ref);

-- One call of post or try_post: the unit that happens exactly once.
CREATE TABLE ledger_batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL CONSTRAINT ledger_batch_key UNIQUE CHECK (length(key) BETWEEN 1 AND 200),
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    kind text NOT NULL CHECK (length(kind) BETWEEN 1 AND 60),
    actor text NOT NULL CHECK (length(actor) BETWEEN 1 AND 120),
    n integer NOT NULL CHECK (n >= 0),
    total numeric(24, 0) NOT NULL CHECK (total >= 0),  -- a checksum over amounts, whatever currency
    codes smallint[],     -- try_post: one code per item asked for, so that a replay gives the answer
    balances bigint[],    -- try_post: the reported balance per item, NULL where refused
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    posted_at timestamptz NOT NULL
);
CREATE INDEX ledger_batch_xid ON ledger_batch (xid);

-- Every transfer id ever used. Not partitioned, so that an id is unique for ever and not per month,
-- also after old months are archived; and the way from an id to its row.
CREATE TABLE ledger_transfer_id (
    id uuid PRIMARY KEY,
    batch bigint NOT NULL,
    item integer NOT NULL
);

CREATE TABLE ledger_transfer (
    id uuid NOT NULL,
    batch bigint NOT NULL,
    item integer NOT NULL,  -- position in its batch: (batch, item) orders all transfers
    debit bigint NOT NULL,
    credit bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    kind text NOT NULL,
    ref text NOT NULL CHECK (length(ref) <= 200),
    permit uuid,
    posted_at timestamptz NOT NULL,
    PRIMARY KEY (batch, item, posted_at),
    CONSTRAINT ledger_transfer_two_accounts CHECK (debit <> credit),
    CONSTRAINT ledger_transfer_permit
        CHECK (permit IS NOT NULL OR kind NOT IN ('stake', 'deposit', 'withdrawal_hold'))
) PARTITION BY RANGE (posted_at);

CREATE TABLE ledger_entry (
    account bigint NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    transfer uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    balance_after bigint NOT NULL,
    posted_at timestamptz NOT NULL,
    PRIMARY KEY (account, seq, posted_at)
) PARTITION BY RANGE (posted_at);

-- What the gate allowed. Valid only inside the transaction that issued it: same xid and same
-- transaction_timestamp() (a restored database may see an old xid again, never both).
CREATE TABLE ledger_permit (
    id uuid NOT NULL,
    owner_ref text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('stake', 'deposit', 'withdrawal_hold')),
    currency text NOT NULL,
    amount_minor_max bigint NOT NULL CHECK (amount_minor_max > 0),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    issued_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (id, issued_at)
) PARTITION BY RANGE (issued_at);

-- Each transfer's entries come in one statement, two of them, and cancel out.
CREATE FUNCTION ledger_entry_balanced() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_transfer uuid;
BEGIN
    SELECT transfer INTO v_transfer FROM added
    GROUP BY transfer HAVING sum(amount) <> 0 OR count(*) <> 2 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger_unbalanced: transfer % does not sum to zero over two entries', v_transfer
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION ledger_entry_balanced() FROM PUBLIC;
CREATE TRIGGER ledger_entry_balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_balanced();

-- Who an account belongs to never changes, and accounts are closed, never deleted.
CREATE TRIGGER ledger_account_identity
    BEFORE UPDATE OF id, currency, scale, kind, owner_ref, floor, opened_at ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER ledger_account_no_delete BEFORE DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER ledger_account_no_truncate BEFORE TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
REVOKE ALL ON SEQUENCE ledger_account_id_seq, ledger_batch_id_seq FROM PUBLIC, :runtime_role;

-- Entries with a key of one column, for pages.
CREATE VIEW ledger_entry_line WITH (security_invoker = true) AS
    SELECT account::text || ':' || seq::text AS id,
        account, seq, transfer, amount, balance_after, posted_at
    FROM ledger_entry;
