"""Hypothesis strategies over the samplers of `samples`; failures shrink as usual."""

from hypothesis import strategies as st

from oracle import broker_samples, samples


def _drawn(sampler, **arguments):
    """Let hypothesis draw what the sampler asks of its random source."""
    return st.randoms(use_true_random=False).map(lambda rng: sampler(rng, **arguments))


def amounts():
    return _drawn(samples.amount)


def fill_cases(**arguments):
    return _drawn(samples.fill_case, **arguments)


def trading_cases(**arguments):
    return _drawn(samples.trading_case, **arguments)


def arrivals(**arguments):
    return _drawn(samples.arrivals, **arguments)


def cuts(length):
    return _drawn(samples.cuts, length=length)


def broker_cases(**arguments):
    return _drawn(broker_samples.fitting_case, **arguments)
