"""Settings of an installation, read from ``CALLFLOWS_`` variables of the environment or of ``.env``.

A secret can also be read from a file: ``CALLFLOWS_TOKEN_FILE=/run/secrets/token``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import re
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import unquote, urlsplit

import dotenv
from dotenv.parser import parse_stream
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from callflows.disk_errors import describe_disk_error
from callflows.errors import SettingsError
from callflows.text import MAIL_ADDRESS_PATTERN, MAX_SMS_CHARACTERS, XML_FORBIDDEN_CHARACTERS, format_suggestion

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

OPENTACT_REST_URL: Final = "https://api.opentact.org/rest"
OPENTACT_EVENTS_URL: Final = "wss://api.opentact.org/wss"
OPERATION_FILE_NAME: Final = "opentact.yaml"
"""The file beside the flows that corrects calls of Opentact's REST API."""
_PUBLIC_URL_PATTERN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:_]+(/[A-Za-z0-9._~!$()*+,;=:@%/\-]*)?", re.IGNORECASE)
_WEBHOOK_KEY_PATTERN = re.compile(
    r"(whsec_)?(?=[A-Za-z0-9+/]{32,86}=*$)([A-Za-z0-9+/]{4})+([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
)
_ALERT_URL_PATTERN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:_]+(/[!-~]*)?", re.IGNORECASE)
_OPENTACT_URL_PATTERN = re.compile(r"[a-z]+://[!-~]+", re.IGNORECASE)
_SMTP_URL_PATTERN = re.compile(r"smtps?://([^\s/]+@)?[A-Za-z0-9.\-\[\]:]+/?")
_CHAT_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9.\-]+=[!-~]+")
_DATABASE_URL_PATTERN = re.compile(r"sqlite:///\S.*|postgres(ql)?://\S+/\S+")
SHORTEST_MESSAGE_SECONDS: Final = 1.0
MIN_PASSWORD_CHARACTERS: Final = 10
MAX_PASSWORD_CHARACTERS: Final = 200
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def _split_list(value: object) -> object:
    """Split a text at commas and blanks; return other values unchanged."""
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


