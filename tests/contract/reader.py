"""What would break a reader of the last version: of a field that it knows, nothing changes but what is added to it.

Free are new fields, further values of an enumeration, further variants of a union by ``kind``, and a field that is now
always there: readers are told to pass over what they do not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

Schema = dict[str, Any]

HELD = (
    "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "x-unit", "x-topic",
)  # fmt: skip
"""Keywords that a reader may count on as they are; wider ones break it as narrower ones do."""
WORDS = frozenset({"title", "description"})
NOT_SENT = "x-left-out"


def breaks(earlier: Schema, later: Schema) -> list[str]:
    """What a reader of ``earlier`` would miss or misread in ``later``, each with its schema and field."""
    return [f"{earlier['title']}: {what}" for what in _breaks(earlier, later, "")]


def broken_readers(versions: Mapping[tuple[str, int], Schema]) -> list[str]:
    """What each version, by name and number, would break of a reader of the last one before it."""
    in_order = pairwise(sorted(versions))
    return [what for a, b in in_order if a[0] == b[0] for what in breaks(versions[a], versions[b])]


def without_words(node: Any) -> Any:
    """A schema without the words that may be said better."""
    if isinstance(node, dict):
        words = {key for key in WORDS if isinstance(node.get(key), str)}
        return {key: without_words(value) for key, value in node.items() if key not in words and key != NOT_SENT}
    return [without_words(value) for value in node] if isinstance(node, list) else node


def _breaks(earlier: Schema, later: Schema, path: str) -> Iterator[str]:
    field = f"`{path}`" if path else "the message"
    if _union(earlier) and _union(later):
        yield from _variants(_union(earlier), _union(later), path)
    elif _kind(earlier) != _kind(later):
        yield f"{field} was {_kind(earlier)} and is {_kind(later)}"
        return
    for keyword in HELD:
        if earlier.get(keyword) != later.get(keyword):
            yield f"{field} had {keyword} {earlier.get(keyword)} and has {later.get(keyword)}"
    before, now = _values(earlier), _values(later)
    if (before is None) != (now is None):
        yield f"{field} was {'any value' if before is None else f'one of {before}'} and is " + (
            "any value" if now is None else f"one of {now}"
        )
    if before is not None and now is not None:
        yield from (f"{field} is never {value!r} any more" for value in before if value not in now)
    if "items" in earlier or "items" in later:
        yield from _breaks(earlier.get("items", {}), later.get("items", {}), f"{path}[]")
    yield from _fields(earlier, later, path)


def _fields(earlier: Schema, later: Schema, path: str) -> Iterator[str]:
    known, present = earlier.get("properties", {}), later.get("properties", {})
    for name, field in known.items():
        inner = f"{path}.{name}".lstrip(".")
        if name not in present:
            yield f"`{inner}` is gone"
            continue
        if name in earlier.get("required", ()) and name not in later.get("required", ()):
            yield f"`{inner}` was always there and may be missing"
        yield from _breaks(field, present[name], inner)


def _variants(earlier: Sequence[Schema], later: Sequence[Schema], path: str) -> Iterator[str]:
    before, now = {_variant(v): v for v in earlier}, {_variant(v): v for v in later}
    for name, variant in before.items():
        if name in now:
            yield from _breaks(variant, now[name], f"{path}<{name}>")
        else:
            yield f"`{path}` is never {name} any more"
    yield from (f"`{path}` can be {name} too" for name, v in now.items() if name not in before and "kind" not in _of(v))


def _variant(variant: Schema) -> str:
    kind = _values(_of(variant).get("kind", {}))
    return str(kind[0]) if kind else _kind(variant)


def _of(variant: Schema) -> Schema:
    fields: Schema = variant.get("properties", {})
    return fields


def _union(node: Schema) -> Sequence[Schema]:
    return node.get("anyOf") or node.get("oneOf") or ()


def _kind(node: Schema) -> str:
    return " or ".join(_kind(inner) for inner in _union(node)) or str(node.get("type", "anything"))


def _values(node: Schema) -> list[Any] | None:
    return [node["const"]] if "const" in node else node.get("enum")
