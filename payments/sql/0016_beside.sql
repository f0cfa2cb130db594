-- What a break is a duplicate of, or was found beside: "transfer/file:row", either part may be empty.
-- It is read again with the break, so that the break stays what it is.
ALTER TABLE payments_reconciliation_break ADD COLUMN beside text NOT NULL DEFAULT '';
GRANT UPDATE (beside) ON payments_reconciliation_break TO :runtime_role;
