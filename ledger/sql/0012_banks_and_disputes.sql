-- Where providers pay to, and what they take back by themselves. A bank account is the house's own
-- money, of which one settlement moves what a provider held. A dispute is a fact of the provider's: it
-- is booked at once against the account chargebacks; who bears it is decided afterwards, by two people,
-- against that same account.

INSERT INTO ledger_account_kind (kind, floor) VALUES ('bank', NULL);

INSERT INTO ledger_route (kind, debit_kind, credit_kind, side) VALUES
    ('psp_settlement', 'bank', 'psp_clearing', 'debit'),
    ('psp_settlement', 'psp_clearing', 'bank', 'credit'),
    ('dispute', 'chargebacks', 'psp_clearing', 'debit'),
    ('dispute', 'psp_clearing', 'chargebacks', 'credit'),
    ('chargeback', 'player_cash', 'chargebacks', 'debit'),
    ('chargeback', 'receivable', 'chargebacks', 'debit'),
    ('chargeback', 'chargebacks', 'player_cash', 'credit'),
    ('chargeback', 'chargebacks', 'receivable', 'credit'),
    -- A bank's own differences, by two people like every adjustment.
    ('adjustment', 'adjustments', 'bank', 'credit'),
    ('adjustment', 'bank', 'adjustments', 'debit');
