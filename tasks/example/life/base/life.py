"""Conway's Game of Life on a torus."""

Grid = list[list[int]]


def neighbours(grid: Grid, row: int, column: int) -> int:
    """Return how many of the eight cells around a cell are alive."""
    height, width = len(grid), len(grid[0])
    total = 0
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            total += grid[(row + down) % height][(column + right) % width]
    return total - grid[row][column]


def step(grid: Grid) -> Grid:
    """Return the next generation."""
    following = []
    for row in range(len(grid)):
        line = []
        for column in range(len(grid[0])):
            around = neighbours(grid, row, column)
            line.append(1 if around == 3 or (around == 2 and grid[row][column]) else 0)
        following.append(line)
    return following
