"""Softmax of the rows of a matrix, in four passes over it."""

import torch
import triton
import triton.language as tl

BLOCK = 1024


@triton.jit
def row_max(matrix, maxima, columns, block: tl.constexpr):
    row = tl.program_id(0)
    most = tl.full([block], float("-inf"), tl.float32)
    for start in range(0, columns, block):
        places = start + tl.arange(0, block)
        most = tl.maximum(most, tl.load(matrix + row * columns + places, mask=places < columns, other=float("-inf")))
    tl.store(maxima + row, tl.max(most, axis=0))


@triton.jit
def exponentials(matrix, maxima, result, columns, block: tl.constexpr):
    row = tl.program_id(0)
    most = tl.load(maxima + row)
    for start in range(0, columns, block):
        places = start + tl.arange(0, block)
        values = tl.load(matrix + row * columns + places, mask=places < columns)
        tl.store(result + row * columns + places, tl.exp(values - most), mask=places < columns)


@triton.jit
def row_sum(matrix, sums, columns, block: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros([block], tl.float32)
    for start in range(0, columns, block):
        places = start + tl.arange(0, block)
        total += tl.load(matrix + row * columns + places, mask=places < columns, other=0.0)
    tl.store(sums + row, tl.sum(total, axis=0))


@triton.jit
def quotients(matrix, sums, result, columns, block: tl.constexpr):
    row = tl.program_id(0)
    total = tl.load(sums + row)
    for start in range(0, columns, block):
        places = start + tl.arange(0, block)
        values = tl.load(matrix + row * columns + places, mask=places < columns)
        tl.store(result + row * columns + places, values / total, mask=places < columns)


def compute(matrix):
    """Return a new matrix of the same shape."""
    rows, columns = matrix.shape
    maxima, sums = (torch.empty(rows, device=matrix.device, dtype=matrix.dtype) for _ in range(2))
    raised, result = torch.empty_like(matrix), torch.empty_like(matrix)
    row_max[(rows,)](matrix, maxima, columns, block=BLOCK)
    exponentials[(rows,)](matrix, maxima, raised, columns, block=BLOCK)
    row_sum[(rows,)](raised, sums, columns, block=BLOCK)
    quotients[(rows,)](raised, sums, result, columns, block=BLOCK)
    return result
