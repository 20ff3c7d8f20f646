"""``deploy/``: what compose.yml, the image and its packages promise, looked at without Docker."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from shutil import copy
from threading import Thread
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from adapters.database import ROLES
from adapters.metrics import ABOUT_BOOK, ABOUT_PROCESS
from adapters.relay_metrics import ABOUT_RELAY
from adapters.settings import Settings
from services.cli import app
from tests.deployment import COMPOSE, DEPLOY, SERVICES, TOP, environment, granted, ours

ONCE = {"init", "topics", "desk", "query"}
"""Services that end when they are done: they are awaited by their exit code, or called by a person."""

IMAGE = re.compile(r"[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z]+)?")
"""A name with at least a minor version: the same image tomorrow."""

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


class Asked(dict[str, str]):
    """An empty environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def known_settings() -> set[str]:
    asked = Asked()
    Settings.from_environment(asked)
    return asked.names


# -- each container


@each_service
def test_an_image_is_pinned(name: str) -> None:
    assert IMAGE.fullmatch(SERVICES[name]["image"])


@each_service
def test_nobody_is_root_and_nobody_can_become_it(name: str) -> None:
    service = SERVICES[name]
    uid, gid = map(int, service["user"].split(":"))
    assert uid > 0
    assert gid > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service


@each_service
def test_the_file_system_is_read_only_and_memory_processes_and_logs_have_an_end(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


@each_service
def test_what_goes_on_tells_its_health_and_starts_again_and_the_others_end(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert "healthcheck" not in service
        assert service["restart"] == "no"  # `up` would wait for ever for what fails and is started again
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@each_service
def test_what_is_waited_for_can_be_waited_for(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if needed in ONCE else "service_healthy"
        assert how == {"condition": expected}


def must_be_a_command(words: Iterable[str]) -> None:
    """Of the program, with options that it has."""
    command = typer.main.get_command(app)
    for word in words:
        if word.startswith("-"):
            options = {text for parameter in command.params for text in parameter.opts}
            assert word.partition("=")[0] in options, word
        elif hasattr(command, "commands"):
            command = command.commands[word]


@pytest.mark.parametrize("name", ours())
def test_what_is_run_is_a_command_of_the_program(name: str) -> None:
    must_be_a_command(SERVICES[name].get("command", []))


def test_what_goes_on_is_asked_where_it_answers() -> None:
    assert "COPY deploy/ask.py /opt/trailbook/ask.py" in DOCKERFILE
    for name in set(ours()) - ONCE:
        assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "python", "/opt/trailbook/ask.py", "readyz"]
        assert environment(name)["TRAILBOOK_HTTP_PORT"].isdigit()


class Answers(BaseHTTPRequestHandler):
    """A process that is ready, and whose other pages say what is missing."""

    def do_GET(self) -> None:
        ready = self.path == "/readyz"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"ready\n" if ready else b"waiting for the server\n")

    def log_message(self, *_: object) -> None:
        pass


def test_a_health_check_ends_as_the_process_is_and_shows_what_it_says() -> None:
    def ask(*page: str) -> tuple[int, str]:
        there = {"TRAILBOOK_HTTP_PORT": str(server.server_port), "PATH": os.environ["PATH"]}
        command = [sys.executable, str(DEPLOY / "ask.py"), *page]
        asked = subprocess.run(command, env=there, capture_output=True, text=True, check=False, timeout=20)
        return asked.returncode, asked.stdout + asked.stderr

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert ask() == (0, "ready\n")
        assert ask("healthz") == (1, "waiting for the server\n")
        server.shutdown()
    code, said = ask()
    assert (code, said.splitlines()[-1].partition(":")[0]) == (1, "the process does not answer")


# -- settings and passwords


@each_service
def test_a_setting_of_ours_is_one_that_the_program_reads(name: str) -> None:
    unknown = {v for v in environment(name) if v.startswith("TRAILBOOK_")} - known_settings()
    assert not unknown


def test_what_compose_takes_from_outside_is_a_setting_of_the_program() -> None:
    text = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"\$\{?(\w+)", text)) <= known_settings()


