"""What all tests share: skips are failures where CI forbids them, and root tests say why they were left out."""

from __future__ import annotations

import os

import pytest

FORBIDDEN = os.environ.get("AZEKURA_FORBID_SKIPS") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``root`` need root; a user's run leaves them out and says so."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root") is not None or item.get_closest_marker("interop") is not None:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test is a failure on a machine that has all the tests need."""
    del exitstatus
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if FORBIDDEN and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a forbidden skip means."""
    skipped = terminalreporter.stats.get("skipped", [])
    if FORBIDDEN and skipped:
        terminalreporter.write_line(
            f"{len(skipped)} test(s) were skipped, which AZEKURA_FORBID_SKIPS=1 forbids", red=True
        )
