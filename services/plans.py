"""Plans as files: checked with their examples, compared, and proposed version by version; and how versions stand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from adapters.plan_file import LinedPlan
from domain.ids import plan_stream
from domain.message import Recorded, Refused
from domain.plan import Plan, ProposePlanVersion
from domain.words import counted
from services.house import House
from services.plan_compare import Says, changes, says
from services.plan_examples import Tried
from services.queries import NotFound

FILES = (".yaml", ".yml")


class VersionReadsOtherwise(Refused):
    """What the house has of a version is what the file says of it: a version is never edited, but followed by one."""


class VersionMissingInFile(Refused):
    """A file is a plan with all its versions."""


class ExamplesFail(Refused):
    """A plan is not proposed before its own worked examples pass."""


class Named(NamedTuple):
    """A plan or a file of one, and one of its versions where that is said: ``standard@2``, ``plans/standard.yaml``."""

    name: str
    number: int | None

    @property
    def is_file(self) -> bool:
        return self.name.lower().endswith(FILES) or "/" in self.name

    @property
    def plan(self) -> str:
        return self.name.removeprefix("plan:")


def named(text: str) -> Named:
    """What is named on the command line."""
    name, at, number = text.rpartition("@")
    return Named(name, int(number)) if at and number.isascii() and number.isdigit() else Named(text, None)


class Version(NamedTuple):
    """A version with what it is called where it stands."""

    title: str
    says: Says
    stands: str = ""
    """What was last done with it in the house; empty in a file."""


# -- in a file


def versions_in(plan: LinedPlan) -> dict[int, Version]:
    """The versions of a file by their numbers."""
    proposals = [version.proposal(plan.file.plan) for version in plan.file.versions]
    return {p.plan_version: Version(f"{_title(p)} ({plan.name})", p) for p in proposals}


def versions_of(state: Plan) -> dict[int, Version]:
    """The versions that the house has, proposed ones among them, by their numbers."""
    return {
        number: Version(_title(says(event)), says(event), _stands(state, number))
        for number, event in sorted(state.proposed.items())
    }


def _stands(state: Plan, number: int) -> str:
    return "ended" if number in state.ended else "published" if number in state.published else "proposed"


def one_of(versions: Mapping[int, Version], asked: Named) -> Version:
    """The version that is asked for, or the latest one. Raises NotFound."""
    if not versions:
        raise NotFound(f"there is no version of plan {asked.plan}; `trailbook plan list` lists all plans")
    number = max(versions) if asked.number is None else asked.number
    if number not in versions:
        raise NotFound(f"{asked.name} has no version {number}; its versions are {', '.join(map(str, versions))}")
    return versions[number]


def _title(version: Says) -> str:
    return f"version {version.plan_version} of plan {version.plan}"


# -- into the house


@dataclass(frozen=True)
class Next:
    """What of a file the house does not have: the version to propose now, and those that follow it."""

    propose: ProposePlanVersion | None
    waits: int | None
    """The version that waits for approval already."""
    later: Sequence[int]

    def told(self) -> Iterable[str]:
        """What is not proposed now, and what to do."""
        if self.propose is None and self.waits is None:
            yield "nothing to propose: the house has every version of the file"
        if self.waits is not None:
            yield f"version {self.waits} is proposed and waits for approval; publish it or withdraw it"
        if self.later:
            numbers = ", ".join(map(str, self.later))
            first = f"publish version {self.propose.plan_version}, " if self.propose else ""
            yield f"{first}then propose the file again for version{'s' * (len(self.later) > 1)} {numbers}"


def next_of(plan: LinedPlan, tried: Iterable[Tried], state: Plan, number: int | None = None) -> Next:
    """What to propose of a file. Raises ExamplesFail, VersionReadsOtherwise, VersionMissingInFile, NotFound."""
    _check_examples(plan, tried)
    in_file, in_house = versions_in(plan), versions_of(state)
    for n, (title, standing, stands) in in_house.items():
        if n not in in_file:
            raise VersionMissingInFile(f"{title} is {stands} and not in {plan.name}; add it to the file")
        if differences := changes(standing, in_file[n].says):
            instead = "write what changes as the next version" if n in state.published else "withdraw it first"
            more = f", and {counted(len(differences) - 1, 'more difference')}" if len(differences) > 1 else ""
            raise VersionReadsOtherwise(
                f"{title} is {stands} and reads otherwise at {plan.where(('versions', n - 1))}: {differences[0]}"
                f"{more}; {instead}"
            )
    if number is not None:
        wanted = one_of(in_file, Named(plan.name, number)).says
        return Next(None if number in in_house else wanted, number if _waits(state, number) else None, ())
    new = [n for n in in_file if n not in in_house]
    waits = next((n for n in in_house if _waits(state, n)), None)
    if waits is not None or not new:
        return Next(None, waits, new)
    return Next(in_file[new[0]].says, None, new[1:])


def _waits(state: Plan, number: int) -> bool:
    return number in state.proposed and number not in state.published


def _check_examples(plan: LinedPlan, tried: Iterable[Tried]) -> None:
    failed = [one for one in tried if one.failures]
    if failed:
        first = failed[0].failures[0]
        raise ExamplesFail(
            f"{counted(len(failed), 'worked example')} of {plan.name} fail{'s' if len(failed) == 1 else ''}, first at "
            f"line {first.line}: {first}; run `trailbook plan check` and mend the plan or the example"
        )


# -- how versions stand


class Standing(NamedTuple):
    """A version and what last happened to it."""

    plan: str
    plan_version: int
    state: str
    """What was last done with it: proposed, published, promoted, ended, withdrawn."""
    by: str
    position: int
    proposed_by: str
    proposed_at: int
    """The position of its proposal."""


def standings(opened: House) -> list[Standing]:
    """Every version of every plan, in order; of one that was withdrawn and proposed again, the later proposal."""
    plans = opened.queries().plans()
    return list(_standings(opened.log.load({plan_stream(plan): 0 for plan in plans})))


def _standings(history: Iterable[Recorded]) -> list[Standing]:
    found: dict[tuple[str, int], Standing] = {}
    for recorded in sorted(history, key=lambda r: r.position):
        event: Any = recorded.event
        key, state = (event.plan, event.plan_version), event.topic.removeprefix("plan.version_")
        by = recorded.envelope.actor.principal
        before = found.get(key)
        if state == "proposed" or before is None:
            found[key] = Standing(*key, state, by, recorded.position, by, recorded.position)
        else:
            found[key] = before._replace(state=state, by=by, position=recorded.position)
    return [found[key] for key in sorted(found)]