@each_service
def test_no_password_stands_in_the_environment(name: str) -> None:
    """Whoever may ask Docker what it runs would read it there."""
    secrets = SERVICES[name].get("secrets", [])
    for variable, value in environment(name).items():
        if "PASSWORD" in variable:
            assert variable.endswith("_FILE"), variable
            assert value.removeprefix("/run/secrets/") in secrets, variable
        assert not re.search(r"://[^/@]*:[^/@]*@|password=", value), variable


@pytest.mark.parametrize("name", ours())
def test_a_service_has_its_own_login_and_only_its_own_password(name: str) -> None:
    variables = environment(name)
    url = variables.get("TRAILBOOK_DATABASE_URL")
    if url is None:
        assert "secrets" not in SERVICES[name]
        return
    login = "owner" if name == "init" else name
    assert url == f"postgresql://{login}@postgres/{environment('postgres')['POSTGRES_DB']}"
    assert variables["TRAILBOOK_DATABASE_PASSWORD_FILE"] == f"/run/secrets/{login}"
    assert SERVICES[name]["secrets"] == [login]


def test_every_login_is_made_has_a_password_and_is_let_act() -> None:
    made = re.search(r"for LOGIN in (.*); do", (DEPLOY / "postgres" / "logins.sh").read_text())
    passwords = re.search(r"for name in (.*); do", (DEPLOY / "secrets.sh").read_text())
    assert made is not None
    assert passwords is not None
    logins = {"owner", *granted()}
    assert set(made[1].split()) == logins
    assert set(passwords[1].split()) == {"postgres", *logins} == set(COMPOSE["secrets"])
    assert {"postgres", *logins} == set(SERVICES["postgres"]["secrets"])
    assert {role for roles in granted().values() for role in roles} == set(ROLES)


def test_passwords_are_made_once_and_made_anew_in_the_same_file(tmp_path: Path) -> None:
    """A container sees the file that it was given, not one that came in its place."""
    script = Path(copy(DEPLOY / "secrets.sh", tmp_path))
    folder = tmp_path / "secrets"

    def passwords(*arguments: str) -> dict[str, str]:
        subprocess.run([script, *arguments], check=True, capture_output=True, timeout=20)
        return {file.name: file.read_text() for file in folder.iterdir()}

    first = passwords()
    assert set(first) == set(COMPOSE["secrets"])
    assert all(re.fullmatch(r"[0-9a-f]{48}\n", password) for password in first.values())
    assert len(set(first.values())) == len(first)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    assert passwords() == first

    inode = (folder / "relay").stat().st_ino
    second = passwords("new", "relay")
    assert {name for name in first if first[name] != second[name]} == {"relay"}
    assert (folder / "relay").stat().st_ino == inode
    assert subprocess.run([script, "new", "nobody"], capture_output=True, check=False, timeout=20).returncode == 1


# -- the broker


def test_the_broker_calls_itself_where_only_it_is() -> None:
    """Under the clients' address, which may not lead back into the container, every transaction would fail."""
    kafka = environment("kafka")
    own = kafka["KAFKA_INTER_BROKER_LISTENER_NAME"]
    advertised = dict(re.findall(r"(\w+)://([^,]+)", kafka["KAFKA_ADVERTISED_LISTENERS"]))
    listening = dict(re.findall(r"(\w+)://([^,]+)", kafka["KAFKA_LISTENERS"]))
    place = advertised.pop(own)
    assert place == listening.pop(own)
    assert {place.partition(":")[0], listening.pop("CONTROLLER").partition(":")[0]} == {"127.0.0.1"}
    assert set(advertised) == set(listening)
    assert environment("relay")["TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS"] in advertised.values()
    asked = (DEPLOY / "kafka" / "answers.sh").read_text(encoding="utf-8")
    assert f"/dev/tcp/{place.replace(':', '/')}\n" in asked


