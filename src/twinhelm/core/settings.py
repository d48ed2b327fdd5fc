"""Settings: one file, the environment, and flags; later ones win.

Order, weakest first: the defaults here, ``twinhelm.toml`` (in the data directory, or named by
``TWINHELM_CONFIG``), environment variables ``TWINHELM_SECTION__NAME``, command-line flags.
``twinhelm config`` prints every setting with its value, where it came from, and the
description that stands here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from twinhelm.core.errors import BadInput

__all__ = [
    "AuthSettings",
    "DetectSettings",
    "HostSettings",
    "LimitSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "TracingSettings",
    "load_settings",
]


class Section(BaseModel):
    """A group of settings; unknown names are refused, so that a typo is heard of."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(Section):
    """Where the server listens."""

    listen: str = Field(
        "127.0.0.1:9700",
        description="HOST:PORT to serve on; a host that is not loopback needs auth.required.",
    )
    allowed_hosts: list[str] = Field(
        default_factory=list,
        description="Host names that browsers may use besides the listen address and localhost.",
    )
    environment: str = Field(
        "production", description="The name of this environment, shown in the page header."
    )


class AuthSettings(Section):
    """Who may do what."""

    required: bool = Field(
        False,
        description="Ask for a token or a signed-in person on every route, telemetry doors too.",
    )
    session_hours: float = Field(12.0, gt=0, description="How long a browser stays signed in.")
    trust_loopback_reads: bool = Field(
        True,
        description="On loopback, let doors and read-only routes pass without a token.",
    )


class StoreSettings(Section):
    """Where and how long telemetry rests."""

    database_url: str = Field(
        "",
        description="SQL database for records, journal and identities, such as "
        "postgresql+psycopg://user@host/db; empty means records.sqlite in the data directory.",
    )
    flush_interval_s: float = Field(
        10.0, gt=0, description="How often pending rows move from the append log to DuckDB."
    )
    flush_rows: int = Field(
        2_000_000, gt=0, description="Move pending rows early once this many wait."
    )
    sync_interval_s: float = Field(
        1.0,
        ge=0,
        description="How often the append log is forced to disk; 0 forces it before every answer. "
        "An answered write survives the death of the process either way; this bounds what a "
        "power cut can take.",
    )
    min_free_bytes: int = Field(
        256 << 20, ge=0, description="Stop taking telemetry below this much free disk."
    )
    memory_limit_mb: int = Field(160, ge=64, description="How much memory DuckDB may use.")
    retain_samples_days: float = Field(60.0, gt=0, description="How long samples are kept.")
    retain_logs_days: float = Field(14.0, gt=0, description="How long log records are kept.")
    retain_spans_days: float = Field(7.0, gt=0, description="How long spans are kept.")
    retain_changes_days: float = Field(400.0, gt=0, description="How long changes are kept.")


class LimitSettings(Section):
    """What one sender may ask of the doors."""

    max_body_bytes: int = Field(
        32 << 20, gt=0, description="The largest request body, as it is on the wire."
    )
    max_decoded_bytes: int = Field(
        128 << 20, gt=0, description="The largest request body after decompression."
    )
    max_series_per_tenant: int = Field(
        500_000, gt=0, description="New series past this count are rejected and counted."
    )
    max_labels: int = Field(64, gt=0, description="The most labels on one series or stream.")
    max_label_name_bytes: int = Field(256, gt=0, description="The longest label name.")
    max_label_value_bytes: int = Field(4096, gt=0, description="The longest label value.")
    max_log_line_bytes: int = Field(256 << 10, gt=0, description="The longest log body.")
    max_future_s: float = Field(
        600.0, gt=0, description="Samples further ahead of this machine's clock are rejected."
    )
    max_past_days: float = Field(
        400.0, gt=0, description="Samples further back than this are rejected."
    )
    max_query_series: int = Field(5_000, gt=0, description="The most series one query may return.")
    max_query_points: int = Field(
        11_000, gt=0, description="The most steps of a range query, as in Prometheus."
    )
    max_query_samples: int = Field(
        50_000_000, gt=0, description="The most raw samples one query may touch."
    )
    max_requests_in_flight: int = Field(
        64, gt=0, description="Requests being decoded at once; more are answered 429."
    )
    body_timeout_s: float = Field(
        30.0, gt=0, description="How long a client may take to send its body."
    )


class HostSettings(Section):
    """The collector for the machine that twinhelm runs on."""

    enabled: bool = Field(True, description="Watch this host.")
    interval_s: float = Field(5.0, ge=1, description="How often this host is looked at.")
    top_processes: int = Field(
        10, ge=0, le=100, description="How many processes are kept by name, per resource."
    )


class DetectSettings(Section):
    """The watch over every series."""

    tick_s: float = Field(1.0, gt=0, description="How often new samples are judged.")
    checkpoint_s: float = Field(60.0, gt=0, description="How often detector state is saved.")
    sensitivity: float = Field(
        0.5,
        ge=0,
        le=1,
        description="0 raises an incident only on the grossest trouble, 1 on the slightest.",
    )


class TracingSettings(Section):
    """Our own traces."""

    otlp_endpoint: str = Field(
        "", description="OTLP/HTTP address that our own traces are sent to; empty sends none."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe of our own log lines that is written."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How our own log lines are written to standard error."
    )


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(
        env_prefix="TWINHELM_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data: Path = Field(Path("data"), description="The directory that everything is kept in.")
    server: ServerSettings = Field(default_factory=ServerSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    host: HostSettings = Field(default_factory=HostSettings)
    detect: DetectSettings = Field(default_factory=DetectSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, environment, file."""
        file = settings_cls.model_config.get("toml_file")
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file else sources


def load_settings(flags: dict[str, Any] | None = None, *, file: Path | None = None) -> Settings:
    """Read settings from file, environment and ``flags`` (nested, as in the file).

    ``file`` defaults to ``TWINHELM_CONFIG``, or ``twinhelm.toml`` in the data directory where
    that exists. Raises :class:`BadInput` that names each bad setting and the allowed values.
    """
    flags = flags or {}
    named = file or (
        Path(os.environ["TWINHELM_CONFIG"]) if "TWINHELM_CONFIG" in os.environ else None
    )
    if named is not None and not named.is_file():
        raise BadInput(f"the settings file {named} does not exist", hint="check TWINHELM_CONFIG")
    if named is None:
        data = Path(flags.get("data") or os.environ.get("TWINHELM_DATA") or "data")
        named = data / "twinhelm.toml"
    model = type(
        "Settings",
        (Settings,),
        {
            "model_config": SettingsConfigDict(
                **{**Settings.model_config, "toml_file": named if named.is_file() else None}
            )
        },
    )
    try:
        return model(**flags)  # type: ignore[no-any-return]
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        )
        raise BadInput(f"bad settings: {wrong}", hint="see docs/settings.md") from error
    except ValueError as error:
        raise BadInput(f"the settings file {named} cannot be read: {error}") from error
