"""What every part of the client stands on: one connection, and names made safe for addresses."""

from typing import Any
from urllib.parse import quote

from marketplace.client.transport import Transport


class ClientBase:
    """An open connection to a service; the methods come from the classes beside this one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport


def path(*parts: Any) -> str:
    """The address of a thing below the service's root, from names and numbers.

    A mandate `ada/shopper` becomes `ada~shopper`: encoded slashes do not survive proxies.
    """
    return "/v1/" + "/".join(quote(str(part).replace("/", "~"), safe="~") for part in parts)