def test_data_is_on_volumes() -> None:
    mounted = {v.partition(":")[2] for name in ("postgres", "kafka") for v in SERVICES[name]["volumes"]}
    assert environment("kafka")["KAFKA_LOG_DIRS"] in mounted
    assert "/var/lib/postgresql" in mounted  # where the image of PostgreSQL 18 keeps its cluster
    assert set(COMPOSE["volumes"]) == {"postgres-data", "kafka-data"}


def test_nothing_is_open_to_other_machines_and_the_database_to_nothing_outside() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["database"]


# -- the runbook

RUNBOOK = (DEPLOY / "runbook.md").read_text(encoding="utf-8")


def test_the_runbook_names_services_commands_and_metrics_that_there_are() -> None:
    commands = re.findall(r"docker compose ([^`\n]+)", RUNBOOK)
    runs = [shlex.split(command) for command in commands if command.startswith("run ")]
    assert len(runs) > 5
    for _, _, _, service, *words in runs:
        assert service in SERVICES
        must_be_a_command(words)
    for command in commands:
        verb, *words = shlex.split(command)
        named = {word for word in words if word in SERVICES}
        if verb in ("exec", "restart", "stop"):
            assert named, command
    known = {*ABOUT_PROCESS, *ABOUT_BOOK, *ABOUT_RELAY}
    objects = {"trailbook_watch", "trailbook_postgres"}  # a network, and the beginning of a volume's name
    assert set(re.findall(r"trailbook_\w+", RUNBOOK)) - objects <= known


def test_the_runbook_leads_where_it_says() -> None:
    def anchor(title: str) -> str:
        return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")

    anchors = {anchor(title) for title in re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors


# -- the image


def test_the_image_is_made_of_pinned_ones_and_of_all_rooms_and_runs_as_nobody() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(IMAGE.fullmatch(base.replace("-slim", "")) for base in bases)
    copied = set(re.findall(r"^COPY (\w+) /opt", DOCKERFILE, re.MULTILINE))
    assert copied == set(pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    user = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)[-1]
    assert {SERVICES[name]["user"] for name in ours()} == {user}
    assert {SERVICES[name]["image"] for name in ours()} == {f"trailbook:{pyproject()['project']['version']}"}


def test_only_what_the_image_is_made_of_is_sent_to_the_builder() -> None:
    admitted = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    from_here = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {path for line in from_here for path in line.split()} == admitted


# -- the packages

REFRESH = (
    "uv pip compile pyproject.toml --group dev --python-version 3.11 --python-platform linux "
    "--no-annotate --no-header --no-emit-index-url --output-file deploy/requirements.txt"
)
"""Adds what is missing and takes out what is not needed; with --upgrade it pins the newest of all."""


def pyproject() -> dict[str, Any]:
    return tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))


def pinned() -> dict[str, Version]:
    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.partition(" ;")[0].split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def stated() -> Iterator[Requirement]:
    project = pyproject()
    yield from map(Requirement, [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]])


def needed(pins: Mapping[str, Version]) -> set[str]:
    """What is stated with what that needs: as far as a package is here in its pinned version, which can tell."""
    seen: set[tuple[str, frozenset[str]]] = set()
    ahead = [*stated()]
    while ahead:
        requirement = ahead.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            here = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if pins.get(name) == Version(here.version):
            ahead += [of for of in map(Requirement, here.requires or ()) if applies(of, extras)]
    return {name for name, _ in seen}


def applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def lagging(pins: Mapping[str, Version]) -> list[str]:
    """What is not pinned, or otherwise than pyproject.toml allows."""
    missing = needed(pins) - pins.keys()
    versions = {canonicalize_name(r.name): r.specifier for r in stated()}
    return sorted(missing | {name for name, allowed in versions.items() if name in pins and pins[name] not in allowed})


def test_every_package_that_is_needed_is_pinned_as_pyproject_allows() -> None:
    assert not lagging(pinned()), f"deploy/requirements.txt lags; run: {REFRESH}"


def test_what_lags_is_found() -> None:
    pins = pinned() | {"typer": Version("0.1")}
    del pins["kafka-python"], pins["pydantic-core"]
    assert lagging(pins) == ["kafka-python", "pydantic-core", "typer"]
