from __future__ import annotations

import json

import pytest

from rung.connectors import load_connectors
from rung.errors import NotFound
from rung.flow.redrive import redrive
from rung.testing import World

CONNECTORS = load_connectors().loaded
BODY = json.dumps({"case": {"no": 7, "what": "Stripe webhooks are not delivered since 3 am"}}).encode()
WRONG = {"mapping": {"ticket": {"id": "case.number", "body": "case.what"}}}
MENDED = {"mapping": {"ticket": {"id": "case.no", "body": "case.what"}}}


async def kept(world: World, body: bytes = BODY) -> int:
    """The number of a payload that was kept because the mapping was wrong."""
    return await world.store.keep_payload(
        "generic", body, reason="mapping.ticket.id", headers={}, delivery="d-1"
    )


async def test_a_kept_payload_becomes_a_ticket_once_the_mapping_is_mended(world: World) -> None:
    """Until then it stays, with the reason; afterwards it is decided like any other, and only once."""
    number = await kept(world)
    await world.store.set_connection("generic", WRONG, secret="whsec_c2VjcmV0")

    before = await redrive(world.store, world.intake, CONNECTORS, number)
    await world.store.set_connection("generic", MENDED)
    after = await redrive(world.store, world.intake, CONNECTORS, number)
    again = await redrive(world.store, world.intake, CONNECTORS, number)

    assert before.tickets == ()
    assert "mapping.ticket.id" in str(before)
    assert after.tickets == again.tickets == ("7",)
    assert (await world.decision("7")).signature == "webhook_delivery"
    assert (await world.store.counts()).tickets == 1
    assert (await world.store.counts()).payloads_kept == 0


async def test_what_is_no_payload_at_all_stays_kept(world: World) -> None:
    """Nothing is lost, and the reason is said again."""
    number = await kept(world, b"{nope")
    await world.store.set_connection("generic", MENDED, secret="whsec_c2VjcmV0")

    assert "not JSON" in str(await redrive(world.store, world.intake, CONNECTORS, number))
    assert (await world.store.counts()).payloads_kept == 1
    assert "not installed" in str(await redrive(world.store, world.intake, {}, number))
    with pytest.raises(NotFound):
        await redrive(world.store, world.intake, CONNECTORS, number + 1)
