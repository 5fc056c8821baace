"""Count the triangles through every node of a random graph, as for a clustering coefficient."""

import networkx as nx

NODES, EDGES = 300, 3000


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
    """Return the number of triangles through every node."""
    counts = nx.triangles(build(edges))
    return [counts[node] for node in range(NODES)]


def check(edges, answer, reference):
    """The counts are those of a plain count with sets."""
    near = [set() for _ in range(NODES)]
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    expected = [sum(len(near[node] & near[other]) for other in near[node]) // 2 for node in range(NODES)]
    assert answer == expected == reference, "the triangle counts are wrong"
