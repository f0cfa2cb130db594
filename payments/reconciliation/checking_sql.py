"""What is checked of the matched, and what the rest is called: stages 4 to 6 as SQL, pure text.

`brk` is one row per difference, `named` what each says of the clearing account: balance of the
ledger = balance at the provider + everything named, to the minor unit.
"""

from __future__ import annotations

# ruff: noqa: S608  (composed of fixed words of this file; values are parameters)
from typing import Final

from payments.reconciliation.matching_sql import CAT, MAIN, ROWS_MAX

REFUND: Final = CAT["refund"]
FEE: Final = CAT["fee"]
PAYOUT: Final = CAT["payout"]
ADJUSTMENT: Final = CAT["adjustment"]
CHARGEBACK: Final = CAT["chargeback"]
CHARGEBACKS: Final = f"({CAT['chargeback']}, {CAT['chargeback_return']})"

#: What of a row is cost: in its net currency. Of one currency it is what gross and net differ by.
COST: Final = f"""(CASE WHEN p.cat = {FEE} THEN -p.net
    WHEN p.place = p.net_place THEN p.amount - p.net ELSE p.fee END)"""

#: Our own bookings bear the row that they are for: half of the file's SHA-256 and the number, or
#: the payout where no row stands for it. What a dispute costs was booked with the dispute already,
#: under the deposit: it is that of the deposit's row of the dispute, the first for the first.
OWN: Final = f"""
CREATE TEMP TABLE own AS
SELECT l.id AS lid, l.cat, f.file_no::BIGINT * {ROWS_MAX}
    + TRY_CAST(split_part(l.own, ':', 2) AS BIGINT) AS pid, '' AS payout_id,
        f.file_no IS NULL OR NOT f.is_loaded AS is_old
FROM l LEFT JOIN files f ON f.kind = 'settlement' AND left(f.sha256, 32) = split_part(l.own, ':', 1)
WHERE l.own <> '' AND NOT starts_with(l.own, 'batch:') AND l.cat IN ({FEE}, {PAYOUT})
UNION ALL
SELECT id, cat, NULL, substr(own, 7), false FROM l
WHERE starts_with(l.own, 'batch:') AND l.cat = {PAYOUT}
UNION ALL
SELECT lid, {FEE}, pid, '', false FROM (
    SELECT l.id AS lid, p.id AS pid,
        dense_rank() OVER (PARTITION BY l.place, l.ref ORDER BY l.id) AS rl,
        dense_rank() OVER (PARTITION BY l.place, l.ref ORDER BY p.id) AS rp
    FROM l JOIN p ON p.net_place = l.place AND p.psp_ref = l.ref AND p.cat = {CHARGEBACK}
    WHERE l.cat = {FEE} AND coalesce(l.own, '') = '' AND l.ref <> '' AND {COST} <> 0)
WHERE rl = rp;
CREATE TEMP TABLE costs AS
SELECT p.id AS pid, p.net_place AS place, {COST} AS cost, o.lid, p.booked_at, p.cat
FROM p LEFT JOIN own o ON o.pid = p.id AND o.cat = {FEE} WHERE {COST} <> 0;
"""

