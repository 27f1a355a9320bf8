"""Answers an SMT query of halmos: the solver that `scripts/prove` names.

Yices is quick with bits: slots, hashes, states. Products and quotients of symbolic values it cannot
decide, which cvc5 does by reading words as integers (nonlinear arithmetic). So first the one, for a
while, then the other, until halmos ends it.

usage: solve.py FILE.smt2
"""

import subprocess
import sys
from pathlib import Path

import cvc5

QUICK = 10  # seconds, for yices


def yices(query: str) -> str | None:
    """Yices' answer, if it has one soon."""
    program = Path(sys.executable).with_name("yices-smt2")
    try:
        done = subprocess.run(
            [program, "--smt2-model-format", "--bvconst-in-decimal", query],
            capture_output=True,
            text=True,
            timeout=QUICK,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.stdout.startswith(("sat", "unsat")) else None


def integers(query: str) -> None:
    """Prints cvc5's answer, with words as integers."""
    solver = cvc5.Solver(cvc5.TermManager())
    for option, value in {"produce-models": "true", "solve-bv-as-int": "sum", "nl-cov": "true"}.items():
        solver.setOption(option, value)
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, query)
    while not (command := parser.nextCommand()).isNull():
        print(command.invoke(solver, parser.getSymbolManager()), end="", flush=True)


if __name__ == "__main__":
    answer = yices(sys.argv[1])
    if answer:
        print(answer, end="")
    else:
        integers(sys.argv[1])
