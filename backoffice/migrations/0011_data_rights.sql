-- What may be erased when, and the erasure itself.

-- The least that a class of record is kept after the relationship, whatever the file of classes
-- says: after a granted request, and without one.
CREATE TABLE backoffice_retention_floor (
    class text PRIMARY KEY,
    on_request interval NOT NULL,
    alone interval NOT NULL CHECK (alone >= on_request)
);
INSERT INTO backoffice_retention_floor (class, on_request, alone) VALUES
    ('marketing', '0', '0'),
    ('devices', '0', '1 year'),
    ('notices', '0', '1 year'),
    ('own_register', '0', '1 year'),
    ('identity_documents', '5 years', '5 years'),
    ('identity_checks', '5 years', '5 years'),
    ('screening', '5 years', '5 years'),
    ('suspicions', '5 years', '5 years'),
    ('payments', '5 years', '5 years'),
    ('cases', '5 years', '5 years'),
    ('identity', '5 years', '5 years');

CREATE TABLE backoffice_erasure (
    id uuid PRIMARY KEY,
    player_id bigint NOT NULL REFERENCES accounts_player (user_id),
    origin text NOT NULL CHECK (origin IN ('request', 'retention', 'restored')),
    request_id uuid UNIQUE REFERENCES backoffice_data_request (id),
    word_no integer,
    policy text NOT NULL CHECK (policy <> ''),
    ended_at timestamptz NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (request_id, word_no) REFERENCES backoffice_data_word (request_id, no),
    CHECK ((origin = 'request') = (request_id IS NOT NULL)),
    CHECK ((origin = 'request') = (word_no IS NOT NULL))
);
CREATE INDEX backoffice_erasure_player ON backoffice_erasure (player_id);
CREATE TABLE backoffice_erasure_item (
    erasure_id uuid NOT NULL REFERENCES backoffice_erasure (id),
    class text NOT NULL REFERENCES backoffice_retention_floor (class),
    due_at timestamptz NOT NULL,
    PRIMARY KEY (erasure_id, class)
);
CREATE INDEX backoffice_erasure_item_due ON backoffice_erasure_item (due_at);
CREATE TABLE backoffice_erasure_done (
    player_id bigint NOT NULL REFERENCES accounts_player (user_id),
    class text NOT NULL,
    erasure_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows integer NOT NULL CHECK (rows >= 0),
    PRIMARY KEY (player_id, class),
    FOREIGN KEY (erasure_id, class) REFERENCES backoffice_erasure_item (erasure_id, class)
);

-- When the relationship ended: the closing, or the last movement of money where that came later.
CREATE FUNCTION backoffice_relationship_end(who bigint) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN s.status = 'closed' THEN (
        SELECT greatest(max(e.at), (SELECT max(last.posted_at) FROM ledger_account a
            JOIN LATERAL (SELECT posted_at FROM ledger_entry WHERE account = a.id
                ORDER BY seq DESC LIMIT 1) last ON true
            WHERE a.owner_ref = 'player:' || who))
        FROM audit_event e WHERE e.kind = 'player.closed' AND e.subject_kind = 'player'
            AND e.subject_id = who::text HAVING max(e.at) IS NOT NULL) END
    FROM compliance_standing s WHERE s.player_id = who
$$;