#: What providers paid to us: a row of theirs, or the sum of what names it; and what its rows sum up
#: to. A second row for the same payout is a duplicate.
BATCHES: Final = """
CREATE TEMP TABLE batches (provider_no INTEGER, place INTEGER, payout_id VARCHAR, rows_sum BIGINT,
    rows_n BIGINT, first_id BIGINT, booked_at TIMESTAMP);
CREATE TEMP TABLE with_row (provider_no INTEGER, place INTEGER, payout_id VARCHAR);
CREATE TEMP TABLE payouts_of_interest AS
SELECT payout_id FROM p WHERE payout_id <> '' UNION SELECT payout_id FROM carried_payouts
UNION SELECT payout_id FROM own WHERE payout_id <> '';
"""
#: Over the rows of all files, however old: a payout is the sum of all that name it.
_OF_INTEREST: Final = """FROM read_parquet($paths, filename = true) r
JOIN files f ON f.path = r.filename
JOIN places n ON n.provider = f.source AND n.currency = r.net_currency
WHERE r.booked_at < $as_of AND r.payout_id IN (SELECT payout_id FROM payouts_of_interest)"""
BATCHES_OF: Final = f"""
INSERT INTO batches
SELECT n.provider_no, n.place, r.payout_id, sum(r.net_minor)::BIGINT, count(*),
    min(f.file_no::BIGINT * {ROWS_MAX} + r.row_no), max(coalesce(r.settled_at, r.booked_at))
{_OF_INTEREST} AND r.category <> 'payout'
    AND f.file_no::BIGINT * {ROWS_MAX} + r.row_no NOT IN (SELECT id FROM superseded)
GROUP BY ALL;
INSERT INTO with_row
SELECT DISTINCT n.provider_no, n.place, r.payout_id {_OF_INTEREST} AND r.category = 'payout';
"""
#: A payout that has a row of its own is that row, also where a provider's payouts are batches.
PAYOUTS: Final = f"""
CREATE TEMP TABLE po AS
SELECT p.id, p.provider_no, p.place, p.payout_id, -p.amount AS paid, p.booked_at, false AS is_batch,
    t.rows_sum, t.rows_n, payout_id <> '' AND row_number() OVER (
        PARTITION BY p.provider_no, p.place, p.payout_id, p.amount ORDER BY p.id) > 1 AS is_second
FROM p LEFT JOIN batches t USING (provider_no, place, payout_id) WHERE p.cat = {PAYOUT}
UNION ALL
SELECT t.first_id, t.provider_no, t.place, t.payout_id, t.rows_sum, t.booked_at, true, t.rows_sum,
    t.rows_n, false
FROM batches t ANTI JOIN with_row w USING (provider_no, place, payout_id)
JOIN places s ON s.place = t.place
WHERE s.provider IN (SELECT unnest($batch_providers::VARCHAR[]));
CREATE TEMP TABLE tokens AS
SELECT DISTINCT id AS bid, token FROM (
    SELECT id, unnest(regexp_extract_all(said, '[A-Za-z0-9_-]+')) AS token FROM b
    UNION ALL
    SELECT id, unnest(string_split_regex(said, '\\s+')) FROM b);
CREATE TEMP TABLE pay (bid BIGINT, poid BIGINT);
"""
#: Stage 4. By the payout's id with the same amount; then by its id alone, where that is clear; then
#: by the amount within some days, unique on both sides.
_PO: Final = """po JOIN places s ON s.place = po.place JOIN banks k ON k.provider = s.provider"""
#: An id of several words is looked for as a phrase.
_WORDS: Final = """(' ' || trim(regexp_replace({text}, '[^A-Za-z0-9_-]+', ' ', 'g')) || ' ')"""
PAY: Final = f"""
CREATE TEMP TABLE named_in AS
SELECT DISTINCT b.id AS bid, po.id AS poid, b.amount = po.paid AS same
FROM {_PO} JOIN tokens t ON t.token = po.payout_id
JOIN b ON b.id = t.bid AND b.bank = k.bank AND b.currency = s.currency
WHERE po.payout_id <> '' AND NOT po.is_second
UNION
SELECT b.id, po.id, b.amount = po.paid
FROM {_PO} JOIN b ON b.bank = k.bank AND b.currency = s.currency
    AND contains({_WORDS.format(text="b.said")}, {_WORDS.format(text="po.payout_id")})
WHERE regexp_matches(po.payout_id, '\\S\\s+\\S') AND NOT po.is_second;
INSERT INTO pay
SELECT bid, poid FROM named_in WHERE same
QUALIFY row_number() OVER (PARTITION BY poid ORDER BY bid) = 1
    AND row_number() OVER (PARTITION BY bid ORDER BY poid) = 1;
INSERT INTO pay
SELECT bid, poid FROM named_in
WHERE bid NOT IN (SELECT bid FROM pay) AND poid NOT IN (SELECT poid FROM pay)
QUALIFY count(*) OVER (PARTITION BY poid) = 1 AND count(*) OVER (PARTITION BY bid) = 1;
INSERT INTO pay
WITH s AS (
    SELECT k.bank, s.currency, po.paid AS amount, po.booked_at, po.id AS poid, NULL::BIGINT AS bid
    FROM {_PO} WHERE NOT po.is_second AND po.id NOT IN (SELECT poid FROM pay)
    UNION ALL
    SELECT bank, currency, amount, booked_at, NULL, id FROM b
    WHERE id NOT IN (SELECT bid FROM pay) AND id NOT IN (SELECT bid FROM named_in)
), n AS (
    SELECT poid, bid, count(poid) OVER w AS pos, count(bid) OVER w AS bs,
        max(poid) OVER w AS po_one,
        max(bid) OVER w AS b_one
    FROM s WINDOW w AS (PARTITION BY bank, currency, amount ORDER BY booked_at
        RANGE BETWEEN INTERVAL {{days}} DAY PRECEDING AND INTERVAL {{days}} DAY FOLLOWING)
)
SELECT z.bid, a.poid FROM n a JOIN n z ON z.bid = a.b_one
WHERE a.poid IS NOT NULL AND a.bs = 1 AND z.pos = 1 AND z.po_one = a.poid
QUALIFY count(*) OVER (PARTITION BY a.poid) = 1;
"""

