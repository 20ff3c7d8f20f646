"""How moves of lines from account to account are told."""

from typing import assert_never

from domain.ids import account_stream, statement_stream, suspense_stream, vendor_stream
from domain.line_move import LineMoveApproved, LineMoveEvent, LineMoveProposed, LineMoveRejected
from projections.audit_trail.words import Writer, free_text, listed


def tell(event: LineMoveEvent, to: Writer) -> None:
    lines = listed([str(line) for line in event.lines], "line")
    what = f"{'lines' if len(event.lines) > 1 else 'line'} {lines} of statement {event.statement} of {event.vendor}"
    accounts = [event.from_account]
    numbers: list[str] = []
    match event:
        case LineMoveProposed() | LineMoveApproved():
            accounts += [event.to_account] if event.to_account else []
            numbers += [suspense_stream(event.vendor, event.number)] if event.number else []
            because = free_text(event.moved_because)
            if isinstance(event, LineMoveProposed):
                sentence = f"A move of {what} {_ways(event)} was proposed: {because}."
            else:
                were = "were" if len(event.lines) > 1 else "was"
                sentence = f"{what[0].upper()}{what[1:]} {were} moved {_ways(event)}: {because}."
        case LineMoveRejected():
            sentence = f"The proposed move of {what} was rejected: {free_text(event.rejected_because)}."
        case _:
            assert_never(event)
    streams = [account_stream(account) for account in dict.fromkeys(accounts)]
    deals = [deal for stream in streams for deal in to.deals_of(stream)]
    statement = statement_stream(event.vendor, event.statement)
    to.tell(sentence, *streams, *numbers, statement, vendor_stream(event.vendor), *deals)


def _ways(event: LineMoveProposed | LineMoveApproved) -> str:
    left = f"from account {event.from_account}"
    month = f"; lines without a service month belong to {event.service_month}" if event.service_month else ""
    if event.to_account is None:
        return f"{left} back into suspense under number {event.number}{month}"
    service = f"service {event.service} of " if event.service else ""
    return f"{left} to {service}account {event.to_account}{month}"
