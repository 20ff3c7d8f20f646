"""What ``deploy/compose.yml`` says, read as its tests need it."""

from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parent.parent
DEPLOY = TOP / "deploy"

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def environment(service: str) -> dict[str, str]:
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def ours() -> list[str]:
    """The services that run Trailbook."""
    return [name for name, service in SERVICES.items() if service["image"].startswith("trailbook:")]


def granted() -> dict[str, set[str]]:
    """Each login that ``init`` lets act as roles, and as which."""
    logins: dict[str, set[str]] = {}
    for option in SERVICES["init"]["command"][1:]:
        role, login = option.removeprefix("--login=").split("=")
        logins.setdefault(login, set()).add(role)
    return logins