BREAKS: Final = """
CREATE TEMP TABLE brk (kind VARCHAR, side VARCHAR, place INTEGER, cat INTEGER, lid BIGINT,
    pid BIGINT,
    bid BIGINT, poid BIGINT, diff BIGINT, booked_at TIMESTAMP, detail VARCHAR, name_place INTEGER,
    part BIGINT, of_lid BIGINT, of_pid BIGINT);
CREATE TEMP TABLE named (place INTEGER, name VARCHAR, part BIGINT);
"""
#: Whether an item is in transit still.
_YOUNG: Final = "date_diff('day', {at}::DATE, $as_of::DATE) < c.days"
#: What we booked ourselves: no file of the provider's has it before its day is over.
_YOUNG_OURS: Final = _YOUNG.replace("c.days", "greatest(c.days, $file_days)")

#: An amount at a rate with ten decimals, in whole minor units of the other currency, half up.
_CONVERTED: Final = """(sign(p.amount) * ((abs(p.amount)::HUGEINT
    * (TRY_CAST({rate} AS DECIMAL(18, 10)) * 10000000000)::HUGEINT
    * power(10, greatest(n.scale - s.scale, 0))::HUGEINT
    + (5 * power(10, 9 + greatest(s.scale - n.scale, 0)))::HUGEINT)
    // power(10, 10 + greatest(s.scale - n.scale, 0))::HUGEINT))::BIGINT"""

