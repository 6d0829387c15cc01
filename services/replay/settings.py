"""What a replay does, from SHOPFUSION_REPLAY_* or from the command line (--from-day 2017-11-23)."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.platform.errors import ServiceError


class ReplaySettings(BaseSettings):
    """One replay."""

    model_config = SettingsConfigDict(
        env_prefix="SHOPFUSION_REPLAY_",
        frozen=True,
        cli_kebab_case=True,
        cli_prog_name="python -m services replay",
    )

    tables: Path | None = Field(
        None, description="Folder data/tables of a run; empty takes the newest run's"
    )
    seed: int = Field(0, ge=0, description="Names the events, and draws a simulated shopper's mind")
    speed: float | None = Field(
        None, gt=0, description="Seconds of shop time in a second; empty for as fast as can be"
    )
    from_day: date | None = Field(
        None, description="First day (UTC); empty goes on where the shop's clock stands"
    )
    to_day: date | None = Field(None, description="Day to stop before; empty for the data's end")
    shoppers: float = Field(
        1.0, gt=0, le=1, description="Share of the shoppers, chosen by the seed"
    )
    k: int = Field(10, ge=1, le=100, description="Items asked for in a row")
    ad_slots: int = Field(2, ge=0, le=10, description="Sponsored slots asked for in a visit")
    most_seconds: float | None = Field(None, gt=0, description="Stop after this long")
    patience: float = Field(
        60, gt=0, description="Seconds to go on asking a server that is away or has no room"
    )


def replay_settings(arguments: Sequence[str] = ()) -> ReplaySettings:
    """Read the settings; an argument beats the environment.

    Raises:
        ServiceError: a value has the wrong type or is out of range.

    """
    try:
        return ReplaySettings(_cli_parse_args=list(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        raise ServiceError(
            f"a valid {name} of the replay",
            f"{first.get('input')!r} ({first['msg']})",
            "see `python -m services replay --help`",
        ) from error
