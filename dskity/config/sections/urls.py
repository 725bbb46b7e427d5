"""URLs of other servers, checked where they are written."""

from collections.abc import Callable
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from dskity.broker.url import parse_url, parse_urls
from dskity.config.sections.section import OneIsAList


def _url_of(*schemes: str, example: str) -> Callable[[str], str]:
    kinds = " or ".join(f"{scheme}://" for scheme in schemes)

    def check(url: str) -> str:
        if not _is_whole(url, schemes):
            raise ValueError(f"must be {kinds}, a host, and perhaps a port, as in {example}")
        return url

    return check


def _is_whole(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its text may quote a piece of a password
        return False
    return parts.scheme in schemes and bool(parts.hostname or parts.scheme == "unix")


def _mqtt_url(url: str) -> str:
    parse_url(_url_of("mqtt", "mqtts", "ws", "wss", example="mqtts://broker:8883")(url))
    return url


def _distinct(urls: tuple[str, ...]) -> tuple[str, ...]:
    parse_urls(urls)
    return urls


HttpUrl = Annotated[str, AfterValidator(_url_of("http", "https", example="http://10.0.0.5:8000"))]
MqttUrls = Annotated[
    tuple[Annotated[str, AfterValidator(_mqtt_url)], ...], OneIsAList, AfterValidator(_distinct)
]
RedisUrl = Annotated[
    str, AfterValidator(_url_of("redis", "rediss", "unix", example="redis://127.0.0.1:6379/0"))
]
