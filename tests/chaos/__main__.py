"""`python -m chaos SCENARIO`: one scenario, one JSON line, status 1 when a promise was broken; imports this package."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from chaos.run import Options, Run, Skipped
from chaos.scenarios import SCENARIOS


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("scenario", choices=sorted(SCENARIOS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, help="how many jobs; each scenario has a number of its own")
    parser.add_argument("--seconds", type=float, help="how long the nemesis strikes")
    parser.add_argument("--short", action="store_true", help="fewer jobs and short leases")
    parser.add_argument("--keep", action="store_true", help="keep logs and data of a run without violations too")
    parser.add_argument("--into", type=Path, help="also append the JSON line to this file")
    given = parser.parse_args()
    scenario = SCENARIOS[given.scenario]
    jobs, seconds = scenario.short if given.short else scenario.full
    options = Options(
        scenario=given.scenario,
        seed=given.seed,
        jobs=given.jobs or jobs,
        seconds=given.seconds or seconds,
        short=given.short,
        into=given.into,
    )
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{given.scenario}-"))
    status = 1
    try:
        status = scenario.play(Run(options, folder))
    except Skipped as reason:
        options.tell({"scenario": given.scenario, "seed": given.seed, "skipped": str(reason), "violations": []})
        status = 0
    finally:
        if status == 0 and not given.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            sys.stderr.write(f"seed {given.seed}; logs and data are in {folder}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
