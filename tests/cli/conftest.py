import sys
from pathlib import Path

for folder in ("reports", "preparing"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
