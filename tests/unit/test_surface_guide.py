"""The guide: its commands are whole, its names are quoted, and no secret is in it."""

import re
import subprocess
from dataclasses import replace

import pytest

from pgmigrator.core.model import Problem, Severity
from pgmigrator.core.names import TableName
from pgmigrator.core.report import OpenProblem, TableReport, TableState
from pgmigrator.surface import guide
from pgmigrator.surface.guide_facts import ConnectionTarget, GuideContext
from tests.unit.surface_samples import CONTEXT, NOW, database, mapping

EVIL = "o'b\"r `x` | $(touch /tmp/x) \\ ;\n```\n## z"


def rendered(*names: str, context: GuideContext = CONTEXT, ready: bool = True) -> str:
    found = mapping(*(database(name, ready=ready) for name in names))
    return guide.render(found, found.databases, context, NOW)


def blocks(text: str, language: str) -> list[str]:
    found = re.findall(rf"^(`{{3,}}){language}\n(.*?)\n\1$", text, re.DOTALL | re.MULTILINE)
    return [body for _, body in found]


def test_the_steps_are_numbered_and_in_order() -> None:
    headings = re.findall(r"^## (.*)$", rendered("shop"), re.MULTILINE)
    assert headings == [
        "1. Prepare, before the day",
        "2. Look at the light",
        "3. Stop the writers",
        "4. Drain",
        "5. Switch",
        "6. Point the applications to the destination",
        "7. Verify",
        "8. Complete",
        "What does not move by nature",
        "Going back",
        "When something is refused",
    ]


def test_it_shows_the_light_and_what_blocks() -> None:
    assert "**READY** at 2027-01-15T08:00:00.000Z" in rendered("shop")
    dark = rendered("shop", ready=False)
    assert "**NOT READY**" in dark
    assert "| no_conflicts is fail: no_conflicts was looked at | mend no_conflicts |" in dark
    assert "**NOT READY**" in rendered()


def test_tables_that_are_excluded_are_listed() -> None:
    left = TableReport(
        name=TableName("a|b", "nameless"),
        state=TableState.EXCLUDED,
        estimated_rows=1,
        estimated_bytes=1,
    )
    shop = database("shop", ready=True)
    found = mapping(replace(shop, tables=(*shop.tables, left)))
    text = guide.render(found, found.databases, CONTEXT, NOW)
    assert "## Tables that the settings exclude" in text
    assert '"nameless"' in text
    assert "settings exclude" not in rendered("shop")


def test_what_changes_at_the_switch_is_listed() -> None:
    held = Problem(
        check="held_triggers",
        severity=Severity.NOTE,
        object="trigger always of app.a|b",
        reason="it is held back",
        fix="nothing to do",
    )
    shop = database("shop", ready=True)
    found = mapping(replace(shop, problems=(*shop.problems, OpenProblem(problem=held, since=NOW))))
    text = guide.render(found, found.databases, CONTEXT, NOW)
    section = text.partition("## What changes at the switch")[2].partition("## ")[0]
    assert r"| shop | trigger always of app.a\|b | it is held back | nothing to do |" in section
    assert shop.problems[0].problem.reason not in section
    assert "What changes at the switch" not in rendered("shop")


def test_it_names_this_mapping_and_its_servers() -> None:
    text = rendered("shop")
    for words in (
        "pgmigrator switch orders --timeout 60 --url http://127.0.0.1:8432",
        'http://127.0.0.1:8432/cutover/orders/"$1"',
        "host=pg15.example port=5432 user=migrator dbname=shop",
        "host=pg18.example port=5433 user=app dbname=shop",
        "usename IN ('app', 'worker''s')",
        'ALTER DATABASE "shop" SET default_transaction_read_only = on;',
        'ALTER DATABASE "shop" RESET default_transaction_read_only;',
        'ALTER DATABASE "shop" CONNECTION LIMIT 0;',
        "CONNECTION LIMIT %s;', datname, datconnlimit)",
        "setting LIKE 'default_transaction_read_only=%'",
        "slot_name ~ '^pgmigrator_orders_[0-9]+_[0-9a-f]{8}$'",
        "'pgmigrator_orders', 'pgmigrator_orders_insert_only'",
        "s.setdatabase = 0 OR d.datname IN ('shop')",
        "REFRESH MATERIALIZED VIEW %I.%I;",
        "unswitch orders",
        "complete orders",
        "50.0 GB",
    ):
        assert words in text, words


def test_a_part_of_a_mapping_stays_a_part() -> None:
    whole = mapping(database("shop"), database("my books"))
    text = guide.render(whole, whole.databases[1:], CONTEXT, NOW)
    assert "pgmigrator drain orders --database 'my books'" in text
    assert '"databases": ["my books"]' in text
    assert "shop" not in text


@pytest.mark.parametrize("names", [("shop",), (EVIL, "shop"), ()])
def test_the_shell_lines_are_valid(names: tuple[str, ...]) -> None:
    found = blocks(rendered(*names), "bash")
    assert found
    for block in found:
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)


def test_hostile_names_stay_names() -> None:
    text = rendered(EVIL)
    outside = re.sub(r"^(`{3,})\w+\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "\n## z" not in outside
    assert 'ALTER DATABASE "o\'b""r `x`' in text
    assert "\\\\ ;" in text


def test_the_token_never_passes_through_arguments() -> None:
    for context in (
        CONTEXT,
        replace(CONTEXT, token_file="/run/secrets/my token"),
        replace(CONTEXT, token_configured=False),
    ):
        text = rendered("shop", context=context)
        assert "-H @-" in text
        assert not re.search(r"-H ['\"]?Authorization", text)
    assert "The verbs are off" in text
    assert "TOKEN_FILE='/run/secrets/my token'" in rendered(
        "shop", context=replace(CONTEXT, token_file="/run/secrets/my token")
    )


def test_connection_targets_have_no_room_for_passwords() -> None:
    assert not {"password", "passfile"} & set(ConnectionTarget.__dataclass_fields__)
    context = replace(CONTEXT, destination=replace(CONTEXT.destination, sslmode="verify-full"))
    assert "sslmode=verify-full" in rendered("shop", context=context)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("copy", "that they have on the source"),
        ("common", "common password of the settings until you give them others. These do: app, "),
        ("none", "give them"),
    ],
)
def test_it_says_which_passwords_hold(policy: str, words: str) -> None:
    assert words in rendered("shop", context=replace(CONTEXT, role_passwords=policy))
