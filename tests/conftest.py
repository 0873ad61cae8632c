"""Loads the fixture plugins: see tests/fixtures."""

pytest_plugins = [
    "tests.fixtures.options",
    "tests.fixtures.servers",
    "tests.fixtures.databases",
    "tests.fixtures.proxy",
    "tests.fixtures.daemon",
    "tests.fixtures.prometheus",
]
