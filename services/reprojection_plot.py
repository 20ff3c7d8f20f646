"""Plots as inline SVG: bars of who gains and who loses, columns of months.

All coordinates are whole numbers, so that the same figures give the same bytes. Nothing is told by colour alone: a gain
is filled and points right or up, a loss is hatched and points left or down, and every payee's bar carries its signed
amount.
"""

from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from domain.months import number, text

WIDTH = 960
SHOWN = 12
"""How many bars stand on either side before the rest becomes one."""
BAR, GAP = 18, 8
NAMES, AMOUNTS = 190, 110
MONTHS = 36
FEW_MONTHS = 12
"""So many have room for every amount; of more, the largest gain and the largest loss carry theirs."""
HEIGHT, LABELS = 230, 34

Figure = Callable[[int], str]

HATCH = Markup(
    '<defs><pattern id="{id}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#ffffff"/><rect width="2" height="6" fill="#b4552d"/></pattern></defs>'
)
GAIN, LOSS = Markup('fill="#1d6f5c"'), Markup('fill="url(#{})" stroke="#b4552d" stroke-width="1"')


def horizontal_bars(payees: Sequence[tuple[str, int]], currency: str, figure: Figure) -> Markup:
    """One bar a payee, the largest gain on top; of many, the ends and what is between them as one."""
    bars, hatch = _ends(payees), f"loss-bars-{currency}"
    largest = max((abs(amount) for _, amount in bars), default=0) or 1
    loses, gains = any(amount < 0 for _, amount in bars), any(amount > 0 for _, amount in bars)
    room = WIDTH - NAMES - AMOUNTS * (loses + gains)
    scale = room // 2 if loses and gains else room
    zero = NAMES + (AMOUNTS + scale if loses else 0)
    height = len(bars) * (BAR + GAP) + GAP
    out = [_svg(WIDTH, height, "Who gains and who loses"), HATCH.format(id=hatch)]
    for place, (name, amount) in enumerate(bars):
        top = GAP + place * (BAR + GAP)
        length = max(abs(amount) * scale // largest, 1) if amount else 0
        middle = top + BAR - 5
        out.append(Markup('<text x="0" y="{}">{}</text>').format(middle, _short(name)))
        if amount < 0:
            out.append(_rect(zero - length, top, length, BAR, hatch, f"{name} {figure(amount)}"))
            out.append(_end_text(zero - length - 6, middle, figure(amount)))
        else:
            out.append(_rect(zero, top, length, BAR, None, f"{name} {figure(amount)}"))
            out.append(Markup('<text x="{}" y="{}">{}</text>').format(zero + length + 6, middle, figure(amount)))
    out.append(_line(zero, 0, zero, height))
    out.append(Markup("</svg>"))
    return Markup("\n").join(out)


def _ends(payees: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    ordered = sorted(payees, key=lambda payee: (-payee[1], payee[0]))
    if len(ordered) <= 2 * SHOWN + 1:
        return ordered
    between = ordered[SHOWN:-SHOWN]
    return [*ordered[:SHOWN], (f"{len(between):,} others", sum(a for _, a in between)), *ordered[-SHOWN:]]


def columns(months: Sequence[tuple[str, int, int, bool]], currency: str, figure: Figure) -> Markup:
    """What agents gain and lose in each month: month, gain, loss, whether some of it was paid; no gaps in time."""
    shown, hatch = _every_month(months), f"loss-columns-{currency}"
    up = max((gain for _, gain, _, _ in shown), default=0)
    down = max((-loss for _, _, loss, _ in shown), default=0)
    span = (up + down) or 1
    few = len(shown) <= FEW_MONTHS
    step = WIDTH // max(len(shown), 6)
    width = min(step * 2 // 3, 48)
    scale = HEIGHT - 2 * LABELS
    zero = LABELS + up * scale // span
    out = [_svg(WIDTH, HEIGHT + LABELS, "What agents gain and lose by service month"), HATCH.format(id=hatch)]
    for place, (month, gain, loss, paid) in enumerate(shown):
        left = place * step + (step - width) // 2
        middle = left + width // 2
        for amount in (gain, loss):
            if not amount:
                continue
            length = max(abs(amount) * scale // span, 1)
            top = zero - length if amount > 0 else zero
            out.append(_rect(left, top, width, length, hatch if amount < 0 else None, f"{month} {figure(amount)}"))
            if few or abs(amount) == (up if amount > 0 else down):
                out.append(_centred(middle, top - 5 if amount > 0 else top + length + 13, figure(amount)))
        if few or place == 0 or month.endswith(("-01", "-07")):
            out.append(_centred(middle, HEIGHT + 8, month))
        if paid:
            out.append(_centred(middle, HEIGHT + 24, "paid" if few else "●"))
    out.append(_line(0, zero, WIDTH, zero))
    out.append(Markup("</svg>"))
    return Markup("\n").join(out)


def _every_month(months: Sequence[tuple[str, int, int, bool]]) -> list[tuple[str, int, int, bool]]:
    """Months in between are shown empty; of very many, the last, with what was before as one."""
    found = {month: (gain, loss, paid) for month, gain, loss, paid in months}
    if not found:
        return []
    last = number(max(found))
    first = max(number(min(found)), last - MONTHS + 1)
    shown = [(text(no), *found.get(text(no), (0, 0, False))) for no in range(first, last + 1)]
    before = [values for month, values in found.items() if number(month) < first]
    if before:
        earlier = (sum(g for g, _, _ in before), sum(x for _, x, _ in before), any(p for _, _, p in before))
        shown.insert(0, ("earlier", *earlier))
    return shown


def _short(name: str) -> str:
    """A name that has room beside its bar, with its end: what tells two long names apart often stands there."""
    name = name.removeprefix("agent:")
    return name if len(name) <= 26 else f"{name[:16]}…{name[-9:]}"


def _svg(width: int, height: int, title: str) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-size="13" role="img" aria-label="{}">'
    ).format(width, height, title)


def _rect(x: int, y: int, width: int, height: int, hatch: str | None, title: str) -> Markup:
    fill = LOSS.format(hatch) if hatch else GAIN
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" {}><title>{}</title></rect>').format(
        x, y, width, height, fill, escape(title)
    )


def _line(x1: int, y1: int, x2: int, y2: int) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#1b1f24" stroke-width="1"/>').format(x1, y1, x2, y2)


def _end_text(x: int, y: int, words: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(x, y, words)


def _centred(x: int, y: int, words: str) -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, y, words)
