"""`DSkitySettings`: the whole tree of settings, and `load_settings`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self, cast

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import TypeVar

from dskity.config.decoding import decode
from dskity.config.faults import invalid_settings
from dskity.config.layer import Layer
from dskity.config.masking import mask
from dskity.config.schema import ENV_PREFIX, node_at, tree
from dskity.config.sections.bridge import BridgeSettings, check_bridge
from dskity.config.sections.broker import BrokerSettings
from dskity.config.sections.bus import BusSettings, CommandsSettings
from dskity.config.sections.common import CommonSettings
from dskity.config.sections.connections import ConnectionName, NamedMqttSettings
from dskity.config.sections.doors import GrpcSettings, HttpSettings
from dskity.config.sections.kv import KvSettings
from dskity.config.sections.modules import Modules
from dskity.config.sections.observing import LoggingSettings, MetricsSettings, TracingSettings
from dskity.config.sections.section import NothingIsEmpty
from dskity.config.sections.security import SecuritySettings
from dskity.config.sections.urls import HttpUrl
from dskity.config.sections.webhooks import WebhookSettings
from dskity.config.sources import collect

ENV_FILE = ".env"
_WILDCARD_HOSTS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  # compared with, not bound


S = TypeVar("S", default=Any)


class DSkitySettings(BaseSettings):
    """All settings: arguments, else `DSKITY_…` variables, `.env`, a settings file, or the defaults.

    `DSkitySettings()` reads the environment and `./settings.yaml`; a fault anywhere is
    `InvalidSettings`, which lists all of them. `DSkitySettings.isolated(…)` reads nothing.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    name: str = Field(default="Dskity", min_length=1)
    """Name of this service, shown to other services."""
    host: str = "0.0.0.0"  # noqa: S104  # the seed's default; the API is guarded
    """Address of the HTTP API."""
    port: int = Field(default=8000, ge=0, le=65_535)
    """TCP port of the HTTP API; 0 takes a free one."""
    advertise_url: HttpUrl = "http://0.0.0.0:8000"
    """URL of the HTTP API; by default made of `host` and `port`."""
    config: str = "./settings.yaml"
    """The settings file; by default also settings.yml or settings.toml."""
    state_dir: Path = Path(".dskity")
    """Directory for data that must survive a restart: client id, token, databases."""
    strict: bool = False
    """Stop the runtime if a module fails to load or start, instead of running without it."""
    shutdown_grace_seconds: float = Field(default=10, ge=0)
    """Seconds for which the handlers of all modules may finish when the runtime stops."""
    modules_search_paths: tuple[str, ...] = ("modules",)
    """Where modules are: directories, relative to the working directory, or dotted packages."""
    modules_writable_by_others: Literal["auto", "refuse", "allow"] = "auto"
    """Modules that other users may write; auto: rejected if root runs DSkity, else a warning."""
    modules_entry_points: bool = True
    """Use the modules of installed packages too: entry points of the group dskity.modules."""
    modules: Modules = Modules()
    """Settings of each module, by its name."""
    common: CommonSettings = CommonSettings.defaults()
    """Settings for all components."""
    mqtt: Annotated[dict[ConnectionName, NamedMqttSettings], NothingIsEmpty] = Field(
        default_factory=dict
    )
    """Connections to further brokers, by name."""
    bridge: tuple[BridgeSettings, ...] = ()
    """Messages to forward from one broker to another."""
    broker: BrokerSettings = BrokerSettings.defaults()
    """The bundled broker."""
    bus: BusSettings = BusSettings.defaults()
    """The bus itself."""
    kv: KvSettings = KvSettings.defaults()
    """The key-value store."""
    commands: CommandsSettings = CommandsSettings.defaults()
    """Commands to devices."""
    webhooks: Annotated[dict[str, WebhookSettings], NothingIsEmpty] = Field(default_factory=dict)
    """Webhook sources, by name."""
    http: HttpSettings = HttpSettings.defaults()
    """The HTTP API."""
    grpc: GrpcSettings = GrpcSettings.defaults()
    """The gRPC API."""
    security: SecuritySettings = SecuritySettings.defaults()
    """Who may call the HTTP and gRPC APIs."""
    metrics: MetricsSettings = MetricsSettings.defaults()
    """Prometheus metrics."""
    tracing: TracingSettings = TracingSettings.defaults()
    """OpenTelemetry traces; not there yet."""
    logging: LoggingSettings = LoggingSettings.defaults()
    """The log."""

    def __init__(
        self,
        *,
        _env_file: str | Path | None = ENV_FILE,
        _layer: Layer | None = None,
        **values: Any,
    ) -> None:
        root = tree(type(self))
        layer = _layer or collect(_arguments(values), root, _env_file)
        try:
            super().__init__(_env_file=None, **layer.values)
        except ValidationError as error:
            raise invalid_settings(error, root, layer) from None

    @classmethod
    def isolated(cls, **values: Any) -> Self:
        """Exactly these values over the defaults: no environment, no files."""
        return cls(_layer=_arguments(values))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `__init__` collected: the sources are laid over each other there."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @field_validator("bridge")
    @classmethod
    def _between_known_connections(
        cls, rules: tuple[BridgeSettings, ...], info: ValidationInfo
    ) -> tuple[BridgeSettings, ...]:
        if "mqtt" in info.data:  # else its own faults are told first
            check_bridge(rules, info.data["mqtt"])
        return rules

    @model_validator(mode="after")
    def _follow_the_port(self) -> Self:
        """Addresses that were not set follow those that were."""
        scheme = "https" if self.http.tls.cert_file else "http"
        near = "127.0.0.1" if self.host in _WILDCARD_HOSTS else self.host
        local = f"{scheme}://{near}:{self.port}"
        chosen = "advertise_url" in self.model_fields_set
        derived = {
            "advertise_url": self.advertise_url if chosen else local,
            "internal_base_url": local,
        }
        unset = {k: url for k, url in derived.items() if k not in self.common.model_fields_set}
        self.__dict__["common"] = self.common.model_copy(update=unset)
        if not chosen:
            self.__dict__["advertise_url"] = f"{scheme}://{self.host}:{self.port}"
        return self

    def for_module(self, name: str, /) -> "ModuleConfig[Any]":
        """These settings as `register` of one module gets them."""
        return ModuleConfig.of(self, name)

    def masked(self) -> dict[str, Any]:
        """All settings as JSON values, with passwords, tokens, secrets and URL userinfo masked."""
        shown: dict[str, Any] = mask(self.model_dump(mode="json", by_alias=True, fallback=str))
        return shown

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, mask(value, name or "")


