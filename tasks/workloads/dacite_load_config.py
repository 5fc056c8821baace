"""Turn a nested configuration, as a JSON or TOML file gives it, into dataclasses whose types are checked."""

from dataclasses import asdict, dataclass

from dacite import from_dict


@dataclass
class Server:
    host: str
    ports: list[int]
    weights: dict[str, float]
    note: str | None


@dataclass
class Cluster:
    name: str
    servers: list[Server]
    labels: list[str]
    limit: int | str


def server(rng):
    """Return the configuration of one server."""
    return {
        "host": f"host-{rng.randrange(10**6)}.example",
        "ports": [rng.randrange(1024, 65536) for _ in range(40)],
        "weights": {f"zone-{number}": rng.random() for number in range(20)},
        "note": rng.choice([None, f"rack {rng.randrange(1000)}"]),
    }


def inputs(rng):
    """Return the configuration of a cluster of six servers."""
    return {
        "name": f"cluster-{rng.randrange(10**6)}",
        "servers": [server(rng) for _ in range(6)],
        "labels": [f"label-{rng.randrange(10**6)}" for _ in range(40)],
        "limit": rng.choice([rng.randrange(1000), "none"]),
    }


def run(data):
    """Return what the dataclasses hold."""
    return asdict(from_dict(Cluster, data))


def check(data, answer, reference):
    """All values have arrived."""
    assert answer == data == reference, "the dataclasses do not hold what the configuration says"
