"""Settings: one file, the environment, and flags; later ones win.

Order, weakest first: the defaults here, ``twinhelm.toml`` (in the data directory, or named by
``TWINHELM_CONFIG``), environment variables ``TWINHELM_SECTION__NAME``, command-line flags.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from twinhelm.core.errors import BadInput
from twinhelm.core.labels import LabelLimits

__all__ = [
    "AuthSettings", "AutomateSettings", "DetectSettings", "DevelopmentSettings", "HostSettings",
    "LearnSettings", "LimitSettings", "ModelSettings", "NotifySettings", "Section",
    "ServerSettings", "Settings", "StoreSettings", "TracingSettings", "load_settings",
]  # fmt: skip


RUNS_ANYTHING = re.compile(
    r"(ba|da|z|k|c|tc|fi|a)?sh|busybox|env|xargs|sudo|su|ssh|nice|nohup|timeout|setsid"
    r"|(python|perl|ruby|node|php|lua)[\d.]*"
)
"""Programs that do whatever an argument says."""


class Section(BaseModel):
    """A group of settings; unknown names are refused, so that a typo is heard of."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ServerSettings(Section):
    """Where the server listens."""

    listen: str = "127.0.0.1:9700"
    """HOST:PORT to serve on; a host that is not loopback needs auth.required."""
    allowed_hosts: list[str] = Field(default_factory=list)
    """Host names that browsers may use besides the listen address and localhost."""
    environment: str = "production"
    """The name of this environment, shown in the page header."""
    driven: bool = False
    """Let time stand still but for POST /api/twinhelm/v1/clock, for replays; watch no host."""


class AuthSettings(Section):
    """Who may do what."""

    required: bool = False
    """Ask for a token or a signed-in person on every route, telemetry doors too."""
    session_hours: PositiveFloat = 12.0
    """How long a browser stays signed in."""
    trust_loopback_reads: bool = True
    """On loopback, let doors and read-only routes pass without a token."""


class StoreSettings(Section):
    """Where and how long telemetry rests."""

    database_url: str = Field(
        "",
        description="SQL database for records, journal and identities, such as "
        "postgresql+psycopg://user@host/db; empty means records.sqlite in the data directory.",
    )
    flush_interval_s: PositiveFloat = 10.0
    """How often pending rows move from the append log to DuckDB."""
    flush_rows: PositiveInt = 2_000_000
    """Move pending rows early once this many wait."""
    sync_interval_s: NonNegativeFloat = Field(
        1.0,
        description="How often the append log is forced to disk; 0 forces it before every answer. "
        "An answered write survives the death of the process either way; this bounds what a "
        "power cut can take.",
    )
    min_free_bytes: NonNegativeInt = 256 << 20
    """Stop taking telemetry below this much free disk."""
    memory_limit_mb: int = Field(160, ge=64)
    """How much memory DuckDB may use."""
    retain_samples_days: PositiveFloat = 60.0
    """How long samples are kept."""
    retain_logs_days: PositiveFloat = 14.0
    """How long log records are kept."""
    retain_spans_days: PositiveFloat = 7.0
    """How long spans are kept."""
    retain_changes_days: PositiveFloat = 400.0
    """How long changes are kept."""


class LimitSettings(Section):
    """What one sender may ask of the doors."""

    max_body_bytes: PositiveInt = 32 << 20
    """The largest request body, as it is on the wire."""
    max_decoded_bytes: PositiveInt = 128 << 20
    """The largest request body after decompression."""
    max_series_per_tenant: PositiveInt = 500_000
    """New series past this count are rejected and counted."""
    max_labels: PositiveInt = 64
    """The most labels on one series or stream."""
    max_label_name_bytes: PositiveInt = 256
    """The longest label name."""
    max_label_value_bytes: PositiveInt = 4096
    """The longest label value."""
    max_log_line_bytes: PositiveInt = 256 << 10
    """The longest log body."""
    max_future_s: PositiveFloat = 600.0
    """Samples further ahead of this machine's clock are rejected."""
    max_past_days: PositiveFloat = 400.0
    """Samples further back than this are rejected."""
    max_query_series: PositiveInt = 5_000
    """The most series one query may return."""
    max_query_points: PositiveInt = 11_000
    """The most steps of a range query, as in Prometheus."""
    max_query_samples: PositiveInt = 50_000_000
    """The most raw samples one query may touch."""
    max_requests_in_flight: PositiveInt = 64
    """Requests being decoded at once; more are answered 429."""
    body_timeout_s: PositiveFloat = 30.0
    """How long a client may take to send its body."""

    @property
    def labels(self) -> LabelLimits:
        """How much one label set may carry."""
        return LabelLimits(self.max_labels, self.max_label_name_bytes, self.max_label_value_bytes)


class HostSettings(Section):
    """The collector for the machine that twinhelm runs on."""

    enabled: bool = True
    """Watch this host."""
    interval_s: float = Field(5.0, ge=1)
    """How often this host is looked at."""
    top_processes: int = Field(10, ge=0, le=100)
    """How many processes are kept by name, per resource."""


class DetectSettings(Section):
    """The watch over every series."""

    tick_s: PositiveFloat = 1.0
    """How often new samples are judged."""
    derive_wait_s: PositiveFloat = Field(
        6.0,
        description="How long after two seconds are over the spans and log lines of these two are "
        "waited for, before series are made of them; OpenTelemetry senders batch up to 5 s. Later "
        "ones are kept, but no series tells of them.",
    )
    checkpoint_s: PositiveFloat = 60.0
    """How often detector state is saved."""
    sensitivity: float = Field(0.5, ge=0, le=1)
    """0 raises an incident only on the grossest trouble, 1 on the slightest."""