-- Until when two officers keep a class of a player, by their last word on an erasure; nothing where
-- they keep none of it. A name does not go before what hangs on it.
CREATE FUNCTION backoffice_kept_until(who bigint, what text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT max(kept.value::timestamp AT TIME ZONE 'UTC') FROM (
        SELECT w.keeps FROM backoffice_data_word w
            JOIN backoffice_data_request r ON r.id = w.request_id
            WHERE r.player_id = who AND r.kind = 'erase' AND w.step = 'decided'
                AND w.verdict IN ('granted', 'part')
            ORDER BY w.at DESC LIMIT 1) last, jsonb_each_text(last.keeps) kept
    WHERE what IN (kept.key, 'identity')
$$;

-- The day of a planned class now: money that moved after the plan was made moves it as far.
CREATE FUNCTION backoffice_erasure_due(which uuid, what text, planned timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT greatest(
        planned + greatest(interval '0', backoffice_relationship_end(e.player_id) - e.ended_at),
        CASE WHEN e.origin <> 'restored' THEN backoffice_kept_until(e.player_id, what) END)
    FROM backoffice_erasure e WHERE e.id = which
$$;

-- Why a class may not be erased now: a code, or nothing. One place, asked by pages and erasure.
CREATE FUNCTION backoffice_erasure_hold(who bigint, what text) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE
        WHEN EXISTS (SELECT FROM ledger_account WHERE owner_ref = 'player:' || who
            AND (posted <> 0 OR held <> 0)) THEN 'money_open'
        WHEN EXISTS (SELECT FROM compliance_reservation WHERE player_id = who)
            OR EXISTS (SELECT FROM payments_deposit WHERE player_id = who AND state IN
                ('created', 'requires_action', 'processing', 'unknown', 'refund_due', 'disputed'))
            OR EXISTS (SELECT FROM payments_withdrawal WHERE player_id = who
                AND state NOT IN ('paid', 'rejected', 'failed', 'returned'))
            THEN 'payment_under_way'
        WHEN EXISTS (SELECT FROM tables_bet b WHERE b.player_id = who AND NOT EXISTS
            (SELECT FROM tables_bet_outcome o WHERE o.bet_id = b.id
                AND o.bet_accepted_at = b.accepted_at)) THEN 'bet_open'
        WHEN NOT EXISTS (SELECT FROM compliance_standing
            WHERE player_id = who AND status = 'closed') THEN 'account_open'
        WHEN what IN ('identity', 'identity_documents', 'identity_checks', 'screening',
                'suspicions', 'payments', 'cases', 'devices', 'notices')
            AND (EXISTS (SELECT FROM compliance_case
                    WHERE player_id = who AND closed_at IS NULL)
                OR EXISTS (SELECT FROM compliance_watch_case
                    WHERE player_id = who AND closed_at IS NULL)
                OR EXISTS (SELECT FROM compliance_switch WHERE until IS NULL
                    AND scope IN ('screened:' || who, 'suspected:' || who))
                OR EXISTS (SELECT FROM compliance_screening_hit h WHERE h.player_id = who
                    AND NOT EXISTS (SELECT FROM compliance_screening_word
                        WHERE hit_id = h.id AND step = 'decided'))) THEN 'case_open'
        -- a suspicion rests on all of it, for five years after its case was closed
        WHEN what IN ('identity', 'identity_documents', 'identity_checks', 'screening',
                'suspicions', 'payments', 'cases', 'devices', 'notices')
            AND (EXISTS (SELECT FROM compliance_watch_case WHERE player_id = who
                    AND closed_at + interval '5 years' > clock_timestamp())
                OR EXISTS (SELECT FROM compliance_case WHERE player_id = who
                    AND kind = 'suspicion'
                    AND closed_at + interval '5 years' > clock_timestamp())) THEN 'case_kept'
        -- a complaint rests on its letters, on who wrote them and on the payments
        WHEN what IN ('identity', 'payments', 'cases') AND EXISTS (SELECT FROM compliance_case
            WHERE player_id = who AND closed_at + interval '5 years' > clock_timestamp())
            THEN 'case_kept'
        WHEN what = 'own_register' AND EXISTS (SELECT FROM compliance_standing
            WHERE player_id = who AND (excluded_until + interval '1 year' > clock_timestamp()
                -- until they come back; who was erased cannot, and it ends by these years
                OR (exclusion_holds AND (excluded_until + interval '7 years' > clock_timestamp()
                    OR EXISTS (SELECT FROM accounts_player
                        WHERE user_id = who AND erased_at IS NULL))))) THEN 'still_excluded'
        WHEN what = 'own_register' AND (EXISTS (SELECT FROM compliance_likeness
            WHERE who IN (player_id, excluded_id) AND decided_at IS NULL)
            OR EXISTS (SELECT FROM compliance_likeness_lift
                WHERE player_id = who AND decided_at IS NULL)) THEN 'case_open'
        ELSE '' END
$$;

CREATE FUNCTION backoffice_erasure_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.origin = 'restored' AND NOT accounts_owner_acts() THEN
        RAISE EXCEPTION 'erasure: only who restores a copy repeats what it forgot'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.origin = 'request' AND NOT EXISTS (
        SELECT FROM backoffice_data_request r JOIN backoffice_data_word w ON w.request_id = r.id
            WHERE r.id = NEW.request_id AND r.player_id = NEW.player_id AND r.kind = 'erase'
                AND w.no = NEW.word_no AND w.step = 'decided' AND w.verdict IN ('granted', 'part')
                AND w.proposed_by IS NOT NULL) THEN
        RAISE EXCEPTION 'erasure: two officers grant it' USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.ended_at := backoffice_relationship_end(NEW.player_id);
    IF NEW.origin = 'restored' THEN
        NEW.ended_at := coalesce(NEW.ended_at, clock_timestamp());
    ELSIF NEW.ended_at IS NULL THEN
        RAISE EXCEPTION 'erasure: the account is not closed' USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_erasure_check BEFORE INSERT ON backoffice_erasure
    FOR EACH ROW EXECUTE FUNCTION backoffice_erasure_check();

CREATE FUNCTION backoffice_erasure_item_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM backoffice_erasure e JOIN backoffice_retention_floor f
            ON f.class = NEW.class WHERE e.id = NEW.erasure_id AND e.origin <> 'restored'
            AND NEW.due_at < e.ended_at
                + CASE e.origin WHEN 'request' THEN f.on_request ELSE f.alone END) THEN
        RAISE EXCEPTION 'erasure: the law keeps this longer' USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM backoffice_erasure e WHERE e.id = NEW.erasure_id
            AND e.origin <> 'restored'
            AND NEW.due_at < backoffice_kept_until(e.player_id, NEW.class)) THEN
        RAISE EXCEPTION 'erasure: two officers keep this longer'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER backoffice_erasure_item_check BEFORE INSERT ON backoffice_erasure_item
    FOR EACH ROW EXECUTE FUNCTION backoffice_erasure_item_check();

