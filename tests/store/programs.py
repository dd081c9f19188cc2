"""Random programs: what a store is asked to do, made so that it can be asked again."""

from streaming.store import Commit, append, delete, upsert

from .samples import LATEST, LOGS, arrow, keys_only, minute, samples


def random_commit(random, moment):
    """A commit in plain values: (changes, state, positions, complete_to)."""
    changes = []
    for table in LOGS:
        if random.random() < 0.5:
            # Some come late: their time lies before that of rows already there.
            late = moment - random.choice([0, 0, 0, 3])
            changes.append(("append", table, samples(table, random, random.randrange(4), late)))
    for _ in range(random.randrange(6)):
        table = random.choice(LATEST)
        kind = random.choice(["upsert", "upsert", "delete"])
        changes.append((kind, table, samples(table, random, random.randrange(4), moment)))
    state = {random.choice("pq"): random.choice([None, b"", random.randbytes(40)])}
    positions = {random.choice("fg"): random.choice([None, "12:a", b"\x00\xff"])}
    return changes, state, positions, random.choice([None, moment])


def as_commit(changes, state, positions, complete_to):
    make = {"append": append, "upsert": upsert}
    done = [
        delete(table, keys_only(table, rows))
        if kind == "delete"
        else make[kind](table, arrow(table, rows))
        for kind, table, rows in changes
    ]
    return Commit(done, state, positions, complete_to)


def random_prune(random, moment, oracle):
    """What to prune: before which event time, and before which offsets."""
    offsets = {
        table.name: random.randrange(len(oracle.logs[table.name]) + 3)
        for table in (*LATEST, *LOGS)
        if random.random() < 0.3
    }
    return random.choice([None, minute(moment - random.randrange(6))]), offsets
