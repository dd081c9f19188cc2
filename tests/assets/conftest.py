"""A data folder with a small market, and assets materialised on it in this process."""

import dagster as dg
import pytest
from runtimes.markets import lake_of, month_market

from streaming.lake import atomic
from trading_assets.analytics.definitions import definitions
from trading_assets.platform import Platform

START = "2024-01-01"


@pytest.fixture
def no_flushing(monkeypatch):
    """What a file system does with fsync is not what is tested here."""
    monkeypatch.setattr(atomic, "_flush", lambda path: None)


@pytest.fixture(scope="session")
def market():
    return month_market(6)


@pytest.fixture
def platform(market, tmp_path, no_flushing):
    platform = Platform(folder=str(tmp_path / "data"))
    lake_of(platform.folders.lake, market)
    return platform


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def materialise(platform, instance):
    """Materialise assets by name: one partition, or the range from one to another.

    Their checks are run with them, but where a test asks for some of these alone afterwards.
    """

    def run(*names, keys=None, config=None, ok=True, checks=True):
        tags, key = {}, None
        if isinstance(keys, tuple):
            tags = {
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[1],
            }
        else:
            key = keys
        chosen = dg.AssetSelection.assets(*names)
        result = dg.materialize(
            list(definitions(platform).assets),
            selection=chosen if checks else chosen.without_checks(),
            instance=instance,
            resources={"platform": platform},
            partition_key=key,
            tags=tags,
            run_config={"ops": {name: {"config": config} for name in names}} if config else None,
            raise_on_error=False,
        )
        assert result.success is ok
        return result

    return run


@pytest.fixture
def facts(instance):
    """The newest metadata of each partition of an asset, as plain values."""

    def of(name, partition=None):
        records = instance.fetch_materializations(dg.AssetKey(name), limit=1000).records
        found = {}
        for record in reversed(records):
            metadata = record.asset_materialization.metadata
            found[record.partition_key] = {key: one.value for key, one in metadata.items()}
        return found[partition] if partition is not None or not found else found

    return of


@pytest.fixture
def checked(platform, instance):
    """Run an asset's checks alone, all or some: their results by name."""

    def run(name, *only):
        made = definitions(platform)
        job = made.resolve_implicit_global_asset_job_def()
        keys = [
            key
            for key in made.resolve_asset_graph().asset_check_keys
            if key.asset_key.path[-1] == name and (not only or key.name in only)
        ]
        job = dg.define_asset_job("checks", dg.AssetSelection.checks(*keys))
        whole = dg.Definitions.merge(made, dg.Definitions(jobs=[job]))
        result = whole.resolve_job_def("checks").execute_in_process(
            instance=instance, raise_on_error=False
        )
        return {one.check_name: one for one in result.get_asset_check_evaluations()}

    return run
