"""What provokes each check of the preflight, and what it then says: one table.

A case is real where its statements, settings and servers alone make the check fire: every check has
one that is. What no SQL makes is written into the catalogs, which the daemon then reads like any
other row. Where a server was built without what a further case needs, `simulated` changes what was
observed, as it would read there. Checks that need a migration under way in full are provoked by
tests of their own: ELSEWHERE, in test_preflight.py.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgmigrator.core.conditions import CollationVersion, Setting
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Severity

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE
#: releases whose builds have contrib and ICU; the destination of most cases has neither
COMPLETE_BUILDS = ("15", "17")
#: a name that is only right when it is quoted
DATABASE = 'Odd "Shop"'
QUOTED = '"Odd ""Shop"""'

#: changes to an observation, by path (see tests/unit/builders.py)
Facts = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """How to make one check fire. In SQL and names, {database} and {slot} stand for ours."""

    check: str
    severity: Severity
    #: how the object of the finding begins
    object: str
    #: statements in the database on the source
    here: tuple[str, ...] = ()
    #: statements in the destination's first database, then in one of the same name
    there: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    #: a statement whose transaction stays open on the source
    hold: str = ""
    #: settings of the servers, which are restarted for them
    here_settings: Mapping[str, str] = field(default_factory=dict)
    there_settings: Mapping[str, str] = field(default_factory=dict)
    #: settings of the daemon
    daemon: Mapping[str, str] = field(default_factory=dict)
    #: releases of servers ("18.1", or "14": its newest), in the place of those of all other cases
    here_release: str = ""
    there_release: str = ""
    #: steps that a marker of ours on the destination's database names; None: there is no marker
    marked: tuple[Step, ...] | None = None
    #: changes to what was observed
    simulated: Facts = field(default_factory=dict)
    #: what takes back what outlives the database
    undo_here: tuple[str, ...] = ()
    undo_there: tuple[str, ...] = ()
    #: SQL that the fix must contain, and that ends the finding: in the database on the source, or
    #: in the destination's first one
    mend_here: str = ""
    mend_there: str = ""
    #: what the fix must say, if it is no SQL
    says: str = ""

    @property
    def is_real(self) -> bool:
        """Tell whether nothing of it is made up."""
        return not self.simulated


def _collation(
    locale: str, recorded: str = "", actual: str = "", name: str = "collation public.x"
) -> tuple[CollationVersion, ...]:
    return (CollationVersion(object=name, locale=locale, recorded=recorded, actual=actual),)


def _extension(name: str, version: str) -> str:
    """Write SQL that puts an extension into the catalog, though its package is not installed."""
    return (
        "SET allow_system_table_mods = on; INSERT INTO pg_extension (oid, extname, extowner,"
        f" extnamespace, extrelocatable, extversion) VALUES (99999, '{name}',"
        f" 'postgres'::regrole, 'public'::regnamespace, false, '{version}')"
    )


_OTHER_VERSION = (
    "SET allow_system_table_mods = on;"
    " UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'"
)
DATABASE_OID = "(SELECT oid FROM pg_database WHERE datname = current_database())"


def label_of(catalog: str, oid: str) -> str:
    """Write SQL that labels an object, though PostgreSQL comes with no provider of labels."""
    labels, part = ("pg_shseclabel", "") if catalog != "pg_class" else ("pg_seclabel", "objsubid, ")
    return (
        f"SET allow_system_table_mods = on; INSERT INTO {labels} (objoid, classoid, {part}provider,"
        f" label) VALUES ({oid}, '{catalog}'::regclass, {'0, ' if part else ''}'masks', 'hidden')"
    )


INSTANCE = "PGMIGRATOR_INSTANCES__OLD__"
MAPPING = "PGMIGRATOR_MAPPINGS__ORDERS__"
#: another database of the mapping
WITH_ANOTHER = {f"{MAPPING}DATABASES": json.dumps([DATABASE, "postgres"])}
PLAIN_ROLE = "CREATE ROLE plain LOGIN PASSWORD 'secret'"
AS_PLAIN = {f"{INSTANCE}USER": "plain", f"{INSTANCE}PASSWORD": "secret"}
RULES = (
    "CREATE TABLE rates (code text PRIMARY KEY, rate numeric)",
    # in PL/pgSQL, since 17 already refuses an index on the same in SQL
    "CREATE FUNCTION is_known(text) RETURNS bool LANGUAGE plpgsql STABLE AS"
    " 'BEGIN RETURN EXISTS (SELECT FROM rates WHERE code = $1); END'",
)
NOTIFY = (
    "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
    'CREATE EVENT TRIGGER "Log" ON ddl_command_end EXECUTE FUNCTION seen()',
)

#: a table of exactly 1 GiB: full of empty blocks, and sparse, so that it takes no space on the disk
BIG = (
    "CREATE TABLE big (i int PRIMARY KEY)",
    "DO $$ BEGIN EXECUTE format('COPY (SELECT) TO PROGRAM %L',"
    " 'cat > /dev/null; truncate --size=1G ' || pg_relation_filepath('big')); END $$",
)

