"""Prints what halmos found of each check in the sources, and fails unless all were proven wholly.

usage: report.py SOURCES CONTRACTS CHECKS RESULTS.json LOG
"""

import json
import re
import sys
from pathlib import Path

# halmos' exit codes of a check.
MEANING = ["proven", "COUNTEREXAMPLE", "SOLVER GAVE UP", "STUCK", "REVERTS ON ALL PATHS", "ERROR"]


def expected_checks(
    sources: Path, contracts: re.Pattern[str], checks: re.Pattern[str]
) -> list[tuple[str, str]]:
    """(contract, check) of all checks in the sources that were to run."""
    found = []
    for file in sorted(sources.glob("*.sol")):
        contract = ""
        for line in file.read_text().splitlines():
            if match := re.match(r"(?:abstract )?contract (\w+)", line):
                contract = match[1]
            elif match := re.match(r"\s+function (check_\w+)", line):
                if contracts.search(contract) and checks.search(match[1]):
                    found.append((contract, match[1]))
    return found


def main(sources: str, contracts: str, checks: str, results: str, log: str) -> int:
    expected = expected_checks(Path(sources), re.compile(contracts), re.compile(checks))
    printed = re.sub(r"\x1b\[\d*m", "", Path(log).read_text())
    done = {}
    if Path(results).exists():
        for name, tests in json.loads(Path(results).read_text())["test_results"].items():
            for test in tests:
                done[name.split(":")[-1], test["name"].split("(")[0]] = test
    failed = 0
    for check in expected:
        test = done.get(check)
        if test is None:
            outcome, paths, time = "DID NOT RUN", 0, 0.0
        else:
            outcome, paths, time = MEANING[test["exitcode"]], test["num_paths"][0], test["time"][0]
            if outcome == "proven" and test["num_bounded_loops"]:
                outcome = "LOOPS CUT OFF"
        failed += outcome != "proven"
        print(f"{check[0]:<14} {check[1]:<34} {outcome:<20} {paths:>5} paths {time:>7.1f} s")
    if failed or not expected:
        # Halmos' own words: the counterexamples, or why nothing ran. Without its notes on artifacts.
        print(re.sub(r"WARNING  Skipped.*?parsing-error\)\s*", "", printed, flags=re.DOTALL)[-20_000:])
    print(f"{len(expected) - failed} passed, {failed} failed")
    return 1 if failed or not expected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
