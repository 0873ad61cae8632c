"""What the destination's version does not take, or says otherwise, holds nothing up."""

import json
from collections.abc import Callable

from tests.e2e import shop
from tests.e2e.following import drift, streams
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

#: as of 15, which has it: whatever version the source is of
OLD = """
SET allow_system_table_mods = on;
UPDATE pg_db_role_setting SET setconfig = setconfig || '{force_parallel_mode=off}'::text[]
 WHERE setconfig::text LIKE '%work_mem=7MB%';
UPDATE pg_proc SET proconfig = '{work_mem=7MB,force_parallel_mode=off,search_path=public}'
 WHERE proconfig = '{work_mem=7MB}';
"""
BODY = "SELECT '\n SET force_parallel_mode TO off\n    AS '"
SETTINGS = (
    "CREATE ROLE legacy LOGIN PASSWORD 'x'",
    "ALTER ROLE legacy SET work_mem = '7MB'",
    "ALTER ROLE legacy IN DATABASE shop SET work_mem = '7MB'",
    "ALTER DATABASE shop SET work_mem = '7MB'",
    "CREATE FUNCTION plain(a text DEFAULT E'b\n c') RETURNS text LANGUAGE sql"
    f" SET work_mem = '7MB' AS $${BODY}$$",
    "CREATE FUNCTION standard() RETURNS text LANGUAGE sql SET work_mem = '7MB' RETURN 'x'",
    "CREATE PROCEDURE does() LANGUAGE sql SET work_mem = '7MB' BEGIN ATOMIC SELECT 1; END",
    OLD,
)
NAMED = (
    "ROLE legacy",
    "ROLE legacy IN DATABASE shop",
    "DATABASE shop",
    "ROUTINE public.plain(text)",
    "ROUTINE public.standard()",
    "ROUTINE public.does()",
)
#: what is a default from 19 on, and not named there
NETS = (
    'CREATE TABLE nets (id int PRIMARY KEY, inet_ops inet, "a b" cidr,'
    ' EXCLUDE USING gist (inet_ops inet_ops WITH &&, "a b" inet_ops WITH =))',
    "CREATE INDEX ON nets USING gist ((network(inet_ops)) inet_ops, inet_ops inet_ops)",
)
#: a table that comes later, and what it needs
LATER = (
    "CREATE FUNCTION later() RETURNS int LANGUAGE sql SET work_mem = '7MB' AS 'SELECT 7'",
    OLD,
    "CREATE TABLE late (id int PRIMARY KEY, seven int DEFAULT later())",
    "INSERT INTO late VALUES (1, 8)",
)
#: from 19 on, which has one of them no more, and takes the other only one way
ESCAPES = (
    "ALTER DATABASE shop SET escape_string_warning = off",
    "ALTER DATABASE shop SET standard_conforming_strings = off",
    "ALTER ROLE legacy SET standard_conforming_strings = off",
    "CREATE FUNCTION esc() RETURNS text LANGUAGE sql SET standard_conforming_strings = off"
    " AS $$ SELECT 'a\\\\b' $$",
    "CREATE FUNCTION same() RETURNS text LANGUAGE sql SET standard_conforming_strings = on"
    " AS $$ SELECT 'a' $$",
    "CREATE TABLE lit (id int PRIMARY KEY, path text DEFAULT E'c:\\\\x' CHECK (path <> E'\\\\'))",
    "INSERT INTO lit VALUES (1)",
)
ESCAPES_NAMED = (
    "escape_string_warning of DATABASE shop",
    "standard_conforming_strings of DATABASE shop",
    "standard_conforming_strings of ROLE legacy",
    "standard_conforming_strings of ROUTINE public.esc()",
)
DEFINITIONS = "SELECT string_agg(pg_get_functiondef(oid), '' ORDER BY proname) FROM pg_proc WHERE"
DEFINITIONS += " pronamespace = 'public'::regnamespace"
STORED = """
SELECT string_agg(item, ' ') FROM pg_db_role_setting, unnest(setconfig) item
 WHERE setconfig::text LIKE '%work_mem%' AND item NOT LIKE 'pgmigrator.%'
"""


def test_what_the_destination_does_not_take_is_left_out(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], destination_version: int
) -> None:
    pair = fresh_pair(shop.SOURCE)
    source, destination = pair.source, pair.destination
    refuses_escapes = destination_version >= 19 > source.version
    shop.create(source)
    shop.execute(source, *SETTINGS, *NETS, *(ESCAPES if refuses_escapes else ()))
    named = {f"force_parallel_mode of {whose}" for whose in NAMED}
    named |= set(ESCAPES_NAMED) if refuses_escapes else set()
    running = daemon(orders(pair, ROLE_CONFLICTS="merge"))
    checked = running.command("check", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    findings = [
        p for p in json.loads(checked.stdout)["orders/shop"] if p["check"] == "unknown_settings"
    ]
    assert {each["object"] for each in findings} == named
    assert {each["severity"] for each in findings} == {"note"}

    running.start()
    running.wait_phase("ready")
    shop.execute(source, *LATER)
    streams(running, "late")
    running.kill()
    assert drift(pair) == ()
    carried = shop.value(destination, STORED)
    assert carried == "work_mem=7MB work_mem=7MB work_mem=7MB"
    made = shop.value(destination, DEFINITIONS)
    assert "force_parallel_mode TO 'off'" not in made
    assert BODY in made
    assert made.count("SET search_path TO 'public'") == 4
    assert ("standard_conforming_strings TO 'on'" in made) is refuses_escapes
    assert shop.differences(source, destination) == []
    # whatever else differs in such a function is seen
    shop.execute(destination, "ALTER FUNCTION standard() SET work_mem = '8MB'")
    assert [each.object for each in drift(pair)] == ["public.standard()"]
