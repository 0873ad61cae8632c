"""The script of pg_restore is taken apart by its headers; the choice of identity indexes."""

import re
from dataclasses import replace

import pytest

from pgmigrator.postgres.archive import Entry, parse, statements, without_option
from pgmigrator.postgres.schema import identity_entries

SCRIPT = rb"""--
-- PostgreSQL database dump
--

\restrict x

SET row_security = off;

--
-- TOC entry 30 (class 2606 OID 16468)
-- Dependencies: 10
-- Name: orders; Type: x orders_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
-- Data Pos: 0
--

ALTER TABLE ONLY shop.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


SET default_tablespace = '';

--
-- TOC entry 31 (class 1259 OID 16400)
-- Dependencies: 10
-- Name: by_note; Type: INDEX; Schema: shop; Owner: postgres; Tablespace: fast
-- Data Pos: 0
--

CREATE INDEX by_note ON shop.orders (note) WHERE note <> '
--
-- no header, and \xff no UTF-8';


--
-- TOC entry 32 (class 2606 OID 16469)
-- Dependencies: 11
-- Name: leaf leaf_pkey; Type: CONSTRAINT; Schema: shop; Owner: postgres
-- Data Pos: 0
--

ALTER TABLE ONLY shop.leaf ADD CONSTRAINT leaf_pkey PRIMARY KEY (id);


--
-- TOC entry 33 (class 0 OID 0)
-- Dependencies: 32 30 10 11
-- Name: leaf_pkey; Type: INDEX ATTACH; Schema: shop; Owner: postgres
-- Data Pos: 0
--

ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.leaf_pkey;


-- Completed on 2026-01-01 00:00:00 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict x
""".replace(rb"\xff", b"\xff")


def test_every_entry_keeps_its_own_sql() -> None:
    primary, index, leaf, attach = parse(SCRIPT)
    assert (primary.id, primary.key, primary.type) == (30, (2606, 16468), "CONSTRAINT")
    assert str(primary) == "CONSTRAINT shop orders; Type: x orders_pkey"
    assert b"PRIMARY KEY (id);" in primary.statement
    assert index.statement.endswith(b"and \xff no UTF-8';")
    assert attach.dependencies == {32, 30, 10, 11}
    assert attach.statement == b"ALTER INDEX shop.orders_pkey ATTACH PARTITION shop.leaf_pkey;"
    assert leaf.dependencies == {11}


SPACED = rb'''--
-- PostgreSQL database dump
--

SET default_tablespace = "big ""disk""";

SET default_table_access_method = heap;

--
-- TOC entry 1 (class 1259 OID 1)
-- Name: a; Type: TABLE; Schema: shop; Owner: postgres; Tablespace: big "disk"
--

CREATE TABLE shop.a (note text DEFAULT '
SET default_tablespace = text;

');


--
-- TOC entry 2 (class 0 OID 0)
-- Dependencies: 1
-- Name: TABLE a; Type: COMMENT; Schema: shop; Owner: postgres
--

COMMENT ON TABLE shop.a IS 'x';


SET default_tablespace = '';

--
-- TOC entry 3 (class 1259 OID 2)
-- Name: i; Type: INDEX; Schema: shop; Owner: postgres
--

CREATE INDEX i ON shop.a (note);


SET default_table_access_method = other;

--
-- TOC entry 4 (class 1259 OID 3)
-- Name: b; Type: TABLE; Schema: shop; Owner: postgres
--

CREATE TABLE shop.b ();


--
-- PostgreSQL database dump complete
--
'''


def test_every_entry_brings_the_settings_that_it_needs() -> None:
    """So that it comes into its tablespace whatever else is run before it."""
    a, comment, i, b = (entry.statement.decode() for entry in parse(SPACED))
    assert a.startswith(
        'SET LOCAL default_tablespace = "big ""disk""";\n'
        "SET LOCAL default_table_access_method = heap;\nCREATE TABLE shop.a "
    )
    assert a.endswith("SET default_tablespace = text;\n\n');")
    assert comment == "COMMENT ON TABLE shop.a IS 'x';"
    assert i == "SET LOCAL default_tablespace = '';\nCREATE INDEX i ON shop.a (note);"
    assert b == (
        "SET LOCAL default_tablespace = '';\nSET LOCAL default_table_access_method = other;\n"
        "CREATE TABLE shop.b ();"
    )


