"""Rating release 1: a cell's facts in, items with shares and reasons out.

Published sources of its rules: precedence (RPM, example M02; OCA, O02), override of the received commission (M03), of
the downline's share (M08), by level (M04), differential with compression (analyst scenario S07), negative lines
mirrored (C11), clawback in part (C07). Every payee's exact figure is rounded half away from zero on its own and the
house takes what is left; only a flat amount that several agents of record divide by weight goes by largest remainder.

Every pay is linear in one base, so a plan's rules are first compiled to coefficients, once for all lines that share
product and service in a season (months in which nothing dated begins or ends), and then multiplied.
"""

from domain.rating.release_1.items import (
    moved,
    paid_at_once,
    part_by_part,
    parts_of,
    rate,
    service_named,
    waiting_for_service,
)
from domain.rating.release_1.shares import (
    HOUSE,
    HOUSE_ROLE,
    SUSPENSE,
    SUSPENSE_ROLE,
    Coefficient,
    Item,
    Share,
    Terms,
    TermsCache,
    Zero,
    agent_payee,
)
from domain.rating.release_1.terms import terms

__all__ = [
    "HOUSE",
    "HOUSE_ROLE",
    "SUSPENSE",
    "SUSPENSE_ROLE",
    "Coefficient",
    "Item",
    "Share",
    "Terms",
    "TermsCache",
    "Zero",
    "agent_payee",
    "moved",
    "paid_at_once",
    "part_by_part",
    "parts_of",
    "rate",
    "service_named",
    "terms",
    "waiting_for_service",
]