_PLAIN: Final = (
    "kind, side, place, cat, lid, pid, bid, poid, diff, booked_at, detail, name_place, part"
)
#: Pairs that do not agree, and rows that do not agree with what was agreed. A fee is held against
#: the
#: contract where nothing was converted; a conversion that no rate was agreed for is a difference.
DISAGREE: Final = f"""
INSERT INTO brk ({_PLAIN})
SELECT CASE WHEN l.place <> p.place THEN 'currency' ELSE 'amount' END, 'both', l.place, l.cat, l.id,
    p.id, NULL, NULL, CASE WHEN l.place <> p.place THEN -l.amount ELSE p.amount - l.amount END,
    greatest(l.booked_at, p.booked_at), '', l.place,
    CASE WHEN l.place <> p.place THEN l.amount ELSE l.amount - p.amount END
FROM pairs JOIN l ON l.id = pairs.lid JOIN p ON p.id = pairs.pid
WHERE l.place <> p.place OR l.amount <> p.amount;
INSERT INTO brk ({_PLAIN})
SELECT 'status', 'both', l.place, l.cat, l.id, p.id, NULL, NULL, 0, p.booked_at,
    'booked, and not final there', NULL, 0
FROM p JOIN pairs ON pairs.pid = p.id JOIN l ON l.id = pairs.lid
WHERE lower(p.status) IN (SELECT unnest($not_final::VARCHAR[]));
INSERT INTO brk ({_PLAIN})
WITH e AS (
    SELECT p.id, p.net_place, p.cat, p.fee, p.booked_at,
        ((abs(p.amount)::HUGEINT * f.ppm + 500000) // 1000000 + f.fixed_minor)::BIGINT AS agreed
    FROM p JOIN places s ON s.place = p.place
    JOIN fee_contracts f ON f.provider = s.provider AND f.currency = s.currency AND f.cat = p.cat
    WHERE p.place = p.net_place
)
SELECT 'fee', 'psp', net_place, cat, pairs.lid, id, NULL, NULL, agreed - fee, booked_at,
    'agreed ' || agreed, NULL, 0
FROM e LEFT JOIN pairs ON pairs.pid = e.id WHERE abs(fee - agreed) > $tolerance;
INSERT INTO brk ({_PLAIN})
WITH e AS (
    SELECT p.id, p.net_place, p.cat, p.booked_at, p.net + p.fee AS got, r.ppm,
        {_CONVERTED.format(rate="p.fx_rate")} AS said, {_CONVERTED.format(rate="r.rate")} AS agreed
    FROM p JOIN places s ON s.place = p.place JOIN places n ON n.place = p.net_place
    LEFT JOIN rates r ON r.provider = s.provider AND r.sold = s.currency AND r.bought = n.currency
    WHERE p.place <> p.net_place AND p.cat <> {FEE}
)
SELECT 'fx', 'psp', net_place, cat, pairs.lid, id, NULL, NULL, coalesce(agreed, said, got) - got,
    booked_at,
    CASE WHEN abs(got - said) > $tolerance THEN 'its own rate comes to ' || said
        WHEN agreed IS NULL THEN 'no conversion was agreed'
        ELSE 'the booked rate comes to ' || agreed END, NULL, 0
FROM e LEFT JOIN pairs ON pairs.pid = e.id
WHERE agreed IS NULL OR abs(got - said) > $tolerance
    OR abs(got - agreed) > $tolerance + (abs(agreed)::HUGEINT * ppm) // 1000000;
"""

#: Items that found no partner: a second of the same, in transit, or missing. Several refunds of one
#: payment over one amount are several refunds, unless the provider has two of one instant.
UNMATCHED: Final = f"""
INSERT INTO brk
SELECT CASE WHEN {_YOUNG_OURS.format(at="l.booked_at")} THEN 'timing'
        WHEN d.id IS NOT NULL THEN 'duplicate'
        ELSE 'missing_at_psp' END, 'ledger', l.place, l.cat, l.id, NULL, NULL, NULL, -l.amount,
    l.booked_at, '', l.place, l.amount, d.of_lid, d.of_pid
FROM lr l JOIN cats c ON c.cat = l.cat
LEFT JOIN (SELECT lr.id, min(x.id) AS of_lid, arg_min(pairs.pid, x.id) AS of_pid
        FROM lr JOIN l x ON x.payment_id = lr.payment_id
        AND x.place = lr.place AND x.cat = lr.cat AND x.amount = lr.amount
        JOIN pairs ON pairs.lid = x.id WHERE lr.cat <> {REFUND} GROUP BY lr.id) d ON d.id = l.id
WHERE l.{MAIN} AND l.transfer NOT IN (SELECT adjustment FROM resolved WHERE adjustment IS NOT NULL);
INSERT INTO brk
SELECT CASE WHEN d.id IS NOT NULL THEN 'duplicate'
        WHEN {_YOUNG.format(at="p.booked_at")} THEN 'timing'
        WHEN p.cat IN {CHARGEBACKS} THEN 'unbooked_chargeback'
        ELSE 'missing_in_ledger' END, 'psp', p.place, p.cat, NULL, p.id, NULL, NULL, p.amount,
    p.booked_at, '', p.place, -p.amount, d.of_lid, d.of_pid
FROM pr p JOIN cats c ON c.cat = p.cat
LEFT JOIN (SELECT pr.id, min(x.id) AS of_pid, arg_min(pairs.lid, x.id) AS of_lid
        FROM pr JOIN p x ON x.ref = pr.ref AND x.place = pr.place
        AND x.cat = pr.cat AND x.amount = pr.amount JOIN pairs ON pairs.pid = x.id
        WHERE pr.ref <> '' AND (pr.cat <> {REFUND} OR x.booked_at = pr.booked_at)
        GROUP BY pr.id) d ON d.id = p.id
WHERE p.{MAIN} AND p.amount <> 0;
INSERT INTO brk ({_PLAIN})
SELECT CASE WHEN {_YOUNG_OURS.format(at="l.booked_at")} THEN 'timing' ELSE 'missing_at_psp' END,
    'ledger',
    l.place, l.cat, l.id, NULL, NULL, NULL, -l.amount, l.booked_at, 'a fee without a row', l.place,
    l.amount
FROM l JOIN cats c ON c.cat = l.cat LEFT JOIN own o ON o.lid = l.id
WHERE l.cat = {FEE} AND NOT coalesce(o.is_old, false)
    AND l.id NOT IN (SELECT lid FROM costs WHERE lid IS NOT NULL);
INSERT INTO brk ({_PLAIN})
SELECT 'amount', 'both', t.place, {FEE}, l.id, t.pid, NULL, NULL, -t.cost - l.amount, l.booked_at,
    'a fee booked with another amount', t.place, l.amount + t.cost
FROM costs t JOIN l ON l.id = t.lid WHERE l.amount <> -t.cost;
"""

