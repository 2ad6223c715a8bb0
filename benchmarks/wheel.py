"""What one turn of the wheel gains and costs, over three seeds.

    .venv/bin/python benchmarks/wheel.py [--terms 3]

The peer in the same run is the version before: the same questions, the same scoring, answered by the base.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)


def main() -> int:
    three = "--terms" in sys.argv and sys.argv[sys.argv.index("--terms") + 1] == "3"
    options = ["--corrections", "100", "--terms", "3"] if three else []
    for seed in SEEDS:
        started = time.monotonic()
        command = [sys.executable, "-m", "flywheel", "demo", "--json", "--seed", str(seed), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):
            print(done.stdout + done.stderr)
            return 1
        result = json.loads(done.stdout)
        suites = "; ".join(
            f"{name} {s['before']:.1%} -> {s['after']:.1%} (n = {s['n']}, difference {s['after'] - s['before']:+.1%})"
            for name, s in result["suites"].items()
        )
        wall, cpu = time.monotonic() - started, result["train_cpu_seconds"]
        gate = "promoted" if result["promoted"] else "not promoted"
        print(f"seed {seed}: {suites}; {gate}; training {cpu:.0f} CPU-s; all {wall:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