FAST = ("SET allow_in_place_tablespaces = on", "CREATE TABLESPACE \"Fast\" LOCATION ''")

UNDER_WAY = (Step.SCHEMA_DONE, Step.SUBSCRIBED)

SERVERS = (
    Case(
        check="versions",
        severity=BLOCKS,
        object="source",
        here_release="14",
    ),
    Case(
        check="versions",
        severity=BLOCKS,
        object="destination",
        there_release="16",
    ),
    Case(
        # most of such a database cannot be asked there
        check="versions",
        severity=BLOCKS,
        object="destination",
        there_release="16",
        inside=("CREATE TABLE theirs (i int)",),
    ),
    Case(
        check="logical_wal",
        severity=BLOCKS,
        object="source",
        here_settings={"wal_level": "replica"},
    ),
    Case(
        check="source_headroom",
        severity=BLOCKS,
        object="source",
        here_settings={"max_replication_slots": "3"},
    ),
    Case(
        check="source_headroom",
        severity=BLOCKS,
        object="source",
        here_settings={"max_wal_senders": "3"},
    ),
    Case(
        check="destination_headroom",
        severity=BLOCKS,
        object="destination",
        there_settings={"max_active_replication_origins": "2"},
    ),
    Case(
        check="destination_headroom",
        severity=BLOCKS,
        object="destination",
        there_settings={"max_logical_replication_workers": "7"},
        there=tuple(
            f"CREATE SUBSCRIPTION other{n} CONNECTION 'dbname=x' PUBLICATION p WITH (connect=false)"
            for n in range(2)
        ),
    ),
    Case(
        check="sync_workers",
        severity=BLOCKS,
        object=f"{MAPPING}MAX_PARALLEL_TABLES",
        daemon={f"{MAPPING}MAX_PARALLEL_TABLES": "3"},
    ),
    Case(
        check="sync_workers",
        severity=BLOCKS,
        object="destination",
        there_settings={"max_sync_workers_per_subscription": "0"},
    ),
    Case(
        check="slots_are_limited",
        severity=DEGRADES,
        object="source",
        here_settings={"max_slot_wal_keep_size": "-1"},
    ),
    Case(
        check="slots_are_limited",
        severity=NOTE,
        object="source",
        here=BIG,
        here_settings={"max_slot_wal_keep_size": "50MB"},
    ),
    Case(
        check="slots_do_not_idle_out",
        severity=DEGRADES,
        object="source",
        here_release="18",
        here_settings={"idle_replication_slot_timeout": "60s"},
    ),
    Case(
        check="route",
        severity=BLOCKS,
        object="destination",
        daemon={f"{INSTANCE}REPLICATION_PORT": "1"},
    ),
    Case(
        check="privileges",
        severity=BLOCKS,
        object="source",
        here=(PLAIN_ROLE,),
        daemon=AS_PLAIN,
        mend_here='ALTER ROLE "plain" SUPERUSER;',
    ),
    *(
        Case(
            # the service's role is made up, the rest is real
            check=check,
            severity=severity,
            object="source",
            here=(*here, f"CREATE ROLE {role}"),
            daemon=daemon,
            here_settings=settings,
            says=words,
        )
        for role, name, wal_level in (
            ("rds_superuser", "Amazon RDS", "set rds.logical_replication = 1"),
            ("cloudsqlsuperuser", "Google Cloud SQL", "set cloudsql.logical_decoding = on"),
            ("azure_pg_admin", "Azure Database", "set wal_level = logical"),
        )
        for check, severity, here, daemon, settings, words in (
            ("privileges", BLOCKS, (PLAIN_ROLE,), AS_PLAIN, {}, f"none: {name}"),
            ("logical_wal", BLOCKS, (), {}, {"wal_level": "replica"}, wal_level),
        )
    ),
    Case(
        check="client_programs",
        severity=BLOCKS,
        object="pg_dump",
        daemon={"PGMIGRATOR_POSTGRES_BIN_DIR": str(Path(__file__).parent)},
    ),
    Case(
        check="client_programs",
        severity=NOTE,
        object="pg_dump",
        daemon={"PGMIGRATOR_POSTGRES_BIN_DIR": str(Path(__file__).parent / "programs_18_1")},
        says="to 18.6 or newer",
    ),
    Case(
        check="minor_releases",
        severity=NOTE,
        object="source",
        here_release="19",
        says="for production",
    ),
    Case(
        check="minor_releases",
        severity=DEGRADES,
        object="source",
        here_release="15.12",
    ),
    Case(
        check="minor_releases",
        severity=NOTE,
        object="destination",
        there_release="18.1",
    ),
    Case(
        check="commit_timestamps",
        severity=NOTE,
        object="destination",
        there_settings={"track_commit_timestamp": "off"},
    ),
    Case(
        check="disk_space",
        severity=NOTE,
        object="disk",
        here=BIG,
    ),
)

