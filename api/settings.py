"""Process settings, from the environment (JINGTAN_*, DATABASE_URL) and jingtan.toml.

Only how the process runs is set here; how the market works is in dated rule versions.
"""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """Where to listen, where the data is, which clock."""

    model_config = SettingsConfigDict(
        env_prefix="JINGTAN_", toml_file="jingtan.toml", extra="ignore"
    )

    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="TCP port to listen on")
    data_dir: Path = Field(
        default=Path(".jingtan"), description="folder of the embedded PostgreSQL"
    )
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "JINGTAN_DATABASE_URL", "database_url"),
        description="a PostgreSQL to use instead of the embedded one",
    )
    clock: Literal["system", "demo"] = Field(
        default="system", description="real time, or a demo clock that can leap"
    )
    skip_idle_time: bool = Field(
        default=False, description="demo clock only: leap over breaks and nights by itself"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe log line to print"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by pydantic
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - named by pydantic
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
