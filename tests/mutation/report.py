"""What became of the mutants: verdicts, both scores, and the survivors with their diffs."""

import ast
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

EQUIVALENT = Path(__file__).with_name("equivalent.txt")

RULES = "streaming/rules/"

Identity = tuple[str, str, str, str]

KILLED = ("killed", "timeout", "segfault")


@dataclass(frozen=True)
class Mutant:
    """One mutant: where it is, what it changes, and its verdict.

    `before` and `after` are the changed lines without indentation, joined by " // ".
    """

    name: str
    file: str
    function: str
    line: int
    before: str
    after: str
    verdict: str
    seconds: float

    @property
    def identity(self) -> Identity:
        """Name it across versions in which it stands on other lines."""
        return (self.file, self.function, self.before, self.after)


def changed_lines(diff: str) -> tuple[int, str, str]:
    """Read a unified diff with one hunk: (first changed line, lines before, lines after)."""
    line, before, after = 0, [], []
    first = 0
    for text in diff.splitlines()[2:]:
        if text.startswith("@@"):
            line = int(text.split()[1].split(",")[0].lstrip("-"))
            continue
        if text[:1] in "-+" and not first:
            first = line
        if text.startswith("-"):
            before.append(text[1:].strip())
        elif text.startswith("+"):
            after.append(text[1:].strip())
        if not text.startswith("+"):
            line += 1
    return first, " // ".join(before), " // ".join(after)


def function_lines(source: str) -> dict[str, int]:
    """Give the line of the `def` of each function and method, methods as Class.name."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node.lineno
        elif isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.FunctionDef):
                    found[f"{node.name}.{child.name}"] = child.lineno
    return found


def read_equivalent(text: str) -> dict[Identity, str]:
    """Read the mutants that a person judged equivalent: identity -> reason.

    Entries are divided by blank lines: `file: function`, the line as it is after -, what
    mutants make of it after + (each + is one mutant), the reason after =. Lines that start
    with # are remarks.
    """
    entries = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        file, function = lines[0].split(": ")
        marked: dict[str, list[str]] = {"-": [], "+": [], "=": []}
        for line in lines[1:]:
            marked[line[0]].append(line[1:].strip())
        (before,) = marked["-"]
        for after in marked["+"]:
            entries[f"{RULES}{file}", function, before, after] = " ".join(marked["="])
    return entries


def scores(mutants: list[Mutant], judged: Collection[Identity]) -> dict[str, float]:
    """Give the share killed: of all, and of those that are not judged equivalent."""
    killed = sum(m.verdict in KILLED for m in mutants)
    equivalent = sum(m.verdict not in KILLED and m.identity in judged for m in mutants)
    return {
        "mutants": len(mutants),
        "killed": killed,
        "timed_out": sum(m.verdict == "timeout" for m in mutants),
        "survived": len(mutants) - killed,
        "judged_equivalent": equivalent,
        "score": killed / len(mutants),
        "score_without_equivalent": killed / max(len(mutants) - equivalent, 1),
    }


def text(mutants: list[Mutant], equivalent: dict[Identity, str]) -> str:
    """Write the report."""
    out = []
    for mutant in sorted(mutants, key=lambda m: (m.file, m.line, m.name)):
        if mutant.verdict in KILLED:
            continue
        out += [f"{mutant.file}:{mutant.line} {mutant.function}: {mutant.verdict}"]
        out += [f"    - {mutant.before}", f"    + {mutant.after}"]
        if mutant.identity in equivalent:
            out += [f"    = equivalent: {equivalent[mutant.identity]}"]
        out += [""]
    by_file: dict[str, Counter[bool]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, Counter())[mutant.verdict in KILLED] += 1
    for file, count in sorted(by_file.items()):
        out += [f"{file:36} {count[True]:4} of {count.total():4} killed"]
    result = scores(mutants, equivalent)
    seconds = sum(m.seconds for m in mutants) / len(mutants)
    out += [
        "",
        f"{result['killed']} of {result['mutants']} mutants killed "
        f"({result['timed_out']} of them timed out), {result['survived']} survived, "
        f"{result['judged_equivalent']} of those judged equivalent; {seconds:.1f} s each",
        f"Mutation score {result['score']:.1%}; "
        f"{result['score_without_equivalent']:.1%} without the equivalent ones.",
    ]
    return "\n".join(out)
