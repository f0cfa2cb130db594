-- The daily statement: what books, rounds, providers and banks said of one gaming day, signed. Made
-- again it is a further number of the day; none of them ever changes.
CREATE TABLE backoffice_daily_statement (
    id uuid PRIMARY KEY,
    day date NOT NULL,
    no integer NOT NULL CHECK (no > 0),
    as_of timestamptz NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL CHECK (made_by <> ''),
    verdict text NOT NULL CHECK (verdict IN ('agrees', 'differs', 'incomplete')),
    line text NOT NULL CHECK (line <> ''),
    CONSTRAINT backoffice_daily_statement_no UNIQUE (day, no)
);