DATABASES = (
    Case(
        check="source_database",
        severity=BLOCKS,
        object="nowhere",
        daemon={f"{MAPPING}DATABASES": '["nowhere"]'},
    ),
    Case(
        check="destination_database",
        severity=BLOCKS,
        object="{database}",
        inside=("CREATE TABLE theirs (i int)",),
    ),
    Case(
        check="destination_database",
        severity=BLOCKS,
        object="{database}",
        there=(f"CREATE DATABASE {QUOTED} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",),
    ),
    Case(
        # nothing of it is ours before our marker is there
        check="destination_database",
        severity=BLOCKS,
        object="{database}",
        inside=("CREATE SCHEMA pgmigrator",),
    ),
    Case(
        check="adopted_database_stays_empty",
        severity=BLOCKS,
        object="{database}",
        inside=("CREATE TABLE theirs (i int)",),
        marked=(),
    ),
    Case(
        check="one_mapping_per_name",
        severity=BLOCKS,
        object="{database}",
        daemon={
            "PGMIGRATOR_MAPPINGS__OTHER__SOURCE": "old",
            "PGMIGRATOR_MAPPINGS__OTHER__DESTINATION": "new",
            "PGMIGRATOR_MAPPINGS__OTHER__DATABASES": '["Odd \\"Shop\\""]',
        },
    ),
    Case(
        check="publication_is_ours",
        severity=BLOCKS,
        object="pgmigrator_orders",
        here=("CREATE PUBLICATION pgmigrator_orders",),
    ),
    Case(
        check="slot_is_ours",
        severity=BLOCKS,
        object="{slot}",
        here=("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')",),
        mend_here="SELECT pg_drop_replication_slot('{slot}')",
    ),
    Case(
        check="extensions",
        severity=BLOCKS,
        object="extension hstore",
        here=(_extension("hstore", "1.8"),),
    ),
    *(
        Case(
            check="extensions",
            severity=BLOCKS,
            object="extension hstore",
            here_release=release,
            here=("CREATE EXTENSION hstore",),
        )
        for release in COMPLETE_BUILDS
    ),
    Case(
        check="extensions",
        severity=BLOCKS,
        object="extension hstore",
        here=(_extension("hstore", "99"),),
        there_release="18.1",  # it has contrib
    ),
    *(
        Case(
            check=check,
            severity=severity,
            object=f"extension {name}",
            here=(_extension(name, "1.0"),),
        )
        for check, severity, name in (
            ("unsupported_extensions", BLOCKS, "timescaledb"),
            ("unsupported_extensions", BLOCKS, "citus"),
            ("scheduled_jobs", NOTE, "pg_cron"),
            ("scheduled_jobs", NOTE, "pg_partman"),
        )
    ),
    *(
        Case(
            check="role_conflicts",
            severity=severity,
            object="role app",
            here=("CREATE ROLE app LOGIN", f"GRANT CREATE ON DATABASE {QUOTED} TO app"),
            there=("CREATE ROLE app NOLOGIN",),
            daemon={f"{MAPPING}ROLE_CONFLICTS": conflicts},
        )
        for severity, conflicts in ((BLOCKS, "fail"), (NOTE, "merge"), (NOTE, "skip"))
    ),
    Case(
        check="role_conflicts",  # of a role that only another database has to do with
        severity=NOTE,
        object="role app",
        here=("CREATE ROLE app LOGIN", "GRANT CREATE ON DATABASE postgres TO app"),
        there=("CREATE ROLE app NOLOGIN",),
        daemon=WITH_ANOTHER,
    ),
    Case(
        check="role_conflicts",  # of a role that none has to do with
        severity=BLOCKS,
        object="role app",
        here=("CREATE ROLE app LOGIN",),
        there=("CREATE ROLE app NOLOGIN",),
        daemon=WITH_ANOTHER,
    ),
    Case(
        check="role_conflicts",
        severity=DEGRADES,
        object="role app",
        here=("CREATE ROLE app LOGIN", f"GRANT CREATE ON DATABASE {QUOTED} TO app"),
        there=("CREATE ROLE app NOLOGIN",),
        marked=UNDER_WAY,
        mend_there='ALTER ROLE "app" LOGIN;',
    ),
    *(
        Case(
            check="role_conflicts",
            severity=severity,
            object="role public",
            here=("GRANT SET ON PARAMETER log_statement TO PUBLIC",),
            undo_here=("REVOKE SET ON PARAMETER log_statement FROM PUBLIC",),
            undo_there=("REVOKE SET ON PARAMETER log_statement FROM PUBLIC",),
            marked=marked,
            mend_there="GRANT SET ON PARAMETER log_statement TO PUBLIC;",
        )
        for severity, marked in ((BLOCKS, None), (DEGRADES, UNDER_WAY))
    ),
    Case(
        check="role_conflicts",
        severity=NOTE,
        object="comment of role app",
        here=("CREATE ROLE app", "COMMENT ON ROLE app IS 'it''s ours'"),
        there=("CREATE ROLE app",),
        mend_there="COMMENT ON ROLE \"app\" IS 'it''s ours';",
    ),
    Case(
        check="common_passwords",
        severity=NOTE,
        object="role Odd",
        here=('CREATE ROLE "Odd" LOGIN', "CREATE ROLE other NOLOGIN"),
        daemon={
            f"{MAPPING}ROLE_PASSWORDS": "common",
            f"{MAPPING}COMMON_ROLE_PASSWORD": "for-everybody",
        },
        says='\\password "Odd"',
    ),
    *(
        Case(
            check="connection_limit",
            severity=NOTE,
            object=f"database {DATABASE}",
            here=(f"ALTER DATABASE {QUOTED} CONNECTION LIMIT 0",),
            inside=inside,
            says=f"on the destination: ALTER DATABASE {QUOTED} CONNECTION LIMIT {says};",
        )
        for inside, says in (
            ((), "0"),
            ((f"ALTER DATABASE {QUOTED} CONNECTION LIMIT 0",), "-1"),
        )
    ),
    Case(
        check="lock_table",
        severity=BLOCKS,
        object="{database}",
        here=(
            "DO $$ BEGIN FOR i IN 1 .. 120 LOOP"
            " EXECUTE format('CREATE TABLE t%s (i int PRIMARY KEY)', i); END LOOP; END $$",
        ),
        here_settings={
            "max_locks_per_transaction": "10",
            "max_connections": "30",
            "max_wal_senders": "12",
        },
    ),
)

