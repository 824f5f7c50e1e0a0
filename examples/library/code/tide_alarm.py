"""Ring a bell when the tide is low enough to walk to the island."""

import csv
from datetime import datetime

SAFE_LEVEL_METRES = 0.8


def next_crossing(table: str, now: datetime) -> datetime | None:
    """Find the first moment after now at which the causeway is dry."""
    with open(table, newline="") as lines:
        for row in csv.DictReader(lines):
            moment = datetime.fromisoformat(row["time"])
            if moment > now and float(row["level_m"]) < SAFE_LEVEL_METRES:
                return moment
    return None
