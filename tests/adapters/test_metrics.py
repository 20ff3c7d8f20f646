"""The metrics: names and help stay as they are, for dashboards and alerts stand on them."""

from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from adapters.figures import Figures, Stand, Valuing
from adapters.metrics import ABOUT_BOOK, ABOUT_PROCESS, Sample, exposed, registry_of, samples_of
from adapters.rebuild_progress import Rebuilding
from adapters.relay_metrics import ABOUT_PUBLISHING, ABOUT_RELAY

ALL = {**ABOUT_PROCESS, **ABOUT_BOOK, **ABOUT_RELAY, **ABOUT_PUBLISHING}
FROZEN = Path(__file__).parent / "metrics.txt"
"""Every metric by name, labels and help. To add one is fine; who changes one breaks somebody's alert."""
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
FIGURES = Figures(
    AT,
    70,
    [Stand("audit_trail", 40, 30, 12.5, 41), Stand("ledger", 70, 0, 0.0, None)],
    Rebuilding("ledger", "facts", 500, 2_000, AT),
    [Valuing("cut", 60, 10, True, False, 100, 100)],
)
UNITS = ("_info", "_waiting", "_up", "_position", "_positions", "_facts", "_lines", "_events", "_seconds", "_total",
         "_poison", "_running", "_standing", "_stopped", "_leading", "_epoch", "_state", "_bytes", "_fds")  # fmt: skip


def told(figures: Figures = FIGURES, accepted: str = "") -> str:
    process = [Sample("trailbook_waiting", ('room "on" its\ndisk',), 1)]
    registry = registry_of({**ABOUT_PROCESS, **ABOUT_BOOK}, lambda: [*process, *samples_of(figures)])
    return exposed(registry, accepted)[0].decode()


def test_the_names_labels_and_help_of_the_metrics_are_frozen() -> None:
    lines = [f"{name}{{{','.join(of.labels)}}} {of.help}" for name, of in sorted(ALL.items())]
    assert lines == FROZEN.read_text(encoding="utf-8").splitlines()


def test_every_name_ends_with_its_unit_or_with_what_is_true_of_it() -> None:
    for name in ALL:
        assert name.startswith("trailbook_")
        assert name.endswith(UNITS), name


def test_the_official_parsers_read_what_is_exposed() -> None:
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(told())
        for sample in family.samples
    }
    assert values["trailbook_waiting", 'room "on" its\ndisk'] == 1
    assert values["trailbook_log_position",] == 70
    assert values["trailbook_database_read_timestamp_seconds",] == AT.timestamp()
    assert values["trailbook_projection_lag_events", "audit_trail"] == 30
    assert values["trailbook_projection_lag_seconds", "audit_trail"] == 12.5
    assert values["trailbook_projection_poison", "audit_trail"] == 1
    assert values["trailbook_projection_poison_position", "audit_trail"] == 41
    assert values["trailbook_projection_poison", "ledger"] == 0
    assert values["trailbook_projection_poison_position", "ledger"] == 0
    assert values["trailbook_rebuild_running", "ledger"] == 1
    assert values["trailbook_rebuild_reached_facts", "ledger"] == 500
    assert values["trailbook_rebuild_wanted_facts", "ledger"] == 2_000
    assert ("trailbook_rebuild_reached_positions", "ledger") not in values
    assert values["trailbook_valuation_standing", "cut"] == 1
    assert values["process_cpu_seconds_total",] > 0

    openmetrics = told(accepted="application/openmetrics-text; version=1.0.0")
    assert openmetrics.endswith("# EOF\n")
    parsed = openmetrics_parser.text_string_to_metric_families(openmetrics)  # type: ignore[no-untyped-call]
    families = {family.name for family in parsed}
    assert {*ABOUT_PROCESS, *ABOUT_BOOK} <= families
