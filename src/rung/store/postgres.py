"""The store on PostgreSQL: one object that the application opens once per process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from rung.core.payload import storable_text as storable
from rung.errors import NotFound
from rung.model import Account, Secret
from rung.ports import Command, HumanAction, LedgerEntry, UnitOfWork
from rung.store import migrate
from rung.store.codec import decision_of, from_json, messages_of, ticket_of, to_json
from rung.store.controls import Controls
from rung.store.database import Database, translated
from rung.store.outbox import Outbox
from rung.store.rows import Counts, Deployment, Health, Listed, Observed, Page, Recorded, Told
from rung.store.vault import Vault
from rung.store.work import Work

FORGET = (
    "forget_replies",
    "forget_payloads",
    "forget_deliveries",
    "forget_commands",
    "forget_sightings",
    "forget_wakes",
)


class Store(Controls, Outbox):
    """``Transactions`` and ``Policies`` of ``rung.ports``, and every read the pages and the CLI need.

    ``on_commands`` is called, without waiting, after each commit that ordered commands: the queue wakes its
    workers there.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        super().__init__(database, vault)
        self.on_commands: Callable[[], None] = lambda: None

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        key: bytes,
        admin_dsn: str = "",
        migrated: bool = False,
        flow_connections: int = 4,
        read_connections: int = 10,
        shift: timedelta = timedelta(),
    ) -> Self:
        """Bring the schema up to date and connect.

        Args:
            dsn: of the application; its sessions become ``rung_app``.
            key: the installation's key (``vault.load_key``), for what is stored encrypted.
            admin_dsn: for the migrations; ``dsn`` if empty.
            migrated: only check the schema, do not migrate.
            flow_connections: at most so many transactions of intake at once.
            read_connections: at most so many other queries at once.
            shift: moves the store's clock; for tests (``move_clock``).

        Raises:
            Unavailable: the database does not answer.
            Broken: the schema is newer than this program, or a right is missing.
        """
        with translated():
            if not migrated:
                await migrate.migrate(admin_dsn or dsn)
        database = Database(dsn, shift=shift)
        await database.connect(flow=flow_connections, reads=read_connections)
        try:
            async with database.read() as connection:
                await migrate.check(connection)
        except BaseException:
            await database.close()
            raise
        return cls(database, Vault(key))

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def dsn(self) -> str:
        """How this store connects."""
        return self._database.dsn

    def listener(self) -> contextlib.AbstractAsyncContextManager[Any]:
        """A connection of its own outside the pools, for LISTEN; ended with the block."""
        return self._database.listener()

    # ------------------------------------------------------------ transactions and clock
    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """A new transaction of intake; leaving the block commits, an exception rolls back and goes on.

        Raises:
            Unavailable: the database does not answer. If that happens at the end of the block, the commit
                may or may not have happened; doing it again is safe, because everything in it has a key.
            Conflict: another transaction was first (also a deadlock); do it again.
        """
        with translated():
            async with self._database.flow_transaction() as connection:
                work = Work(connection, self._vault)
                yield work
        if work.commands:
            self.on_commands()

    async def now(self) -> datetime:
        """The store's clock."""
        moment: datetime = await self._database.value("clock")
        return moment

    def move_clock(self, shift: timedelta) -> None:
        """Set how far the store's clock runs ahead of the real one for everything that this object does.

        For tests; other processes are not affected.
        """
        self._database.shift = shift

    # ------------------------------------------------------------ tickets
    async def list_tickets(
        self,
        cursor: int | None = None,
        limit: int = 50,
        *,
        outcome: str | None = None,
        team: str | None = None,
        level: str | None = None,
        signature: str | None = None,
        open: bool | None = None,  # noqa: A002 - the word of the domain
        account: str | None = None,
        connector: str | None = None,
    ) -> Page[Listed]:
        """Tickets, the newest arrival first, a page at a time."""
        rows = await self._database.rows(
            "list_tickets", cursor, limit + 1, outcome, team, level, signature, open, account, connector
        )
        listed = tuple(Listed(**row) for row in rows[:limit])
        return Page(listed, listed[-1].seq if len(rows) > limit else None)

    async def ticket(self, ticket_id: str) -> Told:
        """Everything stored of one ticket.

        Raises:
            NotFound: there is no such ticket.
        """
        wanted = storable(ticket_id)
        row = await self._database.row("ticket", wanted)
        if row is None:
            raise NotFound(f"there is no ticket {ticket_id!r}")
        decisions = tuple(
            (r["version"], d)
            for r in await self._database.rows("ticket_decisions", wanted)
            if (d := decision_of(r["data"]))
        )
        active = [d for version, d in decisions if version == row["decided_version"]]
        return Told(
            ticket=ticket_of(row, messages_of(await self._database.value("ticket_messages", wanted))),
            version=row["version"],
            open=row["open"],
            connector=row["connector"],
            received_at=row["received_at"],
            updated_at=row["updated_at"],
            decision=active[0] if active else None,
            decisions=decisions,
            actions=tuple(HumanAction(**r) for r in await self._database.rows("ticket_actions", wanted)),
            secrets=tuple(Secret(**r) for r in await self._database.rows("ticket_secrets", wanted)),
            ledger=await self.ledger(ticket_id),
        )

    async def ledger(self, ticket_id: str) -> tuple[Recorded, ...]:
        """The ledger of one ticket in order; it outlives the ticket."""
        return tuple(
            Recorded(r["id"], r["at"], LedgerEntry(r["kind"], r["ticket_id"], from_json(r["data"])))
            for r in await self._database.rows("ledger_of", storable(ticket_id))
        )

    async def record(self, entries: Sequence[LedgerEntry]) -> None:
        """Add lines to the ledger that belong to no transaction of intake."""
        await self._database.changed(
            "record",
            [e.kind for e in entries],
            [e.ticket_id for e in entries],
            [to_json(e.data) for e in entries],
        )

    async def observed(
        self, cursor: int | None = None, limit: int = 50, *, signature: str | None = None
    ) -> Page[Observed]:
        """Decisions side by side with where people put the ticket last, the latest assignment first."""
        rows = await self._database.rows("observed", cursor, limit + 1, signature)
        found = tuple(Observed(**row) for row in rows[:limit])
        return Page(found, found[-1].seq if len(rows) > limit else None)

    async def recent_tickets(
        self, signature: str, *, within: timedelta, fewer_than: int, limit: int
    ) -> tuple[str, ...]:
        """Ids of open tickets decided with this signature within the last ``within``, the latest first.

        Only those whose decision counted fewer than ``fewer_than`` accounts.
        """
        rows = await self._database.rows("recent_tickets", signature, within, fewer_than, limit)
        return tuple(row["id"] for row in rows)

    # ------------------------------------------------------------ what facts are made of
    async def put_accounts(self, accounts: Sequence[Account]) -> None:
        """Store what is known of accounts; the last of two with one id wins."""
        last = list({a.id: a for a in accounts}.values())
        await self._database.changed(
            "put_accounts",
            [storable(a.id) for a in last],
            [storable(a.name) for a in last],
            [a.plan for a in last],
            [a.annual_value for a in last],
            [a.tier for a in last],
            [a.region for a in last],
            [a.identity_provider for a in last],
        )

    async def account(self, account_id: str) -> Account:
        """What is known of an account.

        Raises:
            NotFound: nothing was ever stored of it.
        """
        row = await self._database.row("account", storable(account_id))
        if row is None:
            raise NotFound(f"there is no account {account_id!r}")
        return Account(**row)

    async def add_deployments(self, deployments: Sequence[Deployment]) -> int:
        """Store deployments; how many were new."""
        return await self._database.changed(
            "add_deployments",
            [storable(d.service) for d in deployments],
            [storable(d.version) for d in deployments],
            [d.at for d in deployments],
        )

    async def set_health(self, states: Sequence[Health]) -> None:
        """Store how services are; an older report never replaces a newer one."""
        last = list({h.service: h for h in states}.values())
        await self._database.changed(
            "set_health", [storable(h.service) for h in last], [h.status for h in last], [h.at for h in last]
        )

    # ------------------------------------------------------------ upkeep
    async def due_checks(self, limit: int = 100, *, command: str = "check_ticket") -> tuple[str, ...]:
        """Turn due tickets into commands of that kind, with ``ticket_id`` and ``due``; their ids.

        Any number of processes may sweep at once; none gets a ticket of another.
        """
        rows = await self._database.rows("due_checks", limit, command)
        if rows:
            self.on_commands()
        return tuple(row["id"] for row in rows)

    async def order(self, commands: Sequence[Command]) -> int:
        """Order commands outside a transaction of intake; how many were new."""
        new = await self._database.changed(
            "order_commands",
            [c.kind for c in commands],
            [storable(c.key) for c in commands],
            [to_json(c.payload) for c in commands],
            [c.run_at for c in commands],
        )
        if new:
            self.on_commands()
        return new

    async def forget_expired(self) -> dict[str, int]:
        """Remove what has expired, a few thousand rows of each kind at most; how many of each."""
        return {name.removeprefix("forget_"): await self._database.changed(name) for name in FORGET}

    async def health(self) -> dict[str, str]:
        """The server's and the schema's version; the answer itself shows that the database is there."""
        async with self._database.read() as connection:
            return {
                "postgresql": connection.get_settings().server_version,
                "schema": str(await migrate.check(connection)),
            }

    async def counts(self) -> Counts:
        """Figures for metrics, cheap at any size."""
        return Counts(**await self._database.row("counts"))
