"""A player who was erased stays erased, and nobody but the erasure itself erases one.

The erasure (`backoffice.0011`) runs as the owner of the tables, for one player at a time, and says
so in ``faro.erasing``. What keeps rows elsewhere asks `accounts_is_erasing` and lets it pass; the
role of the processes can set the word, but it is not the owner.
"""

from typing import Final

from django.db import migrations, models

KEEPING: Final = """
CREATE FUNCTION accounts_owner_acts() RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT current_user = pg_get_userbyid(relowner) FROM pg_class
        WHERE oid = 'accounts_player'::regclass
$$;
CREATE FUNCTION accounts_is_erasing() RETURNS boolean
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT accounts_owner_acts() AND coalesce(current_setting('faro.erasing', true), '') <> ''
$$;

CREATE FUNCTION accounts_player_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.erased_at IS NOT NULL THEN
        RAISE EXCEPTION 'erasure: who was erased stays erased'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.erased_at IS NOT NULL AND NOT accounts_is_erasing() THEN
        RAISE EXCEPTION 'erasure: a player is erased by an erasure alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_player_erased BEFORE UPDATE ON accounts_player
    FOR EACH ROW EXECUTE FUNCTION accounts_player_erased();

CREATE FUNCTION accounts_user_erased() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM accounts_player WHERE user_id = OLD.id AND erased_at IS NOT NULL) THEN
        RAISE EXCEPTION 'erasure: who was erased stays erased'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF ((OLD.name <> '' AND btrim(NEW.name) = '') OR (OLD.email <> '' AND btrim(NEW.email) = ''))
            AND NOT accounts_is_erasing()
            AND EXISTS (SELECT FROM accounts_player WHERE user_id = OLD.id) THEN
        RAISE EXCEPTION 'erasure: a player''s name goes with an erasure alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_user_erased BEFORE UPDATE ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION accounts_user_erased();

CREATE FUNCTION accounts_person_key_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.wrapped IS NULL AND (NEW.wrapped IS NOT NULL
            OR NEW.destroyed_at IS DISTINCT FROM OLD.destroyed_at) THEN
        RAISE EXCEPTION 'erasure: a destroyed key stays destroyed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    -- another wrapping that nobody can open is an erasure as well
    IF NEW.wrapped IS NOT NULL AND NOT accounts_owner_acts()
            AND (NEW.wrapped, NEW.wrap_version) IS DISTINCT FROM (OLD.wrapped, OLD.wrap_version)
            THEN
        RAISE EXCEPTION 'erasure: a key is wrapped anew by the owner of the tables alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.wrapped IS NOT NULL AND NEW.wrapped IS NULL AND NOT accounts_is_erasing()
            AND EXISTS (SELECT FROM accounts_player WHERE user_id = OLD.person_id) THEN
        RAISE EXCEPTION 'erasure: a player''s key is destroyed by an erasure alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER accounts_person_key_kept BEFORE UPDATE ON audit_person_key
    FOR EACH ROW EXECUTE FUNCTION accounts_person_key_kept();
"""
DROP: Final = """
DROP TRIGGER accounts_person_key_kept ON audit_person_key;
DROP TRIGGER accounts_user_erased ON accounts_user;
DROP TRIGGER accounts_player_erased ON accounts_player;
DROP FUNCTION accounts_person_key_kept();
DROP FUNCTION accounts_user_erased();
DROP FUNCTION accounts_player_erased();
DROP FUNCTION accounts_is_erasing();
DROP FUNCTION accounts_owner_acts();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_people_from_outside"),
        ("audit", "0003_witness"),
    ]
    operations = [
        migrations.AddField(
            model_name="player",
            name="erased_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunSQL(KEEPING, DROP),
    ]
