"""What of an event is published, and what is left out because it is about a person or was written by one.

Left out by its type: an ``Actor``, and every text that no pattern holds to an id, a month or a digest: words that a
person wrote, numbers and names as a vendor printed them. A new field of text is so left out until its type says
that it is an id. What has been published cannot be taken back from its readers; what is left out can be added.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, StringConstraints

from domain.message import Actor

WHO = "who did it"
WORDS = "words that a person wrote, or a number or name as it was printed"
SIGNER = "who signed"

SIGNERS = frozenset({"Evidence.signer", "Stated.signer"})
"""Ids of parties that are persons; other parties' ids are opaque, and stay."""

OUR_TEXTS = frozenset(
    {
        "ServiceOrdered.category",  # the id of a category, from the vendor's list of products
        "ServiceAssigned.category",
        "VendorStatementReceived.file_digest",  # checked when the command came
        "VendorStatementRevised.file_digest",
    }
)
"""Texts without a pattern in an event that the command before it held to one."""

LeftOut = Mapping[str, "str | LeftOut"]
"""By a field's name in the body: why it is left out, or what of it is."""


@cache
def left_out(model: type[BaseModel]) -> LeftOut:
    """What of a model is left out, by its names in the body; no name where nothing is."""
    found: dict[str, str | LeftOut] = {}
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        leaves = list(_leaves(hints[name], held=False))
        key = field.serialization_alias or name
        if reason := _reason(f"{model.__name__}.{name}", leaves):
            found[key] = reason
            continue
        within: dict[str, str | LeftOut] = {}
        for leaf, _ in leaves:
            if issubclass(leaf, BaseModel):
                within |= left_out(leaf)
        if within:
            found[key] = within
    return found


def _leaves(annotation: Any, *, held: bool) -> Iterator[tuple[type, bool]]:
    """The classes that a type is made of; ``held`` is a text that a pattern holds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        patterns = (m.pattern for m in arguments[1:] if isinstance(m, StringConstraints))
        yield from _leaves(arguments[0], held=held or any(patterns))
    elif origin is not Literal and arguments:
        for argument in arguments:
            yield from _leaves(argument, held=held)
    elif isinstance(annotation, type):
        yield annotation, held


def _reason(field: str, leaves: list[tuple[type, bool]]) -> str | None:
    if any(issubclass(leaf, Actor) for leaf, _ in leaves):
        return WHO
    if field in SIGNERS:
        return SIGNER
    if field not in OUR_TEXTS and any(issubclass(leaf, str) and not held for leaf, held in leaves):
        return WORDS
    return None


def paths(left: LeftOut) -> Iterator[tuple[str, str]]:
    """Each field that is left out, by its path in the body, with the reason."""
    for name, reason in left.items():
        if isinstance(reason, str):
            yield name, reason
        else:
            yield from ((f"{name}.{inner}", why) for inner, why in paths(reason))


def pruned(value: Any, left: LeftOut) -> Any:
    """A value of JSON without what is left out."""
    if not left:
        return value
    if isinstance(value, list):
        return [pruned(inner, left) for inner in value]
    if not isinstance(value, dict):
        return value
    kept = dict(value)
    for name in left.keys() & kept.keys():  # of many fields few are left out
        reason = left[name]
        if isinstance(reason, str):
            del kept[name]
        else:
            kept[name] = pruned(kept[name], reason)
    return kept