#: Payouts: booked, ready to be booked, on their way, or not what their rows or the bank say.
_BATCH_NAME: Final = """(CASE WHEN regexp_full_match(po.payout_id, '[ -~]{1,100}')
    THEN po.payout_id ELSE 'sha256-' || sha256(po.payout_id) END)"""
SETTLED: Final = f"""
CREATE TEMP TABLE st AS
SELECT po.*, o.lid, l.amount AS booked, pay.bid, b.amount AS got,
    NOT po.is_second AND ((coalesce(po.rows_n, 0) > 0 AND po.rows_sum <> po.paid)
        OR (pay.bid IS NOT NULL AND b.amount <> po.paid)) AS is_off
FROM po LEFT JOIN own o ON o.cat = {PAYOUT} AND (CASE WHEN o.payout_id <> ''
        THEN o.payout_id = {_BATCH_NAME} AND NOT po.is_second ELSE o.pid = po.id END)
LEFT JOIN l ON l.id = o.lid LEFT JOIN pay ON pay.poid = po.id LEFT JOIN b ON b.id = pay.bid;
INSERT INTO brk
SELECT CASE WHEN is_second THEN 'duplicate' WHEN is_off THEN 'batch_sum'
        WHEN {_YOUNG.format(at="st.booked_at")} THEN 'timing' ELSE 'missing_in_ledger' END,
    CASE WHEN bid IS NULL THEN 'psp' ELSE 'both' END, place, {PAYOUT}, lid,
    CASE WHEN NOT is_batch THEN id END, bid, id,
    CASE WHEN NOT is_off THEN -paid WHEN rows_sum <> paid THEN rows_sum - paid ELSE got - paid END,
    st.booked_at, CASE WHEN NOT is_off THEN 'no line of the bank'
        WHEN rows_sum <> paid THEN 'its rows come to ' || rows_sum
        ELSE 'the bank has ' || got END,
    place, CASE WHEN lid IS NULL THEN paid ELSE 0 END, NULL,
    CASE WHEN is_second THEN (SELECT min(x.id) FROM po x WHERE x.provider_no = st.provider_no
        AND x.place = st.place AND x.payout_id = st.payout_id AND x.paid = st.paid) END
FROM st JOIN cats c ON c.cat = {PAYOUT}
WHERE is_second OR is_off OR (bid IS NULL AND lid IS NULL);
INSERT INTO brk ({_PLAIN})
SELECT 'amount', 'both', place, {PAYOUT}, lid, CASE WHEN NOT is_batch THEN id END, bid, id,
    -paid - booked, booked_at,
    'a settlement booked with another amount', place, booked + paid
FROM st WHERE lid IS NOT NULL AND booked <> -paid;
INSERT INTO brk ({_PLAIN})
SELECT CASE WHEN {_YOUNG_OURS.format(at="l.booked_at")} THEN 'timing' ELSE 'missing_at_psp' END,
    'ledger',
    l.place, l.cat, l.id, NULL, NULL, NULL, -l.amount, l.booked_at, 'a settlement without a payout',
    l.place, l.amount
FROM l JOIN cats c ON c.cat = l.cat LEFT JOIN own o ON o.lid = l.id
WHERE l.cat = {PAYOUT} AND NOT coalesce(o.is_old, false)
    AND l.id NOT IN (SELECT lid FROM st WHERE lid IS NOT NULL);
INSERT INTO brk
SELECT CASE WHEN date_diff('day', b.booked_at::DATE, $as_of::DATE) < $bank_days THEN 'timing'
        ELSE 'unmatched_bank_line' END, 'bank', NULL, {PAYOUT}, NULL, NULL, b.id, NULL, b.amount,
    b.booked_at, 'account ' || b.bank, NULL, 0, NULL, NULL
FROM b WHERE b.id NOT IN (SELECT bid FROM pay) AND ($provider = ''
    OR b.bank NOT IN (SELECT bank FROM banks WHERE provider <> $provider));
"""
#: What lies before the window is looked at only where it is known to be open: the rest had its
#: partner in a run before this.
EDGE: Final = f"""
CREATE TEMP TABLE known_p AS SELECT f.file_no::BIGINT * {ROWS_MAX} + k.row_no AS id
FROM known_rows k JOIN files f USING (sha256);
CREATE TEMP TABLE known_l AS SELECT l.id FROM l JOIN known_transfers k ON k.transfer = l.transfer;
CREATE TEMP TABLE known_po AS SELECT po.id FROM po JOIN places s ON s.place = po.place
SEMI JOIN known_payouts k ON k.provider = s.provider AND k.payout_id = po.payout_id;
CREATE TEMP TABLE looked_at AS
SELECT f.file_no::BIGINT * {ROWS_MAX} + k.row_no AS id
FROM carried_rows k JOIN files f USING (sha256)
UNION SELECT po.id FROM po JOIN places s ON s.place = po.place
SEMI JOIN carried_payouts k ON k.provider = s.provider AND k.payout_id = po.payout_id;
DELETE FROM brk WHERE lid IN (SELECT id FROM early) AND pid IS NULL;
INSERT INTO named SELECT place, 'before_first_file', -amount FROM early
WHERE id IN (SELECT lid FROM pairs);
DELETE FROM brk WHERE booked_at < $window_from
    AND coalesce(lid NOT IN (SELECT id FROM known_l), true)
    AND coalesce(pid NOT IN (SELECT id FROM known_p), true)
    AND coalesce(bid NOT IN (SELECT id FROM known_p), true)
    AND coalesce(poid NOT IN (SELECT id FROM known_po), true);
"""

