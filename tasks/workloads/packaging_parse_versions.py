"""Parse version numbers of every shape that PEP 440 knows, and read all their parts."""

from packaging.version import Version

SHAPES = ["", "a", "rc", ".post", ".dev", "b.dev", "rc.post", "+", ".post+", "!"]


def spell(rng, shape):
    """Return one version number of a shape, with the spellings that people really use."""
    number = ".".join(str(rng.randrange(60)) for _ in range(3))
    suffix = "".join(f"{part}{rng.randrange(40)}" for part in shape.replace(".", " .").replace("+", " ").split() if part != "!")
    local = f"+{rng.choice(['ubuntu', 'cu', 'local'])}.{rng.randrange(200)}" if "+" in shape else ""
    epoch = f"{rng.randrange(1, 9)}!" if shape == "!" else ""
    return f"{rng.choice(['', 'v'])}{epoch}{number}{suffix}{local}"


def inputs(rng):
    """Return 300 version numbers, as many of each shape, shuffled."""
    texts = [spell(rng, shape) for shape in SHAPES * 30]
    rng.shuffle(texts)
    return texts


def run(texts):
    """Return the parts of each version number."""
    return [parts(Version(text)) for text in texts]


def parts(version):
    """Return epoch, release, pre-release, post-release, development release and local label as plain data."""
    pre = list(version.pre) if version.pre else None
    return [version.epoch, list(version.release), pre, version.post, version.dev, version.local]
