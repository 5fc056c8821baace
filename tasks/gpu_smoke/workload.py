"""Compute something of a large matrix on the GPU. The answer is weighted sums of all that comes out, with new weights every time."""

import torch
from kernel import compute

ROWS, COLUMNS = 16384, 16384
PARTS = 64
CACHE = 256 * 2**20
"""Bytes: more than any GPU's cache holds."""
DEVICE = "cuda"

scratch = torch.empty(CACHE // 4, dtype=torch.int32, device=DEVICE)


def inputs(rng):
    """Return a number: the matrix is made from it on the GPU, as it would take too long to send."""
    return rng.getrandbits(48)


def prepare(seed, rows=ROWS):
    """Put a matrix and the weights on the GPU, and push all of it out of the cache."""
    generator = torch.Generator(DEVICE).manual_seed(seed)
    shapes = (rows, COLUMNS), (rows,), (COLUMNS,)
    made = [torch.randn(*shape, device=DEVICE, generator=generator) for shape in shapes]
    scratch.fill_(seed % 2**31)
    torch.cuda.synchronize()
    return made


def run(made):
    """Return weighted sums, each of one part of the result."""
    matrix, one, other = made
    result = compute(matrix)
    told = tell(result, one, other) if result.shape == matrix.shape else tell(result, other, one)
    torch.cuda.synchronize()
    return told


def tell(result, down, across):
    """Return what every number of the result has a part in. A view of something else is no result."""
    assert type(result) is torch.Tensor, "not a tensor"
    assert result.is_contiguous(), "not contiguous"
    assert result.shape == (down.numel(), across.numel()), "another shape"
    return (torch.mv(result, across) * down).view(PARTS, -1).sum(1).tolist()


run(prepare(0, rows=PARTS))  # what is compiled and loaded once is so before a call is timed