#: Breaks as they are kept: under an id of what they are about, with a digest of what they say.
_IDENTITY: Final = """concat_ws(chr(31), k.kind, coalesce(s.provider, ''), coalesce(s.currency,
    b.currency),
    CASE WHEN k.kind IN ('fee', 'fx') THEN '' ELSE coalesce(l.transfer::VARCHAR, '') END,
    CASE WHEN t.is_batch THEN '' ELSE coalesce(pf.sha256,
        '') END,
    CASE WHEN t.is_batch THEN t.payout_id ELSE coalesce((k.pid % {rows})::VARCHAR, '') END,
    CASE WHEN k.side = 'bank' THEN bf.sha256 || '/' || (k.bid % {rows}) ELSE '' END)"""
_KEPT: Final = f"""
SELECT sha256({_IDENTITY.format(rows=ROWS_MAX)}) AS id, k.kind, k.side,
    coalesce(s.provider, '') AS provider, coalesce(s.currency, b.currency) AS currency, c.category,
    CASE WHEN l.id IS NOT NULL THEN k.lid END AS lid, l.transfer, l.payment_id,
    coalesce(p.psp_ref, l.ref, '') AS psp_ref,
    coalesce(nullif(p.merchant_ref, ''), l.payment_id::VARCHAR, '') AS merchant_ref,
    coalesce(t.payout_id, p.payout_id, '') AS payout_id, coalesce(b.bank_ref, '') AS bank_ref,
    coalesce(pf.sha256, '') AS psp_file,
        CASE WHEN p.id IS NOT NULL THEN k.pid % {ROWS_MAX} END AS psp_row,
    coalesce(bf.sha256, '') AS bank_file, k.bid % {ROWS_MAX} AS bank_row, l.amount AS ledger_minor,
    CASE WHEN t.is_batch THEN -t.paid ELSE p.amount END AS psp_gross_minor,
    coalesce(ps.currency, '') AS psp_currency, p.fee AS fee_minor,
    CASE WHEN t.is_batch THEN -t.paid ELSE p.net END AS net_minor, b.amount AS bank_minor,
    k.diff AS difference_minor, coalesce(p.status, '') AS status, k.detail, k.booked_at,
    p.settled_at, coalesce(l.is_test, false) AS is_test, k.name_place, k.part, '' AS facts,
    false AS is_resolved, k.pid, k.poid,
    CASE WHEN k.of_lid IS NULL AND k.of_pid IS NULL THEN '' ELSE concat(ol.transfer::VARCHAR, '/',
        o_f.sha256, ':', (k.of_pid % {ROWS_MAX})::VARCHAR) END AS beside
FROM brk k JOIN cats c ON c.cat = k.cat
LEFT JOIN places s ON s.place = k.place LEFT JOIN l ON l.id = k.lid LEFT JOIN p ON p.id = k.pid
LEFT JOIN places ps ON ps.place = p.place
LEFT JOIN files pf ON pf.file_no = k.pid // {ROWS_MAX}
LEFT JOIN files bf ON bf.file_no = k.bid // {ROWS_MAX}
LEFT JOIN l ol ON ol.id = k.of_lid LEFT JOIN files o_f ON o_f.file_no = k.of_pid // {ROWS_MAX}
LEFT JOIN b ON b.id = k.bid LEFT JOIN st t ON t.id = k.poid"""
_FACTS: Final = """
UPDATE kept SET facts = sha256(concat_ws(chr(31), kind, category,
    CASE WHEN kind NOT IN ('fee', 'fx') THEN ledger_minor END, psp_gross_minor,
    psp_currency, fee_minor, net_minor, bank_minor, difference_minor, status, detail,
        bank_file, bank_row))
    WHERE facts = '';
"""
#: Then the adjustments that were made for a break: one is at its place while that break is resolved
#: by it; where the break is gone, or says something else, the adjustment itself has no partner.
KEPT: Final = f"""
CREATE TEMP TABLE kept AS {_KEPT};
{_FACTS}
UPDATE kept SET is_resolved = true FROM resolved r
    WHERE r.break_id = kept.id AND r.facts = kept.facts;
CREATE TEMP TABLE adjusting AS
SELECT l.*, EXISTS (SELECT 1 FROM resolved r JOIN kept k ON k.id = r.break_id AND k.is_resolved
    WHERE r.adjustment = l.transfer) AS holds
FROM lr l ANTI JOIN early ON early.id = l.id
WHERE l.transfer IN (SELECT adjustment FROM resolved WHERE adjustment IS NOT NULL);
DELETE FROM brk;
INSERT INTO brk ({_PLAIN})
SELECT CASE WHEN {_YOUNG_OURS.format(at="l.booked_at")} THEN 'timing' ELSE 'missing_at_psp' END,
    'ledger',
    l.place, l.cat, l.id, NULL, NULL, NULL, -l.amount, l.booked_at,
    'an adjustment whose break is no more', l.place, l.amount
FROM adjusting l JOIN cats c ON c.cat = l.cat WHERE NOT holds;
INSERT INTO kept {_KEPT};
{_FACTS}
INSERT INTO named SELECT place, 'resolved', amount FROM adjusting WHERE holds;
INSERT INTO named
SELECT name_place, CASE WHEN is_resolved THEN 'resolved' ELSE kind END, part FROM kept
WHERE name_place IS NOT NULL;
INSERT INTO named
SELECT p.place, CASE WHEN k.is_resolved THEN 'resolved' ELSE 'currency' END, -p.amount
FROM kept k JOIN p ON p.id = k.pid WHERE k.kind = 'currency';
"""