CONDITIONS = (
    Case(
        check="conditions_read",
        severity=BLOCKS,
        object="source: md5_passwords",
        here=(PLAIN_ROLE,),
        daemon=AS_PLAIN,
    ),
    Case(
        check="conditions_read",
        severity=DEGRADES,
        object="source: md5_passwords",
        here=(PLAIN_ROLE,),
        daemon=AS_PLAIN,
        marked=UNDER_WAY,
    ),
    *(
        Case(
            # the release that has the setting in every package
            check="output_plugins",
            severity=severity,
            object="output_plugin_libraries",
            here_release="19",
            here=(f"ALTER ROLE postgres SET output_plugin_libraries = {value}",),
            undo_here=("ALTER ROLE postgres RESET output_plugin_libraries",),
            marked=marked,
            mend_here=f'ALTER ROLE "postgres" IN DATABASE {QUOTED} SET output_plugin_libraries ='
            f" {mended};",
        )
        for severity, marked in ((BLOCKS, None), (DEGRADES, UNDER_WAY))
        for value, mended in (
            ("test_decoding, mine", "'pgoutput', 'test_decoding', 'mine'"),
            ("''", "'pgoutput'"),
        )
    ),
    Case(
        # each library alone is quoted there
        check="output_plugins",
        severity=BLOCKS,
        object="output_plugin_libraries",
        here_release="19",
        here_settings={"output_plugin_libraries": "pgoutput, test_decoding"},
        says="ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'pgoutput, test_decoding';"
        " then SELECT pg_reload_conf();",
    ),
    *(
        Case(
            check="copy_timeouts",
            severity=severity,
            object=name,
            here=(f"ALTER ROLE postgres SET {name} = '500ms'",),
            undo_here=(f"ALTER ROLE postgres RESET {name}",),
            there_release="18.1",  # 18.4 does not mind
            marked=marked,
            mend_here=f'ALTER ROLE "postgres" IN DATABASE {QUOTED} SET {name} = 0;',
        )
        for name, severity, marked in (
            ("statement_timeout", BLOCKS, None),
            ("statement_timeout", DEGRADES, UNDER_WAY),
            ("lock_timeout", BLOCKS, None),
            ("idle_in_transaction_session_timeout", DEGRADES, UNDER_WAY),
        )
    ),
    *(
        Case(
            check="copy_settings",
            severity=severity,
            object="role",
            here=("CREATE ROLE app", f"ALTER DATABASE {QUOTED} SET role = 'app'"),
            undo_here=("DROP ROLE app",),
            there_release="18.1",  # 18.4 does not mind
            marked=marked,
            mend_here='SET ROLE none; ALTER ROLE "postgres"'
            f" IN DATABASE {QUOTED} SET role = 'none';",
        )
        for severity, marked in ((BLOCKS, None), (DEGRADES, UNDER_WAY))
    ),
    Case(
        check="copy_settings",
        severity=BLOCKS,
        object="lc_monetary",
        here=(
            "CREATE DOMAIN amount AS money",
            "CREATE TYPE bill AS (amounts amount[])",
            "CREATE TABLE paid (id int PRIMARY KEY, bill bill)",
        ),
        there_release="18.1",
        simulated={  # few machines have a locale that writes amounts otherwise
            "source.conditions.settings": (
                Setting(name="lc_monetary", setting="de_DE.utf8", unit="", source="database"),
            )
        },
    ),
    Case(
        check="restore_timeout",
        severity=BLOCKS,
        object="transaction_timeout",
        there=("ALTER ROLE postgres SET transaction_timeout = '1h'",),
        undo_there=("ALTER ROLE postgres RESET transaction_timeout",),
        mend_there='ALTER ROLE "postgres" SET transaction_timeout = 0;',
    ),
    *(
        Case(
            check="apply_timeouts",
            severity=DEGRADES,
            object=setting,
            there=(f"ALTER ROLE postgres SET {setting} = {value}",),
            undo_there=(f"BEGIN READ WRITE; ALTER ROLE postgres RESET {setting}; COMMIT",),
            marked=UNDER_WAY,
        )
        for setting, value in (
            ("lock_timeout", "'1s'"),
            ("transaction_timeout", "'1h'"),
            ("default_transaction_read_only", "on"),
        )
    ),
    Case(
        check="apply_settings",
        severity=DEGRADES,
        object="array_nulls",
        there=("ALTER ROLE postgres SET array_nulls = off",),
        undo_there=("ALTER ROLE postgres RESET array_nulls",),
        marked=UNDER_WAY,
        mend_there=f"""ALTER ROLE "postgres" IN DATABASE {QUOTED} SET array_nulls = 'on';""",
    ),
    *(
        Case(
            check="sender_timeout",
            severity=severity,
            object="wal_sender_timeout",
            here=(f"ALTER DATABASE {QUOTED} SET wal_sender_timeout = {value}",),
            mend_here=f'ALTER ROLE "postgres" IN DATABASE {QUOTED}'
            " SET wal_sender_timeout = '60s';",
        )
        for severity, value in ((NOTE, "0"), (DEGRADES, "'1s'"))
    ),
    *(
        Case(
            check="row_security",
            severity=severity,
            object='table "public"."Secret"',
            here=(
                PLAIN_ROLE,
                'CREATE TABLE "Secret" (i int PRIMARY KEY)',
                'ALTER TABLE "Secret" ENABLE ROW LEVEL SECURITY',
            ),
            daemon=AS_PLAIN,
            marked=marked,
            mend_here='ALTER ROLE "plain" BYPASSRLS;',
        )
        for severity, marked in ((BLOCKS, None), (DEGRADES, UNDER_WAY))
    ),
    Case(
        check="subscriptions",
        severity=NOTE,
        object='subscription "Feed"',
        here=(
            "CREATE SUBSCRIPTION \"Feed\" CONNECTION 'dbname=x' PUBLICATION p WITH (connect=false)",
        ),
    ),
    Case(
        check="publications",
        severity=NOTE,
        object='publication "Out"',
        here=('CREATE PUBLICATION "Out"',),
    ),
    Case(
        check="logical_slots",
        severity=NOTE,
        object="slot cdc",
        here=("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')",),
    ),
    Case(check="open_transactions", severity=NOTE, object="pid ", hold="SELECT txid_current()"),
    Case(
        check="prepared_transactions",
        severity=NOTE,
        object="prepared transaction 'it''s'",
        here=("BEGIN; SELECT txid_current(); PREPARE TRANSACTION 'it''s'",),
        mend_here="ROLLBACK PREPARED 'it''s';",
    ),
    Case(
        check="held_triggers",
        severity=NOTE,
        object='trigger "Audit" on public.t',
        here=(
            "CREATE TABLE t (i int PRIMARY KEY)",
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            'CREATE TRIGGER "Audit" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()',
            'ALTER TABLE t ENABLE ALWAYS TRIGGER "Audit"',
        ),
    ),
    Case(
        check="unenforced_constraints",
        severity=NOTE,
        object='table public."Odd"',
        here=(
            "CREATE TABLE t (i int PRIMARY KEY)",
            'CREATE TABLE "Odd" (i int PRIMARY KEY REFERENCES t)',
            'ALTER TABLE "Odd" DISABLE TRIGGER ALL',
        ),
        says='ALTER TABLE public."Odd" DISABLE TRIGGER ALL;',
    ),
    Case(
        check="event_triggers",
        severity=NOTE,
        object='event trigger "Log"',
        here=NOTIFY,
        mend_here='ALTER EVENT TRIGGER "Log" DISABLE;',
    ),
    *(
        Case(
            check="path_functions",
            severity=DEGRADES,
            object="function public.is_known(text)",
            here=(*RULES, use),
            mend_here="ALTER FUNCTION public.is_known(text) SET search_path = public, pg_temp;",
        )
        for use in (
            "CREATE TABLE prices (i int PRIMARY KEY, code text CHECK (is_known(code)))",
            "ALTER FUNCTION is_known IMMUTABLE;"
            " CREATE INDEX ON rates (is_known(code)) WHERE is_known(code)",
            "ALTER FUNCTION is_known IMMUTABLE; CREATE TABLE g (i int PRIMARY KEY, code text,"
            " known bool GENERATED ALWAYS AS (is_known(code)) STORED)",
            "CREATE DOMAIN known_code AS text CHECK (is_known(VALUE))",
        )
    ),
    *(
        Case(
            check="reserved_schema",
            severity=severity,
            object="schema pgmigrator",
            here=("CREATE SCHEMA pgmigrator", *more),
            marked=marked,
            mend_here="ALTER SCHEMA pgmigrator RENAME TO pgmigrator_earlier;",
            says=says,
        )
        for severity, marked, more, says in (
            (BLOCKS, None, (), "on the source: ALTER"),
            (DEGRADES, UNDER_WAY, (), "on the source: ALTER"),
            (BLOCKS, None, (f"ALTER DATABASE {QUOTED} SET pgmigrator.state = 'x'",), "`complete`"),
        )
    ),
    *(
        Case(
            check="tablespaces",
            severity=severity,
            object='tablespace "Fast"',
            here=(*FAST, 'CREATE TABLE t (i int PRIMARY KEY) TABLESPACE "Fast"'),
            daemon={f"{MAPPING}TABLESPACES": setting},
            undo_here=("DROP TABLE t", 'DROP TABLESPACE "Fast"'),
            marked=marked,
            says=says,
        )
        for severity, setting, marked, says in (
            (BLOCKS, "keep", None, """CREATE TABLESPACE "Fast" LOCATION '"""),
            (DEGRADES, "keep", UNDER_WAY, "MAPPINGS__ORDERS__TABLESPACES=default"),
            (NOTE, "default", None, "SET TABLESPACE"),
        )
    ),
    *(
        Case(
            check="partitioned_tablespaces",
            severity=BLOCKS,
            object=named,
            here=(
                *FAST,
                "CREATE TABLE whole (i int) PARTITION BY LIST (i)",
                "CREATE INDEX by_i ON whole (i)",
                f'ALTER {named} SET TABLESPACE "Fast"',
            ),
            there=(*FAST, f'CREATE DATABASE {QUOTED} TEMPLATE template0 TABLESPACE "Fast"'),
            undo_here=("DROP TABLE whole", 'DROP TABLESPACE "Fast"'),
            undo_there=(f"DROP DATABASE {QUOTED}", 'DROP TABLESPACE "Fast"'),
            mend_here=mend_here,
            mend_there=mend_there,
        )
        for named, mend_here, mend_there in (
            ("table public.whole", "", f"ALTER DATABASE {QUOTED} SET TABLESPACE pg_default;"),
            ("index public.by_i", "ALTER INDEX public.by_i SET TABLESPACE pg_default;", ""),
        )
    ),
    *(
        Case(
            check="partitioned_tablespaces",
            severity=severity,
            object="table public.whole",
            here=(
                "CREATE TABLE whole (i int) PARTITION BY LIST (i)",
                # as after ALTER DATABASE ... SET TABLESPACE
                "SET allow_system_table_mods = on; UPDATE pg_class SET reltablespace ="
                " (SELECT dattablespace FROM pg_database WHERE datname = current_database())"
                " WHERE relname = 'whole'",
            ),
            marked=marked,
            says="SET TABLESPACE pg_default;",
        )
        for severity, marked in ((BLOCKS, None), (DEGRADES, UNDER_WAY))
    ),
    Case(
        check="everywhere_settings",
        severity=NOTE,
        object="setting app.odd",
        here=("ALTER ROLE ALL SET app.odd = 'x'",),
        undo_here=("ALTER ROLE ALL RESET app.odd",),
        says="ALTER ROLE ALL SET app.odd = ",
    ),
    *(
        Case(
            check="preload_libraries",
            severity=severity,
            object=f"{setting} of {whose}",
            here=(
                'CREATE ROLE "Odd" LOGIN',
                f'GRANT CREATE ON DATABASE {QUOTED} TO "Odd"',
                # what is looked for elsewhere is found there
                """ALTER ROLE "Odd" SET dynamic_library_path = '/nowhere'""",
                f"ALTER {whose} SET {setting} = {value}",
            ),
            marked=marked,
            mend_here=f"ALTER {whose} RESET {setting};",
        )
        for severity, marked, whose, setting, value in (
            (BLOCKS, None, 'ROLE "Odd"', "session_preload_libraries", "plpgsql"),
            (
                DEGRADES,
                UNDER_WAY,
                f'ROLE "Odd" IN DATABASE {QUOTED}',
                "session_preload_libraries",
                "plpgsql, no_such_library",
            ),
            # of these, users may load what is in one folder
            (
                DEGRADES,
                UNDER_WAY,
                f'ROLE "Odd" IN DATABASE {QUOTED}',
                "local_preload_libraries",
                "'$libdir/plpgsql'",
            ),
        )
    ),
    Case(
        check="preload_libraries",  # likewise of one of another database
        severity=NOTE,
        object='session_preload_libraries of ROLE "Odd"',
        here=(
            'CREATE ROLE "Odd" LOGIN',
            'GRANT CREATE ON DATABASE postgres TO "Odd"',
            'ALTER ROLE "Odd" SET session_preload_libraries = no_such_library',
        ),
        daemon=WITH_ANOTHER,
        mend_here='ALTER ROLE "Odd" RESET session_preload_libraries;',
    ),
    *(
        Case(
            check="unknown_settings",
            severity=NOTE,
            object=f"force_parallel_mode of {whose}",
            here=(
                'CREATE ROLE "Odd"',
                'CREATE FUNCTION public."F"(int) RETURNS int LANGUAGE sql RETURN 1',
                f"ALTER {whose} SET work_mem = '7MB'",
                # as of 15, which has it
                "SET allow_system_table_mods = on; UPDATE pg_db_role_setting SET setconfig ="
                " setconfig || '{force_parallel_mode=off}'::text[]"
                " WHERE setconfig::text LIKE '%work_mem=7MB%'; UPDATE pg_proc SET proconfig ="
                " proconfig || '{force_parallel_mode=off}'::text[]"
                " WHERE proconfig::text LIKE '%work_mem=7MB%'",
            ),
            says=f"on the source: ALTER {whose} RESET force_parallel_mode;",
        )
        for whose in ('ROLE "Odd"', f"DATABASE {QUOTED}", 'ROUTINE public."F"(integer)')
    ),
    *(
        Case(
            check="unknown_settings",
            severity=NOTE,
            object=f"standard_conforming_strings of {thing}",
            here=here,
            here_settings=settings,
            simulated={"destination.server.version_num": 190000},
            says="write E'...'",
        )
        for thing, here, settings in (
            (
                "ROUTINE public.f()",
                (
                    "CREATE FUNCTION public.f() RETURNS text LANGUAGE sql SET"
                    " standard_conforming_strings = off AS $$ SELECT 'a' $$",
                ),
                {},
            ),
            ("the source", (), {"standard_conforming_strings": "off"}),
        )
    ),
    Case(
        check="time_zones",
        severity=NOTE,
        object="time zone Europe/Atlantis",
        here=(
            f"ALTER DATABASE {QUOTED} SET TimeZone = 'Europe/Berlin'",
            # as of a server whose time zone data has more names
            "SET allow_system_table_mods = on; UPDATE pg_db_role_setting SET setconfig ="
            " ARRAY['TimeZone=Europe/Atlantis'] WHERE setdatabase = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())",
        ),
    ),
    *(
        Case(
            check="extension_rows",
            severity=severity,
            object='table public."Odd rates"',
            here=(
                'CREATE TABLE "Odd rates" (i int)',
                'INSERT INTO "Odd rates" VALUES (1), (2)',
                # as the script of an extension would: this one comes with every server
                'ALTER EXTENSION plpgsql ADD TABLE "Odd rates"',
                "SET allow_system_table_mods = on; UPDATE pg_extension SET extconfig ="
                " ARRAY['\"Odd rates\"'::regclass::oid], extcondition = ARRAY['WHERE i > 1']"
                " WHERE extname = 'plpgsql'",
            ),
            marked=marked,
        )
        for severity, marked in ((NOTE, None), (DEGRADES, (*UNDER_WAY, Step.COPIED, Step.INDEXED)))
    ),
    *(
        Case(
            check="extension_members",
            severity=severity,
            object=object_,
            here=(
                'CREATE TABLE "Odd rates" (i int)',
                'INSERT INTO "Odd rates" VALUES (1)',
                "CREATE AGGREGATE most(int) (SFUNC = int4larger, STYPE = int)",
                # as the script of an extension, or a person, would
                'ALTER EXTENSION plpgsql ADD TABLE "Odd rates"',
                "ALTER EXTENSION plpgsql ADD AGGREGATE most(int)",
                *more,
            ),
            marked=UNDER_WAY,
            mend_here=mend_here,
            says=says,
        )
        for severity, object_, more, mend_here, says in (
            (
                DEGRADES,
                'TABLE public."Odd rates"',
                ("ALTER EXTENSION plpgsql DROP AGGREGATE most(int)",),
                'ALTER EXTENSION plpgsql DROP TABLE public."Odd rates";',
                "",
            ),
            (
                DEGRADES,
                "AGGREGATE public.most(integer)",
                ('ALTER EXTENSION plpgsql DROP TABLE "Odd rates"',),
                "ALTER EXTENSION plpgsql DROP AGGREGATE public.most(integer);",
                "",
            ),
            (NOTE, "extension plpgsql", (_OTHER_VERSION,), "", "DROP AGGREGATE"),
            # a table is missed with any version
            (DEGRADES, 'TABLE public."Odd rates"', (_OTHER_VERSION,), "", "DROP TABLE"),
        )
    ),
    Case(
        check="md5_passwords",
        severity=NOTE,
        object='role "Old"',
        here=("SET password_encryption = 'md5'; CREATE ROLE \"Old\" LOGIN PASSWORD 'x'",),
    ),
    Case(
        check="security_labels",
        severity=NOTE,
        object="provider masks",
        here=("CREATE TABLE t (i int PRIMARY KEY)", label_of("pg_class", "'t'::regclass")),
    ),
    *(
        Case(
            check="security_labels",
            severity=severity,
            object=f"{kind} ",
            here=('CREATE ROLE "Odd"', label_of(catalog, found)),
            marked=marked,
        )
        for severity, marked in ((NOTE, None), (DEGRADES, UNDER_WAY))
        for kind, catalog, found in (
            ("role", "pg_authid", "'\"Odd\"'::regrole"),
            ("database", "pg_database", DATABASE_OID),
        )
    ),
    Case(
        check="security_labels",
        severity=NOTE,
        object='role "Odd"',
        here=('CREATE ROLE "Odd" LOGIN', label_of("pg_authid", "'\"Odd\"'::regrole")),
        there=('CREATE ROLE "Odd" NOLOGIN',),
        daemon={f"{MAPPING}ROLE_CONFLICTS": "skip"},
        marked=UNDER_WAY,
    ),
    Case(
        check="compression",
        severity=BLOCKS,
        object="compression lz4",
        here=(
            "CREATE TABLE t (i int PRIMARY KEY, t text)",
            # the source may have been built without it
            "SET allow_system_table_mods = on; UPDATE pg_attribute SET attcompression = 'l'"
            " WHERE attrelid = 't'::regclass AND attname = 't'",
        ),
    ),
    Case(
        check="archiving",
        severity=NOTE,
        object="archive_command",
        here_settings={"archive_mode": "on", "archive_command": "false"},
        here=("SELECT txid_current()", "SELECT pg_switch_wal()"),
    ),
    *(
        Case(
            check="locales",
            severity=BLOCKS,
            object="collation public.german",
            here_release=release,
            here=(
                "CREATE COLLATION german (provider = icu, locale = 'de')",
                "CREATE TABLE t (i int PRIMARY KEY, t text COLLATE german)",
            ),
        )
        for release in COMPLETE_BUILDS
    ),
    Case(
        check="locales",
        severity=NOTE,
        object="collation public.x",
        here=(
            "CREATE COLLATION x (provider = libc, locale = 'C')",
            "CREATE TABLE t (i int PRIMARY KEY, t text COLLATE x)",
            # the source may run where there is no such locale either
            "SET allow_system_table_mods = on; UPDATE pg_collation SET collcollate = 'xx_XX.UTF-8',"
            " collctype = 'xx_XX.UTF-8' WHERE collname = 'x'",
        ),
    ),
    *(
        Case(
            check="collation_versions",
            severity=NOTE,
            object='collation public."Old" on the source',
            here_release=release,
            here=(
                "CREATE COLLATION \"Old\" (provider = icu, locale = 'de', version = '1')",
                'CREATE TABLE t (i int PRIMARY KEY, t text COLLATE "Old")',
            ),
        )
        for release in COMPLETE_BUILDS
    ),
    Case(
        check="collation_versions",
        severity=NOTE,
        object="collation public.x",
        simulated={
            "source.conditions.collations": _collation("i:de", "1", "1"),
            "destination.conditions.available_collations": _collation("i:de", "", "2"),
        },
    ),
    *(
        Case(
            check="leaf_partitions",
            severity=DEGRADES,
            object='table "public"."leaf"',
            here=(
                "CREATE TYPE mood AS ENUM ('sad', 'happy')",
                "CREATE DOMAIN moods AS mood[]",
                f"CREATE TABLE root (m {kind} PRIMARY KEY) PARTITION BY {key}",
                leaf,
            ),
        )
        for kind, key, leaf in (
            (
                "mood",
                "HASH (m)",
                "CREATE TABLE leaf PARTITION OF root FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            ),
            (
                "moods",
                "HASH (m)",
                "CREATE TABLE leaf PARTITION OF root FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            ),
            ("regclass", "RANGE (m)", "CREATE TABLE leaf PARTITION OF root DEFAULT"),
        )
    ),
    Case(
        check="leaf_partitions",
        severity=DEGRADES,
        object='table "public"."leaf"',
        here=(
            "CREATE TABLE root (t text PRIMARY KEY) PARTITION BY RANGE (t)",
            "CREATE TABLE leaf PARTITION OF root DEFAULT",
        ),
        simulated={
            "source.tables.0.partition_collations": ("i:de",),
            "source.conditions.collations": _collation("i:de", "1", "1"),
            "destination.conditions.available_collations": _collation("i:de", "", "2"),
        },
    ),
)

TABLES = (
    *(
        Case(
            check="replica_identity",
            severity=DEGRADES,
            object='table "public"."t"',
            here=tuple(statements),
        )
        for statements in (
            ["CREATE TABLE t (i int)"],
            ["CREATE TABLE t (i int PRIMARY KEY DEFERRABLE)"],
            ["CREATE TABLE t (i int PRIMARY KEY)", "ALTER TABLE t REPLICA IDENTITY NOTHING"],
            [
                "CREATE TABLE t (i int NOT NULL)",
                "CREATE UNIQUE INDEX u ON t (i)",
                "ALTER TABLE t REPLICA IDENTITY USING INDEX u",
                "DROP INDEX u",
            ],
            ["CREATE TABLE t (i int, j json)", "ALTER TABLE t REPLICA IDENTITY FULL"],
            ["CREATE TABLE t (i int, g int GENERATED ALWAYS AS (i * 2) STORED PRIMARY KEY)"],
        )
    ),
    Case(
        check="replica_identity",
        severity=NOTE,
        object='table "public"."t"',
        here=("CREATE TABLE t (i int)",),
        daemon={f"{MAPPING}TABLES_WITHOUT_IDENTITY": "exclude"},
    ),
    Case(
        check="large_objects",
        severity=DEGRADES,
        object="{database}",
        here=("SELECT lo_create(0)",),
    ),
    Case(
        check="unlogged_tables",
        severity=NOTE,
        object="table ",
        here=("CREATE UNLOGGED TABLE t (i int PRIMARY KEY)",),
    ),
    Case(
        check="unlogged_tables",
        severity=DEGRADES,
        object="table ",
        here=("CREATE UNLOGGED TABLE t (i int PRIMARY KEY)", "INSERT INTO t VALUES (1)"),
    ),
)

CASES: tuple[Case, ...] = (*SERVERS, *DATABASES, *CONDITIONS, *TABLES)
