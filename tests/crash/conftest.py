"""Says at the end how often each stage was really hit."""

from crash_runs import HITS


def pytest_terminal_summary(terminalreporter):
    for kind, hits in HITS.items():
        terminalreporter.write_line(f"{kind}: " + ", ".join(f"{name} {n}" for name, n in sorted(hits.items())))
