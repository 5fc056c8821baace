"""Let a random world live for two generations."""

from life import step


def inputs(rng):
    """Return a world of 48 by 48 cells, a third of them alive."""
    cells = [1] * 768 + [0] * 1536
    rng.shuffle(cells)
    return [cells[start : start + 48] for start in range(0, 2304, 48)]


def run(world):
    """Return the world after two generations, a line of text for each row."""
    for _ in range(2):
        world = step(world)
    return ["".join("#" if cell else "." for cell in row) for row in world]
