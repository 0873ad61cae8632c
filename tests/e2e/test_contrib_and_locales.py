"""Extensions with files of their own, ICU and the builtin provider: on builds that have them.

The servers of most tests have neither; those of npm have both, from every version.
"""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import ReleaseFactory
from tests.integration import torture

RELEASES = ("15", "17")

EXTENSIONS = """
CREATE SCHEMA ext;
CREATE SCHEMA "Odd ext";
CREATE EXTENSION hstore SCHEMA ext VERSION '1.4';
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION pg_trgm SCHEMA ext;
CREATE EXTENSION btree_gist SCHEMA ext;
CREATE EXTENSION ltree SCHEMA ext;
CREATE EXTENSION pgcrypto SCHEMA "Odd ext";
CREATE EXTENSION "uuid-ossp" SCHEMA ext;
COMMENT ON EXTENSION ltree IS 'ours';
CREATE SCHEMA app;
CREATE DOMAIN app.mail AS citext CHECK (VALUE ~ '@');
CREATE TABLE app.people (
  mail app.mail PRIMARY KEY,
  id uuid NOT NULL UNIQUE DEFAULT ext.uuid_generate_v4(),
  token bytea NOT NULL DEFAULT "Odd ext".gen_random_bytes(8),
  traits ext.hstore NOT NULL DEFAULT ''::ext.hstore CHECK (NOT traits OPERATOR(ext.?) 'secret'),
  place ext.ltree,
  note text,
  place_depth int GENERATED ALWAYS AS (ext.nlevel(place)) STORED);
CREATE INDEX people_note ON app.people USING gin (note ext.gin_trgm_ops);
CREATE INDEX people_traits ON app.people USING gin (traits ext.gin_hstore_ops);
CREATE INDEX people_place ON app.people USING gist (place ext.gist_ltree_ops (siglen = 100));
CREATE INDEX people_hash ON app.people (("Odd ext".digest(note, 'sha256')));
CREATE TABLE app.bookings (id int PRIMARY KEY, room int NOT NULL, during int4range NOT NULL,
  CONSTRAINT once EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE TABLE app.heard (traits ext.hstore, who citext);
ALTER TABLE app.heard REPLICA IDENTITY FULL;
CREATE VIEW app.near AS SELECT mail, ext.similarity(note, 'number one') AS near FROM app.people
  WHERE note OPERATOR(ext.%) 'number one';
CREATE MATERIALIZED VIEW app.places AS
  SELECT place, count(*) FROM app.people WHERE place OPERATOR(ext.<@) 'top' GROUP BY 1;
CREATE UNIQUE INDEX ON app.places (place);
INSERT INTO app.people (mail, traits, place, note)
  SELECT 'P' || i || '@x', ext.hstore('n', i::text), ('top.n' || i % 9)::ext.ltree, 'number ' || i
    FROM generate_series(1, 500) i;
INSERT INTO app.bookings SELECT i, i % 5, int4range(i, i + 1) FROM generate_series(1, 100) i;
INSERT INTO app.heard SELECT ext.hstore('n', i::text), 'Who' || i FROM generate_series(1, 50) i;
REFRESH MATERIALIZED VIEW app.places;
"""
EXTENSION_WRITES = (
    "UPDATE app.people SET mail = upper(mail::text), traits = traits OPERATOR(ext.||)"
    " '\"a\"=>\"b\"' WHERE mail = 'p7@X'",
    "UPDATE app.people SET place = 'top.moved' WHERE place OPERATOR(ext.~) 'top.n3'",
    "DELETE FROM app.people WHERE mail = 'p8@x'",
    "INSERT INTO app.people (mail, note) VALUES ('late@x', 'number late')",
    "UPDATE app.heard SET who = upper(who::text) WHERE who = 'WHO9'",
    "DELETE FROM app.heard WHERE traits OPERATOR(ext.->) 'n' = '10'",
    "UPDATE app.bookings SET during = int4range(1000, 1001) WHERE id = 3",
)
EXTENSION_ANSWERS = (
    "SELECT count(*) FROM app.people WHERE mail = 'p9@X'",
    'SELECT count(*) FROM app.people WHERE traits OPERATOR(ext.@>) \'"n"=>"9"\'',
    "SELECT count(*) FROM app.people WHERE note ILIKE '%ber 49%'",
    "SELECT array_agg(mail::text ORDER BY near, mail) FROM app.near",
    "SELECT array_agg(place ORDER BY place) FROM app.people WHERE place OPERATOR(ext.<@) 'top.n4'",
    "SELECT array_agg(p::text ORDER BY place) FROM app.places p",
)
EXTENSION_REFUSED = (
    ("INSERT INTO app.people (mail) VALUES ('P9@X')", psycopg.errors.UniqueViolation),
    ("INSERT INTO app.people (mail) VALUES ('nobody')", psycopg.errors.CheckViolation),
    (
        "INSERT INTO app.people (mail, traits) VALUES ('n@x', '\"secret\"=>\"1\"')",
        psycopg.errors.CheckViolation,
    ),
    ("INSERT INTO app.bookings VALUES (999, 4, '[4,5)')", psycopg.errors.ExclusionViolation),
)