#: What may be booked: fees of rows that agree, payouts that the bank has. Whatever is in an open
#: break is not; one that two people accepted is.
BOOKABLE: Final = f"""
CREATE TEMP TABLE blocked AS SELECT DISTINCT pid AS id FROM kept
WHERE pid IS NOT NULL AND NOT is_resolved;
CREATE TEMP TABLE fees_due AS
SELECT t.place, -t.cost AS amount, t.pid FROM costs t ANTI JOIN blocked k ON k.id = t.pid
WHERE t.lid IS NULL AND (t.booked_at >= $window_from OR t.pid IN (SELECT id FROM looked_at))
    AND (t.cat IN ({FEE}, {PAYOUT}) OR t.pid IN (SELECT pid FROM pairs)
        OR t.pid IN (SELECT pid FROM kept WHERE is_resolved AND pid IS NOT NULL));
CREATE TEMP TABLE payouts_due AS
SELECT st.place, -st.paid AS amount, st.id AS pid,
    CASE WHEN st.is_batch THEN st.payout_id ELSE '' END
    AS payout_id, b.bank
FROM st JOIN b ON b.id = st.bid
WHERE st.lid IS NULL AND NOT st.is_second AND st.got = st.paid AND st.paid <> 0
    AND (st.booked_at >= $window_from OR st.id IN (SELECT id FROM looked_at))
    AND st.id NOT IN (SELECT poid FROM kept
        WHERE poid IS NOT NULL AND NOT (is_resolved AND kind = 'batch_sum'));
INSERT INTO named
SELECT place, 'fee_to_book', -sum(amount)::BIGINT FROM fees_due GROUP BY place;
INSERT INTO named
SELECT t.place, 'fee_withheld', t.cost FROM costs t ANTI JOIN fees_due k ON k.pid = t.pid
WHERE t.lid IS NULL AND (t.booked_at >= $window_from OR t.pid IN (SELECT id FROM looked_at));
INSERT INTO named
SELECT st.place, 'payout_to_book', st.paid FROM st
WHERE st.lid IS NULL AND st.bid IS NOT NULL AND NOT st.is_second AND NOT st.is_off
    AND (st.booked_at >= $window_from OR st.id IN (SELECT id FROM looked_at));
"""

