"""Transpose of a matrix, tile by tile."""

import torch
import triton
import triton.language as tl

TILE = 64


@triton.jit
def turn(matrix, result, rows, columns, side: tl.constexpr):
    down = tl.program_id(0) * side + tl.arange(0, side)
    across = tl.program_id(1) * side + tl.arange(0, side)
    inside = (down[:, None] < rows) & (across[None, :] < columns)
    tile = tl.load(matrix + down[:, None] * columns + across[None, :], mask=inside)
    turned_inside = (across[:, None] < columns) & (down[None, :] < rows)
    tl.store(result + across[:, None] * rows + down[None, :], tl.trans(tile), mask=turned_inside)


def compute(matrix):
    """Return a new matrix, with its rows one after another in memory."""
    rows, columns = matrix.shape
    result = torch.empty(columns, rows, device=matrix.device, dtype=matrix.dtype)
    turn[(triton.cdiv(rows, TILE), triton.cdiv(columns, TILE))](matrix, result, rows, columns, side=TILE)
    return result
