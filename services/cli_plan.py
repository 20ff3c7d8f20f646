"""``trailbook plan``: commission rules as files that are read aloud, checked by their own examples, and published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.plan_file import LinedPlan, as_yaml, read_plan
from domain.ids import RECIPE, plan_stream
from domain.plan import PublishPlanVersion, WithdrawPlanVersion
from domain.rating import RELEASES
from domain.rating.facts import FIRST_RELEASE
from domain.words import counted
from services import plans, render
from services.cli_shared import By, Json, WrongUsage, command_of, give, opened_house
from services.plan_compare import changes, compared, told
from services.plan_examples import Tried, failures_told, not_shown, try_examples
from services.plans import Named, Version, named

plan_app = typer.Typer(
    help="Commission rules as data: checked by worked examples, compared in words, published by two persons.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(help="A plan file; `trailbook schema plan` says what may stand in it.")]
OneVersion = Annotated[str, typer.Argument(metavar="PLAN@N", help="A version of a plan, such as standard@2.")]
AVersion = Annotated[
    str, typer.Argument(help="PLAN@N, or a plan file; FILE@N for a version of it; without @N the latest one.")
]


@plan_app.command("check")
def plan_check(
    file: File,
    release: Annotated[int, typer.Option(help="The rating release that they are run under.")] = FIRST_RELEASE,
    json: Json = False,
) -> None:
    """Run a plan file's worked examples; exit code 2 where the file is at fault, 1 where an example fails."""
    if release not in RELEASES:
        raise WrongUsage(f"there is no rating release {release}; there are {', '.join(map(str, sorted(RELEASES)))}")
    plan = read_plan(file)
    tried = try_examples(plan, release)
    failed = sum(bool(one.failures) for one in tried)
    unseen = not_shown(plan, tried)
    if json:
        rows = [_tried_row(one) for one in tried]
        render.as_json({"plan": plan.file.plan, "ok": not failed, "examples": rows, "not_shown": unseen})
    else:
        _show_tried(plan, tried)
        for sentence in unseen:
            render.say(sentence)
    if failed:
        raise typer.Exit(1)


def _tried_row(tried: Tried) -> dict[str, Any]:
    failures = [failure._asdict() for failure in tried.failures]
    return {"example": tried.example, "line": tried.line, "ok": not failures, "failures": failures}


def _show_tried(plan: LinedPlan, tried: Sequence[Tried]) -> None:
    for one in tried:
        render.say(f"{'✗' if one.failures else '✓'} {one.example}")
        for line, sentence in failures_told(one.failures):
            render.say(f"    {plan.name} line {line}: {sentence}")
    passed = sum(not one.failures for one in tried)
    versions = counted(len(plan.file.versions), "version")
    render.say(f"plan {plan.file.plan}: {versions}; {passed} of {len(tried)} worked examples pass")


@plan_app.command("show")
def plan_show(
    what: Annotated[str, typer.Argument(help="PLAN, PLAN@N, or a plan file.")],
    yaml: Annotated[bool, typer.Option("--yaml", help="Print it as the beginning of a plan file.")] = False,
    json: Json = False,
) -> None:
    """Say in words what a plan pays, and to whom each version applies."""
    asked = named(what)
    versions, examples = _versions(asked)
    if asked.number is not None or not versions:
        versions = {asked.number or 0: plans.one_of(versions, asked)}
    if json:
        render.as_json(
            [version.says.model_dump(mode="json", exclude={"effective_on"}) for version in versions.values()]
        )
        return
    if yaml:
        proposals = [version.says for version in versions.values()]
        render.say(as_yaml(proposals[0].plan, proposals).rstrip())
        return
    for version in versions.values():
        render.say(f"{version.title}, {version.stands}" if version.stands else version.title)
        for sentence in told(version.says):
            render.say(f"  {sentence}")
    for example in examples if asked.number is None else ():
        render.say(f"  For example: {example}")


def _versions(asked: Named) -> tuple[dict[int, Version], list[str]]:
    """The versions of what is named, and the sentences of its examples."""
    if asked.is_file:
        plan = read_plan(Path(asked.name))
        return plans.versions_in(plan), [example.example for example in plan.file.examples]
    with opened_house() as opened:
        return plans.versions_of(opened.commands.state(plan_stream(asked.plan))), []


@plan_app.command("compare")
def plan_compare(a: AVersion, b: AVersion, json: Json = False) -> None:
    """Say in words what B changes against A, and for whom."""
    before, after = (plans.one_of(_versions(asked)[0], asked) for asked in (named(a), named(b)))
    found = changes(before.says, after.says)
    if json:
        rows = [change._asdict() for change in found]
        render.as_json({"before": before.title, "after": after.title, "changes": rows})
        return
    render.say(f"{after.title}, against {before.title}:")
    for sentence in compared(before.says, after.says):
        render.say(f"  {sentence}")


@plan_app.command("list")
def plan_list(json: Json = False) -> None:
    """Every version of every plan: who proposed it and when, and what was last done with it."""
    with opened_house() as opened:
        standings = plans.standings(opened)
        queries = opened.queries(caught_up=False)
        rows = [
            {
                **standing._asdict(),
                "proposed_on": queries.day_of(standing.proposed_at),
                "since": queries.day_of(standing.position),
            }
            for standing in standings
        ]
    if json:
        render.as_json(rows)
    elif rows:
        columns = ("plan", "plan_version", "state", "since", "by", "proposed_by", "proposed_on")
        render.rows_table(rows, columns, "plans")
    else:
        render.say("there is no plan yet; propose one with `trailbook plan propose FILE`")


@plan_app.command("propose")
def plan_propose(
    file: File,
    version: Annotated[int | None, typer.Option(min=1, help="Only this version.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose the next version of a plan file that the house does not have yet, once its worked examples pass."""
    plan = read_plan(file)
    with opened_house() as opened:
        tried = try_examples(plan, opened.commands.state(RECIPE).release)
        following = plans.next_of(plan, tried, opened.commands.state(plan_stream(plan.file.plan)), version)
    if following.propose is not None:
        give(following.propose, by, json=json)
    elif json:
        render.as_json({"do": None, "because": "; ".join(following.told())})
    if not json:
        for sentence in following.told():
            render.say(sentence)


@plan_app.command("publish")
def plan_publish(version: OneVersion, by: By = "", json: Json = False) -> None:
    """Publish a version that somebody else proposed: from then on it pays whom it applies to."""
    plan, number = _one(version)
    give(command_of(PublishPlanVersion, plan=plan, plan_version=number), by, json=json)


@plan_app.command("withdraw")
def plan_withdraw(version: OneVersion, by: By = "", json: Json = False) -> None:
    """Withdraw a version that waits for approval."""
    plan, number = _one(version)
    give(command_of(WithdrawPlanVersion, plan=plan, plan_version=number), by, json=json)


def _one(text: str) -> tuple[str, int]:
    asked = named(text)
    if asked.number is None:
        raise WrongUsage(f"{text or 'an empty argument'} names no version; write it like {asked.plan or 'standard'}@2")
    return asked.plan, asked.number
