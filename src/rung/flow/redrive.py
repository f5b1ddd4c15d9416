"""Reading kept payloads again after their mapping was mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from rung.core.limits import check_names
from rung.errors import Invalid, NotFound
from rung.flow.intake import Intake
from rung.flow.merge import delivered
from rung.model import Json
from rung.ports import Connector


class KeptPayload(Protocol):
    """A payload that was kept."""

    @property
    def connector(self) -> str:
        """Who sent it."""

    @property
    def delivery(self) -> str:
        """The sender's id of the delivery; may be empty."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that parsing needs."""


class Connected(Protocol):
    """A connector as the operator set it up."""

    @property
    def settings(self) -> Mapping[str, Json]:
        """The mapping and whatever else the operator set."""


class Shelf(Protocol):
    """Where payloads are kept."""

    async def kept_payload(self, number: int) -> tuple[KeptPayload, bytes]:
        """The payload with its body."""

    async def connection(self, connector: str) -> Connected:
        """The connector's settings."""

    async def mark_redriven(self, number: int) -> bool:
        """Note that it was taken in after all."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """What became of one kept payload: the tickets it made or touched, or why it stays kept."""

    number: int
    tickets: tuple[str, ...]
    why: str = ""

    def __str__(self) -> str:
        return f"{self.number}: {', '.join(self.tickets) if self.tickets else f'stays kept: {self.why}'}"


async def redrive(shelf: Shelf, intake: Intake, connectors: Mapping[str, Connector], number: int) -> Redriven:
    """Parse a kept payload with today's settings and take it in; doing it twice makes nothing twice.

    Raises:
        NotFound: there is no such payload.
    """
    kept, body = await shelf.kept_payload(number)
    connector = connectors.get(kept.connector)
    if connector is None:
        return Redriven(number, (), f"the connector {kept.connector} is not installed")
    try:
        settings = (await shelf.connection(kept.connector)).settings
        parsed = connector.parse(kept.headers, body, settings=settings)
        # The raw bytes are kept already.
        arrivals = [replace(a, raw=b"", raw_reason="") for a in delivered(parsed, kept.delivery)]
        for arrival in arrivals:
            check_names(arrival.ticket)
        answer = await intake.take(arrivals)
    except (Invalid, NotFound) as error:
        return Redriven(number, (), str(error))
    if not arrivals:
        return Redriven(number, (), "it is an event that makes no ticket")
    await shelf.mark_redriven(number)
    return Redriven(number, tuple(dict.fromkeys(r.ticket_id for r in answer.results)))
