"""What programs over regions write that the dialect does not have, and what to write instead."""

from __future__ import annotations

from dsl.patches.declared import LIST, NOTHING, NUMBER, PICTURE, REGION, TEXT

A_SORT = {
    "Region": "a region", "Picture": "a picture", "Film": "a film", "Text": "a text", "Number": "a number",
    "Bool": "a truth value", "Nothing": "None", "List": "a list", "Set": "a set", "Dict": "a dict", "Tuple": "a tuple",
    "Function": "a function", "Any": "any value",
}  # fmt: skip

INSTEAD = {
    "score": "ask a region: image_patch.verify_property(…) or image_patch.exists(…)",
    "query": "ask a region: image_patch.simple_query(…)",
    "describe": "ask a region: patch.simple_query(…)",
    "iota": "take a region: image_patch.find(…)[0]",
    "the": "take a region: image_patch.find(…)[0]",
    "point": "return the region itself",
    "count": "count a list: len(image_patch.find(…))",
    "exists": "ask a region: image_patch.exists(…)",
    "equal": "write a == b",
    "greater_than": "write a > b",
    "less_than": "write a < b",
    "and_": "write a and b",
    "or_": "write a or b",
    "not_": "write not a",
    "next": "take the first item: [p for p in patches if …][0]",
}
"""Names of the other dialects → what this one has instead."""

FREE = frozenset(
    ("type", "property", "id", "input", "file", "format", "hash", "help", "iter", "filter", "map", "bytes")
)
"""Names of Python's built-ins that programs like to call their variables: here they are names like any other."""

_SIDES = "compare centres: a.horizontal_center < b.horizontal_center"
_OVERLAP = "write a.overlaps_with(b.left, b.lower, b.right, b.upper)"
_INVENTED = {
    "shape": "write .width and .height",
    "size": "write .width and .height",
    "area": "write patch.width * patch.height",
    "box": "write .left, .lower, .right and .upper",
    "bbox": "write .left, .lower, .right and .upper",
    "top": "write .upper",
    "bottom": "write .lower",
    "x": "write .horizontal_center",
    "y": "write .vertical_center",
    "center": "write .horizontal_center and .vertical_center",
    "center_x": "write .horizontal_center",
    "center_y": "write .vertical_center",
    "lower_center": "write .vertical_center or .lower",
    "upper_center": "write .vertical_center or .upper",
    "image": "write .cropped_image, or use the region itself",
    "distance": "write distance(a, b)",
    "distance_to": "write distance(a, b)",
    "is_left_of": _SIDES,
    "is_right_of": _SIDES,
    "contains": 'ask the region: patch.exists("…")',
    "intersects": _OVERLAP,
    "intersection": _OVERLAP,
    "overlaps": _OVERLAP,
    "bounding_box_overlaps_with": _OVERLAP,
    "depth": "write patch.compute_depth()",
    "query": "write patch.simple_query(…)",
    "find_in_image": "write image_patch.find(…)",
    "sorted": "write sorted(items, key=lambda p: …)",
    "filter": "use a comprehension: [p for p in patches if …]",
    "map": "use a comprehension: [f(p) for p in patches]",
}

ARGUMENTS = {
    "overlaps_with": "give the other region's edges: a.overlaps_with(b.left, b.lower, b.right, b.upper)",
    "distance": "give it two regions: distance(a, b)",
}
"""Functions whose arguments are often others → how they are meant."""


def instead(name: str) -> str:
    """Return what to write instead of an attribute or method that there is not; ``""`` if nothing is near."""
    return _INVENTED.get(name, "")


def asking(name: str) -> str:
    """Return how to ask a region for what an invented name says."""
    return f'ask a region: patch.simple_query("{" ".join(name.split("_"))}?")'


def given_instead(sort: str, meant: tuple[str, ...]) -> str:
    """Return how to mend an argument of another sort than is meant."""
    if sort == LIST and meant[0] in (REGION, TEXT):
        return "take one of its items: [0], or a loop"
    if sort == REGION and meant[0] == TEXT:
        return "write the words themselves, as a text"
    if sort == REGION and meant[0] == LIST:
        return "put it in a list: [patch]"
    if sort == REGION and meant[0] == NUMBER:
        return "give a number of it, such as .left"
    if sort == TEXT and meant[0] in (REGION, PICTURE):
        return "find the region first: image_patch.find(…)[0]; a text is no picture"
    if sort == TEXT and meant[0] == LIST:
        return 'put it in a list: ["…"]'
    if sort == NOTHING:
        return "give it a value"
    return "give what its place is for"
