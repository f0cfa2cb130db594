-- The steps are called by the functions that own them; the runtime role may call four doors.
REVOKE ALL ON FUNCTION
    ledger_item_codes(uuid[], bigint[], bigint[], bigint[], text[], uuid[]),
    ledger_permit_room(uuid[]),
    ledger_decide_in_order(bigint[], bigint[], bigint[], uuid[], integer[], smallint[]),
    ledger_entries(bigint[], bigint[], bigint[], smallint[]),
    ledger_groups_together(integer[]),
    ledger_stored_answer(text, bytea),
    ledger_write(ledger_batch, uuid[], bigint[], bigint[], bigint[], text[], text[], uuid[],
        smallint[], bigint[], bigint[], integer[], bigint[], bigint[]),
    ledger_post(text, bytea, text, text, boolean, uuid[], bigint[], bigint[], bigint[], text[],
        text[], uuid[], integer[]),
    ledger_ensure_accounts(text[], text[], text[]),
    ledger_close_account(bigint),
    ledger_issue_permits(uuid[], text[], text[], text[], bigint[])
FROM PUBLIC, :runtime_role;
GRANT EXECUTE ON FUNCTION
    ledger_post(text, bytea, text, text, boolean, uuid[], bigint[], bigint[], bigint[], text[],
        text[], uuid[], integer[]),
    ledger_ensure_accounts(text[], text[], text[]),
    ledger_close_account(bigint),
    ledger_issue_permits(uuid[], text[], text[], text[], bigint[])
TO :runtime_role;