class ModuleConfig(DSkitySettings, Generic[S]):
    """All settings, as one module gets them in `register`: `settings` is the module's own part."""

    model_config = SettingsConfigDict(defer_build=True)

    _module: str = PrivateAttr()

    if not TYPE_CHECKING:

        def __class_getitem__(cls, _: Any) -> type[Self]:
            """For annotations: pydantic would make and check another model of all settings."""
            return cls

    @classmethod
    def of(cls, settings: DSkitySettings, module: str) -> "ModuleConfig[Any]":
        """The same values, not copied and not read again."""
        config = cls.model_construct(settings.model_fields_set, **settings.__dict__)
        config._module = module  # noqa: SLF001  # of our kind
        return config

    @property
    def settings(self) -> S:
        """`modules.<name>.additional_settings`, an instance of the module's model."""
        return cast("S", self.modules.entry(self._module).additional_settings)


def load_settings(
    config: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> DSkitySettings:
    """The settings, from the file `config` (default: the one in the working directory).

    `overrides` are dotted keys, as in `{"kv.store": "redis", "port": 9000}`, and win over all
    else; their texts are read as those of environment variables are.
    """
    layer = Layer()
    root = tree(DSkitySettings)
    for key, value in (overrides or {}).items():
        path = tuple(key.split("."))
        origin = f"command line, {key}"
        text = isinstance(value, str)
        layer.put(path, decode(node_at(root, path), value, origin) if text else value, origin)
    if config is not None:
        layer.put(("config",), str(config), "command line, config")
    return DSkitySettings(_layer=collect(layer, root, ENV_FILE))


def _arguments(values: Mapping[str, Any]) -> Layer:
    layer = Layer()
    for key, value in values.items():
        layer.put((key,), value, "argument")
    return layer
