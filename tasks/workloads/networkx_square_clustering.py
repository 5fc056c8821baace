"""Compute how often two neighbours of a node share another neighbour: clustering in networks without triangles."""

import itertools

import networkx as nx

NODES, EDGES = 70, 420


def inputs(rng):
    """Return the edges of a random graph, without loops and doubles."""
    edges = set()
    while len(edges) < EDGES:
        a, b = rng.randrange(NODES), rng.randrange(NODES)
        if a != b:
            edges.add((min(a, b), max(a, b)))
    return [list(edge) for edge in sorted(edges)]


def build(edges):
    """Return the graph."""
    graph = nx.Graph()
    graph.add_nodes_from(range(NODES))
    graph.add_edges_from(edges)
    return graph


def run(edges):
    """Return the share of possible squares that exist, for every node."""
    shares = nx.square_clustering(build(edges))
    return [shares[node] for node in range(NODES)]


def check(edges, answer, reference):
    """The shares are those of a plain count with sets."""
    near = [set() for _ in range(NODES)]
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    assert answer == [share(near, node) for node in range(NODES)] == reference, "the shares of squares are wrong"


def share(near, node):
    """Return the squares through a node as a share of those that its neighbours' links could form."""
    squares = possible = 0
    for a, b in itertools.combinations(near[node], 2):
        shared = len((near[a] & near[b]) - {node})
        linked = 1 + (b in near[a])
        squares += shared
        possible += len(near[a]) - linked + len(near[b]) - linked - shared
    return squares / possible if possible else 0
