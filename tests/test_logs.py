"""What the log of the program may say of a fault: never the values that it met."""

import psycopg
import pytest
from pydantic import ValidationError

from adapters.database import Database
from domain.customer import OnboardCustomer
from services.logs import shown_id, without_values


def test_given_a_value_that_does_not_fit_then_the_log_says_which_field_and_not_what_was_in_it() -> None:
    with pytest.raises(ValidationError) as wrong:
        OnboardCustomer.model_validate({"customer": "Jane Doe, 555-0100"})
    assert "Jane Doe" in str(wrong.value)
    told = without_values(str(wrong.value))
    assert "Jane" not in told
    assert "customer" in told


def test_given_a_row_that_is_refused_then_the_log_says_why_and_not_what_was_in_it(database: Database) -> None:
    with database.connect("owner") as connection:
        connection.execute("CREATE TEMPORARY TABLE note (said text CHECK (said NOT LIKE '%Jane Doe')) ON COMMIT DROP")
        with pytest.raises(psycopg.Error) as wrong:
            connection.execute("INSERT INTO note VALUES ('for\nJane Doe')")
    for reason in (str(wrong.value), " ".join(str(wrong.value).split())):
        assert "Jane" in reason
        told = without_values(reason)
        assert "Jane" not in told
        assert told.endswith('violates check constraint "note_said_check"')


def test_what_a_traceback_says_after_a_row_is_kept() -> None:
    ended = "During handling of the above exception, another exception occurred:\n\nPoison: position 3"
    assert without_values(f"CheckViolation\nDETAIL:  Failing row contains (for\n\nJane Doe).\n\n{ended}") == (
        f"CheckViolation\n\n{ended}"
    )


def test_an_id_that_holds_a_number_as_printed_is_left_out() -> None:
    assert shown_id("suspense:lumen:555-0100@3") == "left out"
    assert shown_id("due:suspense:lumen:555-0100@3:0") == "left out"
    assert shown_id("account:alder-network@3") == "account:alder-network@3"
