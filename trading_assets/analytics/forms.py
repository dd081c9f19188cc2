"""The form of a launch, tested before there is a run.

Dagster compares names and types of what was filled in by itself. The limits that a configuration
class states would be tested when its step begins: the run has failed then, and its checks stand
as not executed beside the asset until the next one. A form tests them when the launch is asked
for: what it refuses makes no run, and is told in a line.
"""

import hashlib
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster_shared.error import SerializableErrorInfo
from pydantic import ValidationError

from streaming.errors import TradingError
from streaming.settings_sources import problem
from trading_assets.platform import Platform


class Checked(dg.Config):
    """A configuration that can be wrong in other ways than by a field's limits."""

    def check(self, platform: Platform) -> None:
        """Refuse what cannot be meant on a platform.

        Raises
        ------
        TradingError
            If a value is out of its limits, or a name is none; it is named.
        """


def form(config: type[Checked], platform: Platform) -> dg.Field:
    """Give the `config_schema` of an asset or op that is launched with a configuration."""
    return dg.Field(_Form(config, platform), description=config.__doc__)


def filled_in(
    config: type[Checked], context: dg.AssetExecutionContext | dg.OpExecutionContext
) -> Any:
    """Give what a launch has set: the configuration of a function whose schema is its form."""
    step = getattr(context, "op_execution_context", context)
    return config(**step.op_config)


class _Form(dg.Shape):
    """The fields of a configuration class, which Dagster shows, and tests one by one."""

    def __new__(cls, *_: Any) -> "_Form":
        # Dagster keeps a shape for all that have the same fields; this one knows its platform.
        made: _Form = object.__new__(cls)
        made._initialized = False
        return made

    def __init__(self, config: type[Checked], platform: Platform) -> None:
        shape = config.to_config_schema().config_type
        assert isinstance(shape, dg.Shape)  # noqa: S101
        super().__init__(shape.fields, description=shape.description)  # type: ignore[no-untyped-call]
        place = f"{platform.settings_file}|{platform.folder}".encode()
        self.key = f"{self.key}.{config.__name__}.{hashlib.sha256(place).hexdigest()[:8]}"
        self._config, self._platform = config, platform

    def post_process(self, value: Any) -> Any:
        """Test what was filled in: where Dagster wants that to be done."""
        try:
            config = self._config(**value)
            # What nobody set is not this launch's to answer for.
            if config.model_dump(exclude_defaults=True):
                config.check(replace(self._platform))
        except ValidationError as error:
            found = "; ".join(
                problem(".".join(map(str, one["loc"])), one["input"], one) for one in error.errors()
            )
            raise _refusal(f"{found}.") from error
        except TradingError as error:
            raise _refusal(str(error)) from error
        return value


def _refusal(why: str) -> DagsterUserCodeProcessError:
    """Give the one error that the UI shows without a trace: that of another process."""
    text = f"Nothing was launched. Run configuration: {why}"
    info = SerializableErrorInfo(message=text, stack=[], cls_name=None)
    return DagsterUserCodeProcessError(  # type: ignore[no-untyped-call]
        text, user_code_process_error_infos=[info]
    )