#: The provider's own balance, over all of its files: what rows net to, in the currency they net in.
#: ``conversions`` is what was changed from one currency to another, which no account of ours tells.
#: Payouts are told apart only where they are batches without a row of their own.
BALANCES: Final = f"""
CREATE TEMP TABLE every AS
SELECT f.source, r.currency, r.net_currency, c.cat,
    CASE WHEN f.source IN (SELECT unnest($batch_providers::VARCHAR[]))
        THEN coalesce(r.payout_id, '') ELSE '' END AS payout_id,
    sum(r.gross_minor) AS gross, sum(r.fee_minor) AS fee, sum(r.net_minor) AS net
FROM read_parquet($paths, filename = true) r
JOIN files f ON f.path = r.filename JOIN cats c ON c.category = r.category
WHERE r.booked_at < $as_of
    AND f.file_no::BIGINT * {ROWS_MAX} + r.row_no NOT IN (SELECT id FROM superseded)
GROUP BY ALL;
CREATE TEMP TABLE balances AS
SELECT source AS provider, currency, sum(amount)::BIGINT AS amount,
    sum(changed)::BIGINT AS conversions
FROM (
    SELECT source, net_currency AS currency, sum(net) AS amount,
        sum(CASE WHEN currency <> net_currency
            AND cat <> {FEE} THEN net + fee ELSE 0 END) AS changed
    FROM every GROUP BY ALL
    UNION ALL
    SELECT source, currency, 0, -sum(gross) FROM every
    WHERE currency <> net_currency AND cat <> {FEE} GROUP BY ALL
    UNION ALL
    SELECT source, net_currency, -sum(net), 0 FROM every
    WHERE payout_id <> '' AND cat <> {PAYOUT}
        AND (source, net_currency, payout_id) NOT IN (SELECT (source, net_currency, payout_id)
            FROM every WHERE cat = {PAYOUT} AND payout_id <> '')
    GROUP BY ALL
) GROUP BY ALL;
"""
