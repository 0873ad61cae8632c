"""The linters' own tests: each finds what it is there for."""

import pytest

from tests.observability.promql import (
    careless_regexps,
    misused_counters,
    parse,
    unknown_selectors,
    uses,
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("pgmigrator_cutover_ready", []),
        ("pgmigrator_no_such_thing", ["no such metric: pgmigrator_no_such_thing"]),
        (
            'sum(rate(pgmigrator_cutover_ready{pod="x"}[5m]))',
            ["pgmigrator_cutover_ready has no label pod"],
        ),
    ],
)
def test_unknown_selectors_are_found(query: str, expected: list[str]) -> None:
    assert unknown_selectors(parse(query)) == expected


def test_misuse_of_counters_is_found() -> None:
    assert misused_counters(parse("sum(increase(pgmigrator_errors_total[$__rate_interval]))")) == []
    assert misused_counters(parse("pgmigrator_errors_total > 0"))
    assert misused_counters(parse("rate(pgmigrator_cutover_ready[5m])"))


def test_needless_regexps_are_found() -> None:
    assert careless_regexps(parse('up{job=~"a|b",instance=~"$instance"}')) == []
    assert careless_regexps(parse('up{job=~"a"}')) == ["job=~'a'"]
    assert careless_regexps(parse('up{job=~"^a.*"}'))


def test_selectors_are_found_wherever_they_stand() -> None:
    query = "max by (a) (x{l='1'} * on (a) (time() - y)) + clamp_min(increase(z_total[1m]), 1)"
    assert [(use.metric, use.function) for use in uses(parse(query))] == [
        ("x", ""),
        ("y", ""),
        ("z_total", "increase"),
    ]
