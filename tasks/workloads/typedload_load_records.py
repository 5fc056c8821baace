"""Load the records of a web service's answer into dataclasses whose types are checked."""

from dataclasses import make_dataclass

import typedload

Point = make_dataclass("Point", [("x", int), ("y", int), ("label", str | None)])
Shape = make_dataclass("Shape", [("name", str), ("points", list[Point]), ("tags", dict[str, int]), ("size", int | str)])


def point(rng):
    """Return a point, every other time with a label."""
    return {"x": rng.randrange(10**6), "y": rng.randrange(10**6), "label": rng.choice([None, f"label-{rng.randrange(1000)}"])}


def inputs(rng):
    """Return 30 shapes of six points each."""
    return [
        {
            "name": f"shape-{rng.randrange(10**6)}",
            "points": [point(rng) for _ in range(6)],
            "tags": {f"tag-{number}": rng.randrange(1000) for number in range(4)},
            "size": rng.choice([rng.randrange(100), "large"]),
        }
        for _ in range(30)
    ]


def run(records):
    """Return what the dataclasses hold."""
    shapes = typedload.load(records, list[Shape])
    return [[shape.name, [[point.x, point.y, point.label] for point in shape.points], shape.tags, shape.size] for shape in shapes]
