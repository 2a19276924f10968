"""Smooth weights on a mesh that are given at a few vertices and fade away from them along the surface.

A weight w minimises

    integral of |w - reach^2 Laplacian w|^2 over the surface,        w given at the anchors,

which bends little, is small, and is the mean of a Gaussian field of Matern covariance that was observed at the
anchors (Lindgren, Rue and Lindstroem 2011); the Laplacian is that of cotangents (Pinkall and Polthier 1993). Because
distance is measured along the surface, the lower lip stays where it is while the upper lip that touches it rises.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.sparse.linalg import splu

FLAT = 0.02  # least cotangent: obtuse and degenerate triangles must not push neighbours apart
LEAST = 1e-4  # of the mean area about a vertex: the least area that counts


def weights(
    points: Float[np.ndarray, "v 3"],
    triangles: Int[np.ndarray, "f 3"],
    anchors: Int[np.ndarray, "n"],
    values: Float[np.ndarray, "n k"],
    reach: float,
) -> Float[np.ndarray, "v k"]:
    """Weights of every vertex, `values` at the anchors; `reach`, in the unit of `points`, is how far they are felt.

    Vertices that no path along the mesh joins to an anchor have 0.
    """
    stiffness, area = laplacian(points, triangles)
    solve = splu((reach**2 * stiffness + sparse.diags(area)).tocsc()).solve
    at = np.zeros((len(points), len(anchors)))
    at[anchors, np.arange(len(anchors))] = 1.0
    covariance = solve(area[:, None] * solve(at))
    return covariance @ np.linalg.solve(covariance[anchors], values)


def laplacian(
    points: Float[np.ndarray, "v 3"], triangles: Int[np.ndarray, "f 3"]
) -> tuple[sparse.csr_matrix, Float[np.ndarray, "v"]]:
    """The cotangent stiffness matrix (positive semidefinite), and the area that belongs to each vertex."""
    count = len(points)
    corners = points[triangles]
    rows, columns, entries = [], [], []
    for k in range(3):
        a, b = triangles[:, k - 2], triangles[:, k - 1]  # the edge opposite to corner k
        u, v = corners[:, k - 2] - corners[:, k], corners[:, k - 1] - corners[:, k]
        cross = np.maximum(np.linalg.norm(np.cross(u, v), axis=-1), 1e-16)
        cotangent = np.clip((u * v).sum(-1) / cross, FLAT, 1 / FLAT) / 2
        rows += [a, b]
        columns += [b, a]
        entries += [cotangent, cotangent]
    shape = (count, count)
    edges = sparse.csr_matrix((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), shape)
    stiffness = sparse.diags(np.asarray(edges.sum(1)).ravel()) - edges
    double = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1)
    area = np.bincount(triangles.ravel(), np.repeat(double / 6, 3), minlength=count)
    return stiffness.tocsr(), np.maximum(area, LEAST * area.mean())