LOCALES = """
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION "Numbers" (provider = icu, locale = 'en-u-kn-true');
CREATE TABLE words (word text COLLATE any_case PRIMARY KEY, label text COLLATE "Numbers" UNIQUE,
  plain text);
CREATE INDEX words_plain ON words (plain);
INSERT INTO words SELECT 'Wort' || i, 'L' || i, chr(200 + i) || 'x' FROM generate_series(1, 99) i;
"""
RULES = """
CREATE COLLATION ruled (provider = icu, locale = 'und', rules = '&z < b');
CREATE TABLE ruled_words (word text COLLATE ruled PRIMARY KEY);
INSERT INTO ruled_words VALUES ('a'), ('b'), ('z');
"""
LOCALE_WRITES = (
    "UPDATE words SET plain = 'moved' WHERE word = 'WORT3'",
    # the same word to its index, other bytes to everybody else
    "UPDATE words SET word = upper(word) WHERE word = 'wort4'",
    "DELETE FROM words WHERE word = 'wORT5'",
    "INSERT INTO words VALUES ('spät', 'L10000', 'Ä')",
)
LOCALE_ANSWERS = (
    "SELECT array_agg(label ORDER BY label) FROM words",
    "SELECT array_agg(plain ORDER BY plain) FROM words",
    "SELECT count(*) FROM words WHERE word = 'WoRT6'",
)
LOCALE_REFUSED = (("INSERT INTO words VALUES ('WORT9')", psycopg.errors.UniqueViolation),)

#: what a database is to those who order text in it
LOCALE_OF = """
SELECT json_build_array(pg_encoding_to_char(encoding), datlocprovider, datcollate, datctype,
         coalesce(to_json(d) ->> 'datlocale', to_json(d) ->> 'daticulocale'),
         to_json(d) ->> 'daticurules')::text
  FROM pg_database d WHERE datname = current_database()
"""
WITH_EXTENSIONS, ORDERED = "extensions {}", "ordered {}"


def create(source: Server) -> None:
    """Create two databases: one with extensions, and one that ICU orders."""
    release = source.version
    builtin = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'" if release >= 17 else ""
    rules = "ICU_RULES '&z < ä'" if release >= 16 else ""
    icu = f"LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' {rules}"
    for name, provider in ((WITH_EXTENSIONS, builtin), (ORDERED, icu)):
        quoted = f'"{name.format(release)}"'
        shop.execute(
            source,
            f"CREATE DATABASE {quoted} TEMPLATE template0 {provider}",
            # so that a dump has settings of the database on both sides, ours or not
            f"ALTER DATABASE {quoted} SET search_path = public, ext",
            database="postgres",
        )
    shop.execute(source, EXTENSIONS, database=WITH_EXTENSIONS.format(release))
    more = RULES if release >= 16 else ""
    shop.execute(source, LOCALES + more, database=ORDERED.format(release))


def test_extensions_and_locales_arrive_from_builds_that_have_them(
    released_of_module: ReleaseFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    """From two versions at once, into a destination whose extensions are newer."""
    sources = {release: released_of_module(release, shop.SOURCE) for release in RELEASES}
    workers = {"max_worker_processes": "60", "max_logical_replication_workers": "40"}
    destination = released_of_module("18.1", workers)
    settings = instance("new", destination)
    for release, source in sources.items():
        create(source)
        settings |= instance(f"old{release}", source)
        settings |= mapping(f"from{release}", f"old{release}", "new")
    running = daemon(settings)
    running.start()
    for release, source in sources.items():
        running.wait_phase("ready", mapping_name=f"from{release}")
        shop.execute(source, *EXTENSION_WRITES, database=WITH_EXTENSIONS.format(release))
        shop.execute(source, *LOCALE_WRITES, database=ORDERED.format(release))
    for release, source in sources.items():
        running.wait_phase("ready", mapping_name=f"from{release}")
        status, outcome = running.post("switch", f"from{release}")
        assert status == 200, outcome
        for name, answers, refused in (
            (WITH_EXTENSIONS.format(release), EXTENSION_ANSWERS, EXTENSION_REFUSED),
            (ORDERED.format(release), LOCALE_ANSWERS, LOCALE_REFUSED),
        ):
            assert "\n".join(torture.differences(client_bin_dir, source, destination, name)) == ""
            assert shop.differences(source, destination, name) == []
            for question in (LOCALE_OF, *answers):
                here, there = (shop.value(side, question, name) for side in (source, destination))
                assert here == there, question
                assert here, question
            for statement, error in refused:
                with pytest.raises(error):
                    shop.execute(destination, statement, database=name)
        here, there = (
            shop.value(side, "SELECT extversion FROM pg_extension WHERE extname = 'citext'", name)
            for side in (source, destination)
            for name in (WITH_EXTENSIONS.format(release),)
        )
        assert (here, there) == ("1.6", "1.8")