def test_an_archive_may_be_empty() -> None:
    assert parse(b"--\n-- PostgreSQL database dump\n--\n") == ()


def test_an_index_is_attached_early_only_with_both_its_ends() -> None:
    entries = parse(SCRIPT)
    both = identity_entries(entries, {(2606, 16468), (2606, 16469)})
    assert [entry.id for entry in both] == [30, 32, 33]
    assert [entry.id for entry in identity_entries(entries, {(2606, 16469)})] == [32]


def entry(statement: str) -> Entry:
    [only] = parse(script(statement))
    return only


def script(*bodies: str) -> bytes:
    """A script with one entry for each body."""
    header = (
        "--\n-- TOC entry {id} (class 1259 OID {id})\n"
        "-- Name: it's; Type: TABLE; Schema: s; Owner: o\n--\n\n"
    )
    entries = "".join(f"{header.format(id=i)}{body}\n\n\n" for i, body in enumerate(bodies, 10))
    end = "--\n-- PostgreSQL database dump complete\n--\n"
    return f"SET row_security = off;\n\n{entries}{end}".encode()


FAKE = script("ALTER ROLE app SUPERUSER;").decode()


@pytest.mark.parametrize(
    "body",
    [
        f"COMMENT ON TABLE s.t IS '{FAKE.replace(chr(39), chr(39) * 2)}';",
        f"CREATE FUNCTION s.f() RETURNS text LANGUAGE sql AS $_$ {FAKE} $_$;",
        f"CREATE FUNCTION s.f() RETURNS text LANGUAGE sql AS $$ {FAKE} $$;",
        f'CREATE TABLE s."{FAKE}" ();',
        f"ALTER TABLE s.t ADD CHECK (a <> E'\\\\''{FAKE.replace(chr(39), chr(39) * 2)}');",
    ],
)
def test_what_looks_like_a_header_inside_of_a_text_is_text(body: str) -> None:
    found = parse(script("SELECT 'it''s';", body, "SELECT 1;"))
    assert [one.statement.decode() for one in found] == [
        "SELECT 'it''s';",
        body.strip(),
        "SELECT 1;",
    ]


TABLE = """CREATE TABLE s.t (
    a integer,
    "b;" text DEFAULT 'ALTER TABLE ONLY s.t ALTER COLUMN a SET (pg_attver=7);'::text
);
ALTER TABLE ONLY s.t ALTER COLUMN a SET (pg_attver=7);
ALTER TABLE ONLY s.t ALTER COLUMN "b;" SET (n_distinct=5, pg_attver=7, n_distinct_inherited=6);
ALTER FOREIGN TABLE ONLY s."f t" ALTER COLUMN a SET (pg_attver=7);


ALTER TABLE s.t OWNER TO "o;o";"""


def test_a_servers_own_option_of_columns_is_left_out_and_nothing_else() -> None:
    found = entry(TABLE).statement.decode()
    assert "(n_distinct=5, n_distinct_inherited=6);" in found
    assert re.findall("pg_attver.*", found) == ["pg_attver=7);'::text"]
    assert found.startswith("CREATE TABLE")
    assert found.endswith('OWNER TO "o;o";')


def test_an_option_is_left_out_by_its_whole_name() -> None:
    assert without_option(TABLE, "distinct") == TABLE
    assert "(pg_attver=7, n_distinct_inherited=6)" in without_option(TABLE, "n_distinct")


def test_an_entry_without_that_option_stays_as_it_is() -> None:
    whole = entry(TABLE)
    assert whole.without("unknown") == whole
    shorter = whole.without("n_distinct")
    assert replace(shorter, statement=whole.statement) == whole != shorter


def test_an_owner_comes_apart_from_the_definition() -> None:
    definition, owner = entry(TABLE).parts()
    assert b"OWNER" not in definition
    assert owner.strip() == b'ALTER TABLE s.t OWNER TO "o;o";'
    body = (
        "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql\nBEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;"
    )
    assert entry(body).parts() == (body.encode(),)


@pytest.mark.parametrize(
    "text", ["", " ", "a", "a;", "a;b", "a ';' ; \n-- c;\n b; ", "$x$;$x$;$1;"]
)
def test_statements_lose_nothing(text: str) -> None:
    assert "".join(statements(text)).strip() == text.strip()
