-- What people ask about their data, and who decided.

CREATE TABLE backoffice_data_request (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE CHECK (reference ~ '^[A-Z2-9]{3}-[A-Z2-9]{4}$'),
    player_id bigint NOT NULL REFERENCES accounts_player (user_id),
    kind text NOT NULL CHECK (kind IN ('copy', 'correct', 'erase')),
    came_by text NOT NULL CHECK (came_by IN ('account', 'link')),
    person_key uuid REFERENCES audit_person_key (id),
    personal bytea,  -- what the player wrote, under the player's key
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL,
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    UNIQUE (player_id, key),
    CHECK ((person_key IS NULL) = (personal IS NULL)),
    -- GDPR Art. 12(3): within one month
    CHECK (due_at > asked_at AND due_at <= asked_at + interval '1 month')
);
CREATE INDEX backoffice_data_request_due ON backoffice_data_request (due_at);

CREATE TABLE backoffice_data_word (
    id uuid PRIMARY KEY,
    request_id uuid NOT NULL REFERENCES backoffice_data_request (id),
    no integer NOT NULL CHECK (no > 0),
    step text NOT NULL CHECK (step IN ('extended', 'proposed', 'returned', 'decided', 'withdrawn')),
    verdict text NOT NULL DEFAULT '' CHECK (verdict IN ('', 'granted', 'part', 'refused')),
    code text NOT NULL DEFAULT '' CHECK (code ~ '^[a-z_]{0,40}$'),
    told text NOT NULL DEFAULT '' CHECK (length(told) <= 2000),  -- what the player reads
    note text NOT NULL DEFAULT '' CHECK (length(note) <= 2000),  -- for officers
    -- what a part of an erasure leaves: class → the day (UTC) until which it is kept
    keeps jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(keeps) = 'object'),
    by_staff bigint REFERENCES accounts_user (id),
    proposed_no integer,
    proposed_by bigint,
    due_at timestamptz,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key text NOT NULL CHECK (key <> '' AND length(key) <= 64),
    UNIQUE (request_id, no),
    UNIQUE (request_id, no, by_staff),
    UNIQUE (request_id, key),
    FOREIGN KEY (request_id, proposed_no, proposed_by)
        REFERENCES backoffice_data_word (request_id, no, by_staff),
    CONSTRAINT backoffice_data_word_two_people CHECK (by_staff <> proposed_by),
    CHECK ((step = 'withdrawn') = (by_staff IS NULL)),
    CHECK ((step IN ('proposed', 'decided')) = (verdict <> '')),
    CHECK (verdict NOT IN ('part', 'refused') OR code <> ''),
    CHECK (keeps = '{}' OR verdict = 'part'),
    CHECK (step <> 'extended' OR (due_at IS NOT NULL AND told <> '')),
    CHECK ((proposed_no IS NULL) = (proposed_by IS NULL)),
    CHECK (step = 'decided' OR proposed_no IS NULL)
);

CREATE FUNCTION backoffice_data_word_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    asked backoffice_data_request;
    last backoffice_data_word;
BEGIN
    SELECT * INTO asked FROM backoffice_data_request WHERE id = NEW.request_id;
    SELECT * INTO last FROM backoffice_data_word WHERE request_id = NEW.request_id
        ORDER BY no DESC LIMIT 1;
    IF NEW.no <> coalesce(last.no, 0) + 1 OR last.step IN ('decided', 'withdrawn') THEN
        RAISE EXCEPTION 'data: this request has moved on' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.by_staff IS NOT NULL AND NOT compliance_profile_officer(NEW.by_staff) THEN
        RAISE EXCEPTION 'data: only a compliance officer decides'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.step = 'extended' AND (NEW.due_at > asked.due_at + interval '2 months'
            OR NEW.due_at <= asked.due_at OR clock_timestamp() > asked.due_at
            OR EXISTS (SELECT FROM backoffice_data_word
                WHERE request_id = NEW.request_id AND step = 'extended')) THEN
        RAISE EXCEPTION 'data: once, in time, and by two months at most'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.step = 'proposed' AND (last.step = 'proposed' OR asked.kind <> 'erase'))
        OR (NEW.step = 'returned' AND (last.step IS DISTINCT FROM 'proposed'
            OR NEW.by_staff = last.by_staff))
        OR (NEW.step = 'extended' AND last.step = 'proposed')
        OR (NEW.step = 'decided' AND asked.kind = 'erase'
            AND (last.step IS DISTINCT FROM 'proposed' OR NEW.proposed_no IS DISTINCT FROM last.no
                OR (NEW.verdict, NEW.code, NEW.told, NEW.keeps) IS DISTINCT FROM
                    (last.verdict, last.code, last.told, last.keeps))) THEN
        RAISE EXCEPTION 'data: an erasure is proposed by one and decided by another'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (asked.kind = 'erase' AND NEW.verdict = 'part') IS DISTINCT FROM (NEW.keeps <> '{}')
        OR EXISTS (SELECT FROM jsonb_each_text(NEW.keeps) kept WHERE NEW.step = 'proposed'
            AND (kept.value::date <= (clock_timestamp() AT TIME ZONE 'UTC')::date OR NOT EXISTS
                (SELECT FROM backoffice_retention_floor f WHERE f.class = kept.key))) THEN
        RAISE EXCEPTION 'data: a part of an erasure names what is kept and until when'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_data_word_check BEFORE INSERT ON backoffice_data_word
    FOR EACH ROW EXECUTE FUNCTION backoffice_data_word_check();

-- A way in for who cannot sign in: mailed, for an hour, used once.
CREATE TABLE backoffice_data_link (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_player (user_id),
    token_hash text NOT NULL UNIQUE CHECK (token_hash ~ '^[0-9a-f]{64}$'),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL CHECK (expires_at <= made_at + interval '1 day'),
    used_at timestamptz
);
CREATE FUNCTION backoffice_data_link_once() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.used_at IS NOT NULL OR OLD.expires_at < clock_timestamp() THEN
        RAISE EXCEPTION 'data: a link is used once and in time'
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.used_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE FUNCTION backoffice_data_link_closed() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM compliance_standing
            WHERE player_id = NEW.player_id AND status = 'closed') THEN
        RAISE EXCEPTION 'data: whoever can sign in needs no link'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_data_link_closed BEFORE INSERT ON backoffice_data_link
    FOR EACH ROW EXECUTE FUNCTION backoffice_data_link_closed();
CREATE TRIGGER backoffice_data_link_once BEFORE UPDATE ON backoffice_data_link
    FOR EACH ROW EXECUTE FUNCTION backoffice_data_link_once();