-- The erasure of one class of one player: everything of it or nothing, once. Returns how many rows
-- it touched, -1 where it was done before. Whoever calls it holds the player's lock.
CREATE FUNCTION backoffice_erase(which uuid, what text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    plan backoffice_erasure;
    due timestamptz;
    who bigint;
    why text;
    was_done boolean;  -- before the copy was restored: it was held by nothing then
    touched integer := 0;
    n integer;
    every text[] := ARRAY[what];
    step text;
    total integer := 0;
BEGIN
    SELECT * INTO plan FROM backoffice_erasure WHERE id = which;
    SELECT due_at INTO due FROM backoffice_erasure_item WHERE erasure_id = which AND class = what;
    IF due IS NULL THEN
        RAISE EXCEPTION 'erasure: nobody decided this' USING ERRCODE = 'restrict_violation';
    END IF;
    who := plan.player_id;
    was_done := plan.origin = 'restored' AND due <= plan.at;
    PERFORM FROM compliance_standing WHERE player_id = who FOR UPDATE;
    due := backoffice_erasure_due(which, what, due);
    IF due > clock_timestamp() THEN
        RAISE EXCEPTION 'erasure: not before %', due USING ERRCODE = 'restrict_violation';
    END IF;
    IF EXISTS (SELECT FROM backoffice_erasure_done WHERE player_id = who AND class = what) THEN
        RETURN -1;
    END IF;
    why := backoffice_erasure_hold(who, what);
    IF why <> '' AND NOT was_done THEN
        RAISE EXCEPTION 'erasure: held, %', why USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('faro.erasing', who::text, true);
    IF what = 'identity' THEN  -- whatever came anew since a class was done goes with the name
        SELECT array_agg(class) || every INTO every FROM backoffice_erasure_done
            WHERE player_id = who AND class <> 'own_register';
    END IF;
    FOREACH step IN ARRAY every LOOP
    CASE step
    WHEN 'marketing' THEN
        DELETE FROM notices_consent WHERE person_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
    WHEN 'devices' THEN
        DELETE FROM compliance_trait WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        DELETE FROM django_session WHERE session_key IN
            (SELECT session_key FROM accounts_sessionuse WHERE user_id = who
             UNION SELECT session_key FROM usersessions_usersession WHERE user_id = who);
        DELETE FROM accounts_sessionuse WHERE user_id = who;
        DELETE FROM usersessions_usersession WHERE user_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
        DELETE FROM accounts_unlockcode WHERE user_id = who;
        DELETE FROM otp_totp_totpdevice WHERE user_id = who;
        DELETE FROM otp_static_statictoken WHERE device_id IN
            (SELECT id FROM otp_static_staticdevice WHERE user_id = who);
        DELETE FROM otp_static_staticdevice WHERE user_id = who;
    WHEN 'notices' THEN
        touched := backoffice_erase_notices(who, 'data_request_news');
    WHEN 'own_register' THEN
        DELETE FROM compliance_register_digest WHERE player_id = who;
        DELETE FROM compliance_register_entry WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        DELETE FROM compliance_likeness_lift WHERE likeness_id IN
            (SELECT id FROM compliance_likeness WHERE who IN (player_id, excluded_id));
        DELETE FROM compliance_likeness WHERE who IN (player_id, excluded_id);
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
    WHEN 'identity_documents' THEN
        -- a hash recognises a file, so it goes too; how many pages there were, for their bytes
        UPDATE compliance_kyc_document SET wrapped_key = NULL, is_original_kept = false,
            destroyed_at = coalesce(destroyed_at, clock_timestamp()), sha256 = repeat('0', 64),
            pages = (SELECT jsonb_agg(''::text) FROM jsonb_array_elements(pages))
            WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        UPDATE compliance_kyc_upload SET fingerprint = '' WHERE player_id = who;
    WHEN 'identity_checks' THEN
        UPDATE compliance_kyc_transition SET text = '', data = '{}' WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        UPDATE compliance_kyc_review SET note = '(erased)',
            second_note = CASE second_note WHEN '' THEN '' ELSE '(erased)' END
            WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
    WHEN 'screening' THEN
        DELETE FROM compliance_screening_word WHERE hit_id IN
            (SELECT id FROM compliance_screening_hit WHERE player_id = who);
        DELETE FROM compliance_screening_hit WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        DELETE FROM compliance_screening_check WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
        DELETE FROM compliance_registry_answer WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
        UPDATE compliance_admission SET place = '' WHERE player_id = who;
    WHEN 'suspicions' THEN
        DELETE FROM compliance_watch_event WHERE case_id IN
            (SELECT id FROM compliance_watch_case WHERE player_id = who);
        DELETE FROM compliance_watch_report WHERE case_id IN
            (SELECT id FROM compliance_watch_case WHERE player_id = who);
        DELETE FROM compliance_watch_case_alert WHERE case_id IN
            (SELECT id FROM compliance_watch_case WHERE player_id = who);
        DELETE FROM compliance_watch_case WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        DELETE FROM compliance_watch_alert a WHERE player_id = who AND NOT EXISTS
            (SELECT FROM compliance_watch_case_alert WHERE alert_id = a.id);
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
        DELETE FROM compliance_case_event WHERE case_id IN
            (SELECT id FROM compliance_case WHERE player_id = who AND kind = 'suspicion');
        DELETE FROM compliance_case WHERE player_id = who AND kind = 'suspicion';
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
    WHEN 'payments' THEN
        UPDATE payments_providerevent SET payload = '{}' WHERE payment_id
            IN (SELECT id FROM payments_deposit WHERE player_id = who
                UNION ALL SELECT id FROM payments_withdrawal WHERE player_id = who);
        UPDATE payments_deposit SET provider_ref = NULL, redirect_url = '', return_url = ''
            WHERE player_id = who;
        GET DIAGNOSTICS touched = ROW_COUNT;
        UPDATE payments_withdrawal SET provider_ref = NULL WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
    WHEN 'cases' THEN
        DELETE FROM compliance_case_event WHERE case_id IN
            (SELECT id FROM compliance_case WHERE player_id = who AND kind <> 'suspicion');
        DELETE FROM compliance_case WHERE player_id = who AND kind <> 'suspicion';
        GET DIAGNOSTICS touched = ROW_COUNT;
        DELETE FROM compliance_caller_answer WHERE player_id = who;
        DELETE FROM backoffice_playernote WHERE player_id = who;
        GET DIAGNOSTICS n = ROW_COUNT;
        touched := touched + n;
    WHEN 'identity' THEN
        touched := backoffice_erase_identity(who);
    END CASE;
    total := total + touched;
    END LOOP;
    INSERT INTO backoffice_erasure_done (player_id, class, erasure_id, rows)
        VALUES (who, what, which, total);
    PERFORM set_config('faro.erasing', '', true);
    RETURN total;
END $$;

CREATE FUNCTION backoffice_erase_notices(who bigint, besides text) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    touched integer;
BEGIN
    DELETE FROM notices_delivery WHERE notice_id IN
        (SELECT id FROM notices_notice WHERE person_id = who AND kind <> besides);
    DELETE FROM notices_notice WHERE person_id = who AND kind <> besides;
    GET DIAGNOSTICS touched = ROW_COUNT;
    DELETE FROM notices_mailboxmail WHERE besides = '' AND recipient IN
        (SELECT email FROM accounts_user WHERE id = who);
    RETURN touched;
END $$;

-- Name, address, birth and every key: what is left of the account is a number.
CREATE FUNCTION backoffice_erase_identity(who bigint) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    touched integer;
    n integer;
BEGIN
    IF EXISTS (SELECT FROM compliance_standing WHERE player_id = who AND (exclusion_holds
            OR excluded_until > clock_timestamp()))
        AND NOT EXISTS (SELECT FROM compliance_register_digest WHERE player_id = who)
        AND EXISTS (SELECT FROM accounts_user WHERE id = who AND name <> '') THEN
        RAISE EXCEPTION 'erasure: an excluded person is to be recognised afterwards'
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM backoffice_erase_notices(who, '');
    UPDATE backoffice_data_word SET told = CASE told WHEN '' THEN '' ELSE '(erased)' END,
        note = CASE note WHEN '' THEN '' ELSE '(erased)' END
        WHERE request_id IN (SELECT id FROM backoffice_data_request WHERE player_id = who);
    UPDATE audit_person_key SET wrapped = NULL, destroyed_at = clock_timestamp()
        WHERE person_id = who AND wrapped IS NOT NULL;
    GET DIAGNOSTICS touched = ROW_COUNT;
    DELETE FROM account_emailconfirmation WHERE email_address_id IN
        (SELECT id FROM account_emailaddress WHERE user_id = who);
    DELETE FROM account_emailaddress WHERE user_id = who;
    UPDATE compliance_standing SET of_age_on = DATE '1918-01-01' WHERE player_id = who;
    UPDATE accounts_user SET email = 'erased-' || who || '@erased.invalid', name = '',
        password = '!erased', last_login = NULL, is_active = false WHERE id = who;
    UPDATE accounts_player SET date_of_birth = DATE '1900-01-01', erased_at = clock_timestamp()
        WHERE user_id = who;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN touched + n;
END $$;