SecretList = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_list)]
EventTypeList = Annotated[
    tuple[Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_.-]+$")], ...], NoDecode, BeforeValidator(_split_list)
]
RegionList = Annotated[
    tuple[Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")], ...], NoDecode, BeforeValidator(_split_list)
]


def _split_phrases(value: object) -> object:
    """Split a text at commas; return other values unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


PhraseList = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^.*\w", max_length=60)], ...],
    NoDecode,
    BeforeValidator(_split_phrases),
]
EVERYBODY_ROLE: Final = "*"
"""The entry of the table of roles for everybody who is signed in."""
_CONSOLE_ROLES: Final = ("viewer", "operator", "author")
_HEADER_NAME_PATTERN: Final = "^([A-Za-z0-9-]{1,64})?$"


def _split_role_table(value: object) -> object:
    """Split ``group:admins=author, *=viewer`` into a mapping; return other values unchanged. Raises ValueError."""
    if not isinstance(value, str):
        return value
    pairs = [part.strip().rpartition("=") for part in value.split(",") if part.strip()]
    return {name.strip(): role.strip() for name, _, role in pairs}


def _check_role_table(table: dict[str, str]) -> dict[str, str]:
    """Raise ValueError unless each entry says if it is a group or a person, whose name another may choose."""
    for name, role in table.items():
        kind, _, rest = name.partition(":")
        if role not in _CONSOLE_ROLES or not (name == EVERYBODY_ROLE or (kind in ("group", "user") and rest.strip())):
            roles = ", ".join(_CONSOLE_ROLES)
            example = "group:admins=author, user:ann@example.com=operator, *=viewer"
            raise ValueError(f"must be group:NAME, user:NAME or *, each with = and one of {roles}: {example}")
    return table


RoleTable = Annotated[dict[str, str], NoDecode, BeforeValidator(_split_role_table), AfterValidator(_check_role_table)]
NetworkList = Annotated[tuple[IPNetwork, ...], NoDecode, BeforeValidator(_split_list)]


class _VariableSource(PydanticBaseSettingsSource):
    """The variables of an environment or of a file that are settings, as texts.

    pydantic's own source inspects the type of each setting each time: four fifths of the time that settings took.
    """

    def __init__(self, source: EnvSettingsSource) -> None:
        super().__init__(source.settings_cls)
        prefix = source.env_prefix.lower()
        named = ((name, source.env_vars.get(f"{prefix}{name}")) for name in self.settings_cls.model_fields)
        self._values = {name: value for name, value in named if value is not None}

    def get_field_value(self, _field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, str]:
        return self._values


class Settings(BaseSettings):
    """Settings of one installation."""

    model_config = SettingsConfigDict(
        env_prefix="CALLFLOWS_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic gives it, and the sources know it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - load_settings reads these files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        sources = (source for source in (env_settings, dotenv_settings) if isinstance(source, EnvSettingsSource))
        return init_settings, *map(_VariableSource, sources)

    flows: Path = Field(Path("callflows"), description="the folder of the flow files")
    removal_grace_seconds: int = Field(
        10, ge=5, le=86_400, description="how long a flow goes on whose file is gone, in case a deploy puts it back"
    )
    data: Path = Field(Path("data"), description="the folder of stored data: the secret key, the journal")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="the port to listen on")
    workers: int = Field(1, ge=1, le=64, description="processes that answer calls")
    sandbox_processes: int = Field(
        8, ge=2, le=64, description="maximum processes for templates and Python flows, for each of the WORKERS"
    )
    public_url: str = Field("", description="where Opentact reaches the server; unset: the request's own scheme and host")
    token: SecretList = Field(
        (), description="the secret that each request needs as ?token=…; separate several with commas"
    )
    secret_keys: SecretList = Field(
        (), description="keys that sign tickets, newest first; unset: one is created and stored in data"
    )
    dialect: Literal["reference", "classic"] = Field(
        "reference", description="the XML dialect of flows without a dialect of their own"
    )
    trusted_proxies: NetworkList = Field((), description="proxies whose X-Forwarded-… headers are trusted")
    allowed_sources: NetworkList = Field((), description="addresses that may request /call; empty: any")
    private_lookups: NetworkList = Field((), description="private networks that lookups and notify may reach")
    notify_key: SecretList = Field((), description="keys (whsec_…) that sign the webhooks of notify; unset: no signature")
    chat_tokens: SecretList = Field(
        (), description="access tokens of Matrix and ntfy servers that notify writes to, as matrix.example.com=…"
    )
    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="the server that sends mails: smtp://user@mail.example.com:587 (STARTTLS) or smtps://…; unset: none",
    )
    smtp_password: SecretStr = Field(SecretStr(""), description="the password of that user")
    mail_from: str = Field(
        "",
        validate_default=True,
        description="the sender of mails, as Acme <phone@example.com>; unset: the user of SMTP_URL",
    )
    twilio_account_sid: str = Field("", pattern="^(AC[0-9a-fA-F]{32})?$", description="AccountSid for apps under twiml")
    twilio_auth_token: SecretStr = Field(
        SecretStr(""), description="the token that signs requests to apps under twiml, as Twilio does; unset: no signature"
    )
    deadline_ms: int = Field(2000, ge=50, le=60_000, description="maximum time for an answer, and for a request's body")
    caller_calls_per_minute: int | None = Field(
        None, ge=1, description="calls of one caller beyond this number in a minute get the fallback; unset: no limit"
    )
    number_calls_per_minute: int | None = Field(
        None, ge=1, description="calls to one number beyond this number in a minute get the fallback; unset: no limit"
    )
    dial_regions: RegionList = Field(
        (), description="countries of allowed computed targets, also if a file allows more; empty: any"
    )
    opentact_url: str = Field(OPENTACT_REST_URL, description="Opentact's REST API")
    opentact_token: SecretStr = Field(SecretStr(""), description="an API token from Opentact's portal")
    opentact_email: str = Field("", description="the email of an Opentact user, to renew tokens")
    opentact_password: SecretStr = Field(SecretStr(""), description="the password of that user")
    opentact_events_url: str = Field(OPENTACT_EVENTS_URL, description="Opentact's event websocket")
    opentact_paths: Path | None = Field(
        None, description="the file that corrects calls of Opentact's REST API; unset: opentact.yaml beside the flows"
    )
    event_types: EventTypeList = Field(
        ("call_record",),
        description="events to subscribe to; call_state, call_flow and sms come without a subscription",
    )
    execution_log: bool = Field(
        default=True,
        description="after a call, ask Opentact which elements it executed, if the events have not said where they stand",
    )
    control: Literal["answer", "push"] = Field(
        "answer",
        description="answer: Opentact requests the call-control URL; push: callflows posts documents to reported calls",
    )
    shortest_message_seconds: float = Field(
        SHORTEST_MESSAGE_SECONDS,
        ge=0,
        le=60,
        description="a shorter recording is no voicemail: the caller hung up during or after the tone",
    )
    line_check_seconds: int = Field(
        60,
        ge=0,
        le=86_400,
        description="how often every flow is rung through PUBLIC_URL, to know of a problem before a caller does; 0: never",
    )
    alert_url: SecretStr = Field(
        SecretStr(""), description="the address of a webhook that reports which lines are down, signed with NOTIFY_KEY"
    )
    apology: str = Field(
        "We are sorry, your call cannot be taken right now. Please try again later.",
        description="spoken if no flow has the number, or if a flow without a fallback fails",
    )
    message_stopped: str = Field(
        "You will get no more messages from this number. Reply START to get them again.",
        description="the answer to the text message STOP, if the flow has none of its own",
    )
    message_started: str = Field(
        "You will get messages from this number again. Reply STOP to end them.",
        description="the answer to the text message START, if the flow has none of its own",
    )
    message_help: str = Field(
        "Reply STOP to get no more messages from this number.",
        description="the answer to the text message HELP, if the flow has none of its own",
    )
    message_stop_words: PhraseList = Field(
        (), description="words of other languages for STOP, beside the carriers' own, separated by commas: ARRET, keine SMS"
    )
    message_start_words: PhraseList = Field((), description="words of other languages for START")
    message_help_words: PhraseList = Field((), description="words of other languages for HELP")
    log_format: Literal["json", "text"] = Field("json", description="the format of log lines")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="the database of the call log, sqlite:///file or postgresql://…; unset: callflows.db in data",
    )
    console_password: SecretStr = Field(
        SecretStr(""), description="the password of the console in the browser; unset: no password"
    )
    console_host: str = Field("", description="the console's own address to listen on; unset: 127.0.0.1")
    console_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        validate_default=True,
        description="the console's own port; then the console is not at the server's address; unset: at the server's",
    )
    console_users: Path | None = Field(
        None, description="the file with the people of the console, written by callflows user; unset: console-users in data"
    )
    console_oidc_issuer: str = Field(
        "", description="an OpenID provider that signs people in to the console, as https://login.example.com; unset: none"
    )
    console_oidc_client_id: str = Field("", validate_default=True, description="the id of the console at that provider")
    console_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="the secret of the console at that provider; unset: a public client"
    )
    console_oidc_scopes: str = Field("openid email profile", description="the scopes that are asked for")
    console_oidc_role_claim: str = Field("groups", description="the claim of the ID token whose values give a role")
    console_user_header: str = Field(
        "",
        pattern=_HEADER_NAME_PATTERN,
        validate_default=True,
        description="the header in which TRUSTED_PROXIES name the person who is signed in, as Remote-User; unset: none",
    )
    console_groups_header: str = Field(
        "", pattern=_HEADER_NAME_PATTERN, description="the header in which they name the person's groups, as Remote-Groups"
    )
    console_roles: RoleTable = Field(
        {},
        description="roles of groups and people whom a provider or a proxy has signed in: group:admins=author, "
        "user:ann@example.com=operator, *=viewer; "
        "unset: of the groups viewer, operator and author",
    )
    retention_days: int | None = Field(None, ge=1, le=36_500, description="days after which calls are erased; unset: never")

    @field_validator("flows", "data", mode="before")
    @classmethod
    def _check_folder_name(cls, folder: object) -> object:
        if folder == "":  # as compose writes for a variable that is not set: the working folder is not meant
            raise ValueError("must name a folder; take the line out for the folder callflows or data")
        return folder

    @field_validator("opentact_paths", "console_users", mode="before")
    @classmethod
    def _take_empty_path_as_unset(cls, path: object) -> object:
        return None if path == "" else path

    @field_validator("host", "console_host")
    @classmethod
    def _take_brackets_away(cls, host: str) -> str:
        """Return an IPv6 address as it is bound, also if it is written as in a URL."""
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str) -> str:
        if url and not _PUBLIC_URL_PATTERN.fullmatch(url):
            raise ValueError("must be https:// or http://, a host and an optional path, without a query")
        return url.rstrip("/")

    @field_validator("alert_url")
    @classmethod
    def _check_alert_url(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _ALERT_URL_PATTERN.fullmatch(url.get_secret_value()):
            raise ValueError("must be https:// or http://, a host and perhaps a path and a query")
        return url

    @field_validator("opentact_url")
    @classmethod
    def _check_rest_url(cls, url: str) -> str:
        return require_encrypted_url(url, "https", "http")

    @field_validator("opentact_events_url")
    @classmethod
    def _check_events_url(cls, url: str) -> str:
        return require_encrypted_url(url, "wss", "ws")

    @field_validator("opentact_token")
    @classmethod
    def _check_opentact_token(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch("[!-~]*", token.get_secret_value()):
            raise ValueError("must contain only letters, digits and signs, no spaces")
        return token

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _DATABASE_URL_PATTERN.fullmatch(url.get_secret_value()):
            raise ValueError("must be sqlite:///data/callflows.db or postgresql://user:password@host/database")
        return url

    @field_validator("chat_tokens")
    @classmethod
    def _check_chat_tokens(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_CHAT_TOKEN_PATTERN.fullmatch(token.get_secret_value()) for token in tokens):
            raise ValueError("must be the host of a server, = and its token, as matrix.example.com=syt_…")
        return tokens

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, url: SecretStr) -> SecretStr:
        if url.get_secret_value() and not _SMTP_URL_PATTERN.fullmatch(url.get_secret_value()):
            raise ValueError("must be smtp:// or smtps://, perhaps a user and @, a host and perhaps a port")
        return url

    @field_validator("mail_from")
    @classmethod
    def _check_mail_sender(cls, sender: str, info: ValidationInfo) -> str:
        url = info.data.get("smtp_url", SecretStr("")).get_secret_value()
        sender = sender or unquote(urlsplit(url).username or "")
        if url and not MAIL_ADDRESS_PATTERN.fullmatch(parseaddr(sender)[1]):
            raise ValueError("must be an address, as phone@example.com or Acme <phone@example.com>")
        return sender

    @property
    def journal_url(self) -> str:
        """URL of the journal's database; the default is a SQLite file in ``data``."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data / 'callflows.db'}"

    @property
    def shares_database(self) -> bool:
        """True if other servers may use the same database."""
        return self.journal_url.startswith("postgres")

    @field_validator("console_password")
    @classmethod
    def _check_console_password(cls, password: SecretStr) -> SecretStr:
        length = len(password.get_secret_value())
        if 0 < length < MIN_PASSWORD_CHARACTERS:
            raise ValueError(f"must have at least {MIN_PASSWORD_CHARACTERS} characters: strangers may try to guess it")
        if length > MAX_PASSWORD_CHARACTERS:
            raise ValueError(f"must have at most {MAX_PASSWORD_CHARACTERS} characters: the form takes no more")
        return password

    @field_validator("console_oidc_issuer")
    @classmethod
    def _check_issuer(cls, url: str) -> str:
        return require_encrypted_url(url, "https", "http") if url else ""

    @field_validator("console_oidc_client_id")
    @classmethod
    def _check_client_id(cls, client_id: str, info: ValidationInfo) -> str:
        if bool(client_id) != bool(info.data.get("console_oidc_issuer")):
            raise ValueError("must be set together with CALLFLOWS_CONSOLE_OIDC_ISSUER")
        return client_id

    @field_validator("console_user_header")
    @classmethod
    def _check_user_header(cls, header: str, info: ValidationInfo) -> str:
        if header and not info.data.get("trusted_proxies"):
            raise ValueError("needs CALLFLOWS_TRUSTED_PROXIES: only a proxy that you trust may say who somebody is")
        return header

    @field_validator("console_port")
    @classmethod
    def _check_console_port(cls, port: int | None, info: ValidationInfo) -> int | None:
        host = info.data.get("console_host", "")
        if port is None and host:
            raise ValueError("must be set if CALLFLOWS_CONSOLE_HOST is: the console has no address of its own without it")
        if port is not None and port == info.data.get("port"):
            raise ValueError("must be another port than CALLFLOWS_PORT, where calls are answered")
        return port

    @property
    def console_address(self) -> tuple[str, int] | None:
        """Host and port of the console's own address; None if it is at the server's."""
        return None if self.console_port is None else (self.console_host or "127.0.0.1", self.console_port)

    @property
    def console_users_file(self) -> Path:
        """The file with the people of the console."""
        return self.console_users or self.data / "console-users"

    @field_validator("apology")
    @classmethod
    def _check_apology(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty: a caller who hears silence thinks that the line is dead")
        if XML_FORBIDDEN_CHARACTERS.search(text):
            raise ValueError("contains a character that XML forbids")
        return text

    @field_validator("message_stopped", "message_started", "message_help")
    @classmethod
    def _check_message_text(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty: the sender of STOP, START or HELP needs an answer")
        if len(text) > MAX_SMS_CHARACTERS:
            raise ValueError(f"must have at most {MAX_SMS_CHARACTERS} characters, like every text message")
        return text

    @field_validator("notify_key")
    @classmethod
    def _check_notify_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(_WEBHOOK_KEY_PATTERN.fullmatch(key.get_secret_value()) for key in keys):
            raise ValueError("must be whsec_ and 24 to 64 random bytes in base64, as Standard Webhooks requires")
        return keys

    @field_validator("token", "secret_keys")
    @classmethod
    def _check_not_empty(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not secret.get_secret_value() for secret in secrets):
            raise ValueError("must not be empty")
        return secrets


class _LogSettings(BaseSettings):
    """The one setting that is needed to report that others are wrong."""

    model_config = Settings.model_config

    log_format: Literal["json", "text"] = "json"


def load_log_format() -> Literal["json", "text"]:
    """Return the format of log lines, whatever is wrong with the other settings."""
    try:
        return _LogSettings().log_format
    except (OSError, ValueError):
        return "json"


def require_encrypted_url(url: str, encrypted_scheme: str, plain_scheme: str) -> str:
    """Return a URL that is safe for sending a token, without its trailing slash.

    The URL must use ``encrypted_scheme``; ``plain_scheme`` is accepted for this machine only. Raises ValueError.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    odd = parts.query or parts.fragment or parts.username is not None or not _OPENTACT_URL_PATTERN.fullmatch(url)
    if parts.scheme not in (encrypted_scheme, plain_scheme) or not host or odd:
        raise ValueError(f"must be {encrypted_scheme}://, a host and an optional path, without a user, a query or spaces")
    if parts.scheme == plain_scheme and not is_loopback_host(host):
        raise ValueError(
            f"must begin with {encrypted_scheme}:// unless it is on this machine: others could read the token on its way"
        )
    return url.rstrip("/")


def is_loopback_host(host: str) -> bool:
    """Return True if the host is this machine: ``localhost``, ``127.0.0.0/8`` or ``::1``."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_settings(**explicit_values: Any) -> Settings:  # noqa: ANN401 - each setting has its own type
    """Load the settings of this environment; ``explicit_values`` (from the command line) win. Raises SettingsError."""
    try:
        _check_env_file()
        return Settings(**{**_read_setting_files(), **explicit_values})
    except UnicodeDecodeError:
        raise SettingsError(".env: the file is not UTF-8") from None
    except ValidationError as error:
        lines = [
            f"CALLFLOWS_{'_'.join(map(str, e['loc'][:1])).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None


def _check_env_file() -> None:
    """Raise SettingsError for a line of ``.env`` that cannot be read: without it, a token would not be required."""
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # its warning of such a line names no file
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError), open(".env", encoding="utf-8") as file:  # noqa: PTH123 - as dotenv reads it
        for binding in parse_stream(file):
            if binding.error:
                raise SettingsError(f".env:{binding.original.line}: the line cannot be read; write it as NAME=value")


def check_token_of_public_server(settings: Settings) -> None:
    """Raise SettingsError if others reach the server by PUBLIC_URL, and no token keeps strangers out."""
    host = urlsplit(settings.public_url).hostname or ""
    if host and not settings.token and not is_loopback_host(host):
        raise SettingsError(
            f"CALLFLOWS_TOKEN must be set, because CALLFLOWS_PUBLIC_URL says that others reach this server as {host}: "
            "take 24 random characters, and put ?token=… into the remote call control URL"
        )


def find_unknown_settings() -> list[str]:
    """Report ``CALLFLOWS_`` variables without a setting of the same name, each with the nearest known name."""
    known = [f"CALLFLOWS_{name.upper()}" for name in Settings.model_fields]
    named = {*dotenv.dotenv_values(".env"), *os.environ}
    strange = sorted(name for name in named if name.startswith("CALLFLOWS_") and name.removesuffix("_FILE") not in known)
    return [f"{name} is not a setting; {format_suggestion(name, known)}".rstrip("; ") for name in strange]


def _read_setting_files() -> dict[str, Any]:
    """Read the settings with a file in ``CALLFLOWS_<NAME>_FILE``. Raises SettingsError."""
    named = {**dotenv.dotenv_values(".env"), **os.environ}
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        variable = f"CALLFLOWS_{name.upper()}_FILE"
        path = named.get(variable)
        if path:
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsError(f"{variable}: {describe_disk_error(error)}") from None
            if not values[name]:
                raise SettingsError(f"{variable}: {path} is empty")
    return values