class LearnSettings(Section):
    """What people's answers change."""

    apply: Literal["tested", "person"] = "tested"
    """tested: by itself, after its time in shadow, where the back-test passes; or by a person."""
    shadow_hours: NonNegativeFloat = 24.0
    """How long an answer runs in shadow before it may be applied by itself."""


class ModelSettings(Section):
    """The MLOps wing."""

    mlflow: bool = True
    """Serve MLflow's tracking and registry API at /mlflow."""
    max_artifact_bytes: PositiveInt = 2 << 30
    """The largest file that may be uploaded to a run or a version."""
    max_predict_bytes: PositiveInt = 16 << 20
    """The largest request to a model."""
    max_predict_rows: PositiveInt = 100_000
    """The most rows of one request to a model."""
    look_s: PositiveFloat = 60.0
    """How often the health of live models is looked at."""


class DevelopmentSettings(Section):
    """Webhooks of the development side; without its secret such a door stays closed."""

    github_secret: SecretStr = SecretStr("")
    """The secret that GitHub's webhook was given."""
    gitlab_token: SecretStr = SecretStr("")
    """The secret token that GitLab's webhook was given, which it shows with each delivery."""
    gitlab_signing_token: SecretStr = SecretStr("")
    """The signing token that GitLab's webhook was given; where set, deliveries must be signed."""


class AutomateSettings(Section):
    """What repairs may use; what is listed nowhere here, no runbook can do."""

    commands: list[str] = Field(
        default_factory=list,
        description="Programs that steps may run, as whole paths; no shell, and nothing that runs "
        "what it is given.",
    )
    urls: list[Annotated[str, Field(pattern=r"^https?://[^/?#@\s]+/[^?#\s]*$")]] = Field(
        default_factory=list,
        description="Addresses that steps may call, as beginnings that end at a part of the path, "
        "such as http://shop.example/admin/.",
    )
    units: list[str] = Field(default_factory=list)
    """systemd units that steps may act on; * stands for any part."""
    namespaces: list[str] = Field(default_factory=list)
    """Kubernetes namespaces that steps may act in; * stands for any part."""
    processes: list[str] = Field(default_factory=list)
    """Names of processes that steps may signal; * stands for any part."""
    databases: list[str] = Field(default_factory=list)
    """Databases that steps may ask, each the name of a secret that holds its address."""
    statements: dict[str, str] = Field(
        default_factory=dict,
        description="SQL that steps may have done by name, with :values, such as "
        "SELECT pg_terminate_backend(:pid).",
    )
    products: list[str] = Field(default_factory=list)
    """Models that steps may roll back; * stands for any part."""
    runbooks: str = ""
    """A folder of runbooks, NAME.toml each, and policy.toml; empty: those of the house alone."""

    @field_validator("commands")
    @classmethod
    def _no_shell(cls, listed: list[str]) -> list[str]:
        for program in listed:
            if not program.startswith("/") or RUNS_ANYTHING.fullmatch(program.rpartition("/")[2]):
                raise ValueError(f"{program!r} must be the whole path of a program, and no shell")
        return listed


class NotifySettings(Section):
    """Messages to people and to other systems."""

    file: str = ""
    """The file that says who is told of what; empty: notify.toml in the data directory."""
    look_s: PositiveFloat = 1.0
    """How often it is looked at what is to be told."""


class TracingSettings(Section):
    """Our own traces."""

    otlp_endpoint: str = ""
    """OTLP/HTTP address that our own traces are sent to; empty sends none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe of our own log lines that is written."""
    log_format: Literal["text", "json"] = "text"
    """How our own log lines are written to standard error."""


class Settings(BaseSettings):
    """Everything that can be set, by section."""

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
    learn: LearnSettings = Field(default_factory=LearnSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    development: DevelopmentSettings = Field(default_factory=DevelopmentSettings)
    automate: AutomateSettings = Field(default_factory=AutomateSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)

    def source_of(self, name: str) -> str:
        """Say which source set ``section.name``: ``flag``, ``environment``, ``file``; ``default``.

        The strongest one that holds it counts, whether its value is another than the default.
        """
        return self._sources.get(name, "default")

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
    if file is None and "TWINHELM_CONFIG" in os.environ:
        file = Path(os.environ["TWINHELM_CONFIG"])
    if file is not None and not file.is_file():
        raise BadInput(f"the settings file {file} does not exist", hint="check TWINHELM_CONFIG")
    if file is None:
        data = Path(flags.get("data") or os.environ.get("TWINHELM_DATA") or "data")
        file = data / "twinhelm.toml"
    config: dict[str, Any] = {
        **Settings.model_config,
        "toml_file": file if file.is_file() else None,
    }
    model = type("Settings", (Settings,), {"model_config": config})
    try:
        made: Settings = model(**flags)
        written = TomlConfigSettingsSource(model, file)() if file.is_file() else {}
        # Weakest first, so that the strongest remains.
        sources = {"file": written, "environment": EnvSettingsSource(model)(), "flag": flags}
        made._sources |= {name: each for each, held in sources.items() for name in _names(held)}
        return made
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        )
        raise BadInput(f"bad settings: {wrong}", hint="see docs/settings.md") from error
    except ValueError as error:
        raise BadInput(f"the settings file {file} cannot be read: {error}") from error


def _names(held: Mapping[str, Any]) -> Iterator[str]:
    """Name the settings that a source holds."""
    for part, value in held.items():
        if isinstance(value, Mapping):
            yield from (f"{part}.{name}" for name in value)
        else:
            yield part
