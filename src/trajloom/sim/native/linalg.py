"""Small dense linear algebra for compiled code: plain loops, because at these sizes a call of LAPACK costs more.

Where bits matter, `exact` is not None, and products are those of BLAS, which robosuite uses. It is a choice of
compile time: numba leaves out the branch that is not taken.
"""

import numpy as np
from numba import njit


@njit
def put(found, values):
    """Fill in the elements of a vector.

    `found[:] = values` would do, but for each kind of that numba compiles a message about shapes: a third of the time
    that compiling the control step took.
    """
    for i in range(values.size):
        found[i] = values[i]


@njit
def put_matrix(found, values):
    """Fill in the elements of a matrix."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            found[i, j] = values[i, j]


@njit
def multiply(matrix, vector, found, exact):
    """Fill in (m,) the product of a matrix (m, n) and a vector (n,)."""
    if exact is not None:
        put(found, np.dot(matrix, vector))
    else:
        for i in range(matrix.shape[0]):
            found[i] = inner(matrix[i], vector, vector.size)


@njit
def product(a, b, found, exact):
    """Fill in (m, p) the product of two matrices (m, n) and (n, p)."""
    if exact is not None:
        put_matrix(found, np.dot(a, b))
    else:
        for i in range(a.shape[0]):
            for j in range(b.shape[1]):
                value = 0.0
                for k in range(a.shape[1]):
                    value += a[i, k] * b[k, j]
                found[i, j] = value


@njit
def inner(a, b, size):
    """The inner product of the first elements of two vectors."""
    value = 0.0
    for i in range(size):
        value += a[i] * b[i]
    return value


@njit
def cholesky(matrix, size, lower):
    """Factor a symmetric positive definite matrix into lower @ lower.T.

    Args:
        matrix: (>= size, >= size). Only the lower triangle is read.
        size: How much of it.
        lower: Filled; its upper triangle is left alone.

    Returns:
        The smallest pivot's share of its diagonal element: near 1 for a diagonal matrix, near 0 for a nearly singular
        one, <= 0 (or NaN) for one that is not positive definite, whose factor is then worthless.
    """
    worst = 1.0
    for j in range(size):
        pivot = matrix[j, j] - inner(lower[j], lower[j], j)
        share = pivot / matrix[j, j]
        if not share > 0.0:
            return share
        worst = min(worst, share)
        root = np.sqrt(pivot)
        lower[j, j] = root
        for i in range(j + 1, size):
            lower[i, j] = (matrix[i, j] - inner(lower[i], lower[j], j)) / root
    return worst


@njit
def solve(lower, size, vector):
    """Replace b by the solution x of `lower @ lower.T @ x = b`."""
    for i in range(size):
        vector[i] = (vector[i] - inner(lower[i], vector, i)) / lower[i, i]
    for i in range(size - 1, -1, -1):
        value = vector[i]
        for k in range(i + 1, size):
            value -= lower[k, i] * vector[k]
        vector[i] = value / lower[i, i]
