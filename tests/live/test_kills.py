"""Killed at any step of a tick or of a commit, and started again: byte for byte the same."""

import shutil
from collections import Counter

import numpy as np
import pytest
from rules import soak

from .lives import Axe, Killed, life_of, live, table_bytes

KILLS = soak.share(10_000, 200)
"""In all shards together."""


def undisturbed(life, folder, strategies):
    """What a life gives that nothing ends, and its steps by name."""
    folder.mkdir()
    axe = Axe(folder, folder, None)
    live(life, folder, strategies, axe)
    found = table_bytes(folder / "live.db")
    shutil.rmtree(folder)
    return found, axe.steps


def killed_once(life, folder, strategies, most, name=None):
    """Live on until a step; give the folder that is left, and the step, None at the end."""
    into = folder.with_name(f"{folder.name}x")
    try:
        live(life, folder, strategies, Axe(folder, into, most, name))
    except Killed as end:
        shutil.rmtree(folder)
        return into.rename(folder), str(end)
    return folder, None


def lived(life, folder, strategies, rng, seen):
    """End a life again and again, at random steps; give the steps."""
    folder.mkdir()
    names, ends = sorted(seen), []
    every = sum(seen.values()) // len(life.batches)
    while True:
        name, most = None, int(rng.integers(1, 3 * every // 2))
        if rng.random() < 0.2:
            name, most = names[rng.integers(len(names))], 4 * every
        folder, step = killed_once(life, folder, strategies, most, name)
        if step is None:
            return ends
        ends.append(step)


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_random_lives_ended_at_random_steps_are_the_same(shard, memory_folder, strategies):
    ends, seen, seed = Counter(), Counter(), shard
    while ends.total() < KILLS / soak.SHARDS:
        life = life_of(seed, len(strategies))
        wanted, steps = undisturbed(life, memory_folder / "whole", strategies)
        rng = np.random.default_rng(seed)
        ends.update(lived(life, memory_folder / "cut", strategies, rng, steps))
        seen += steps
        found = table_bytes(memory_folder / "cut" / "live.db")
        for name, one in wanted.items():
            assert found[name] == one, f"seed {seed}: {name}"
        shutil.rmtree(memory_folder / "cut")
        seed += soak.SHARDS
    if KILLS >= 10_000:
        # Those of making a store come once in a life.
        missed = set(seen) - set(ends)
        assert len(missed) < len(seen) / 10, f"nothing was ended at {missed}"


def test_ended_once_at_each_kind_of_step_it_is_the_same(memory_folder, strategies):
    """With an exchange, late and broken bars, and weights that are published meanwhile."""
    life = next(one for one in (life_of(seed, 3) for seed in range(99)) if one.broker != "paper")
    wanted, steps = undisturbed(life, memory_folder / "whole", strategies)
    folder = memory_folder / "cut"
    folder.mkdir()
    missed = []
    # In the order in which they come first, each from where the one before has left it.
    for name in steps:
        folder, step = killed_once(life, folder, strategies, None, name)
        if step is None:
            missed.append(name)
            shutil.rmtree(folder)
            folder.mkdir()
    folder, step = killed_once(life, folder, strategies, None)
    assert step is None
    assert len(missed) < len(steps) / 10, missed
    assert table_bytes(folder / "live.db") == wanted
