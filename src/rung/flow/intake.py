"""Intake: arrivals in, decisions out, one transaction for many callers at once (group commit).

Callers that arrive while a transaction is under way wait together for the next one; each is answered after
the commit that holds its ticket. One bad arrival never fails its neighbours: the batch is split.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from rung.core.compiled import Compiled
from rung.core.read import read
from rung.errors import Conflict, Invalid, NotFound, RungError, Unavailable
from rung.flow.merge import storable
from rung.flow.published import Published
from rung.flow.settle import Prepared, SameBatch, asked_of, prepare, settle
from rung.model import Decision, Reading
from rung.ports import Arrival, Asked, Looked, Reply, Taken, Transactions, UnitOfWork

BATCH = 200
"""At most so many arrivals in one transaction."""
FLUSHERS = 2
"""Transactions under way at once: while one waits for the disk the other one decides."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one arrival. ``decision`` is the ticket's active one after the commit."""

    ticket_id: str
    created: bool
    decision: Decision | None
    added_messages: int = 0


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key, a hash of its request, and how to make the reply that is stored with the tickets."""

    key: str
    fingerprint: str
    render: Callable[[Sequence[Result]], Reply]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller gets: a result per arrival, and the stored reply if it gave an idempotency key.

    ``replayed`` is true when the reply is that of an earlier request with the same key.
    """

    results: tuple[Result, ...]
    reply: Reply | None = None
    replayed: bool = False


@dataclass(slots=True)
class _Request:
    """One caller waiting for its commit."""

    arrivals: tuple[Arrival, ...]
    readings: list[Reading]
    policy: str
    idempotency: Idempotency | None
    answer: asyncio.Future[Answer]
    results: list[Result] = field(default_factory=list)


class _Failed(Exception):
    """One request of a batch cannot be done; the others can."""

    def __init__(self, request: _Request, why: RungError) -> None:
        super().__init__(str(why))
        self.request = request
        self.why = why


class Intake:
    """The way in. An async context manager: leaving it answers everything that waits, then stops.

    Args:
        transactions: where to store.
        published: the policies.
        key: keys the fingerprints of masked secrets.
        observe_batch: told the number of arrivals of every committed transaction.
    """

    def __init__(
        self,
        transactions: Transactions,
        published: Published,
        *,
        key: bytes,
        observe_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._transactions = transactions
        self._published = published
        self._key = key
        self._observe_batch = observe_batch
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._flushers: list[asyncio.Task[None]] = []
        self._closing = False

    async def __aenter__(self) -> Self:
        self._flushers = [asyncio.create_task(self._flush_for_ever()) for _ in range(FLUSHERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake.set()
        await asyncio.gather(*self._flushers)

    async def take(self, arrivals: Sequence[Arrival], *, idempotency: Idempotency | None = None) -> Answer:
        """Store and decide; returns after the commit that holds all of ``arrivals``, or raises and stores none.

        Raises:
            Broken: no policy is published.
            NotFound: an arrival is for a ticket that must exist and does not.
            Invalid: the idempotency key came before with another request.
            Unavailable: the database does not answer; nothing was stored, send it again.
        """
        if self._closing:
            raise Unavailable("the server is stopping; send it again")
        if not arrivals and idempotency is None:
            return Answer(())
        if not self._published.current:
            await self._published.follow(self._transactions)
        compiled = await self._published.get(self._published.current)
        kept = tuple(replace(a, ticket=storable(a.ticket)) for a in arrivals)
        request = _Request(
            arrivals=kept,
            readings=[read(compiled, a.ticket, key=self._key) for a in kept],
            policy=compiled.policy.version,
            idempotency=idempotency,
            answer=asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(request)
        self._wake.set()
        return await request.answer

    # ------------------------------------------------------------------ group commit
    async def _flush_for_ever(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            # One turn of the loop lets requests that are already in the sockets join this transaction.
            await asyncio.sleep(0)
            batch = self._next_batch()
            if batch:
                await self._flush(batch)

    def _next_batch(self) -> list[_Request]:
        batch: list[_Request] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].arrivals) <= BATCH):
            request = self._waiting.popleft()
            if not request.answer.cancelled():
                batch.append(request)
                size += len(request.arrivals)
        return batch

    async def _flush(self, batch: list[_Request]) -> None:
        """Commit a batch; on failure take out the guilty request, or split, so that the rest goes in."""
        try:
            await self._commit(batch)
        except _Failed as failed:
            _refuse(failed.request, failed.why)
            rest = [r for r in batch if r is not failed.request]
            if rest:
                await self._flush(rest)
        except Unavailable as gone:
            for request in batch:
                _refuse(request, gone)
        except Exception as error:  # noqa: BLE001 # whatever one ticket provokes, its neighbours must go in
            if len(batch) == 1:
                _refuse(batch[0], error)
                return
            middle = len(batch) // 2
            await self._flush(batch[:middle])
            await self._flush(batch[middle:])

    async def _commit(self, batch: list[_Request]) -> None:
        for attempt in range(TRIES):
            try:
                answers = await self._transact(batch)
            except Conflict:
                if attempt == TRIES - 1:
                    raise
                continue
            break
        self._observe_batch(sum(len(r.arrivals) for r in batch))
        for request, answer in zip(batch, answers, strict=True):
            if not request.answer.done():
                request.answer.set_result(answer)

    async def _transact(self, batch: list[_Request]) -> list[Answer]:
        async with self._transactions.begin() as work:
            keys = [r.idempotency.key for r in batch if r.idempotency]
            ids = {a.ticket.id for r in batch for a in r.arrivals}
            await work.lock(sorted(ids), sorted(set(keys)))
            stored = dict(await work.replies(keys)) if keys else {}
            answers: dict[int, Answer] = {}
            todo: list[_Request] = []
            first: dict[str, _Request] = {}
            for request in batch:
                request.results = []
                reply = self._stored_reply(request, stored)
                twin = first.get(request.idempotency.key) if request.idempotency else None
                if reply is not None:
                    answers[id(request)] = Answer((), reply, replayed=True)
                elif twin is not None:
                    self._same_request(request, twin)
                else:
                    todo.append(request)
                    if request.idempotency:
                        first[request.idempotency.key] = request
            for round_ in _rounds(todo):
                await self._round(work, round_)
            replies = []
            for request in todo:
                reply = request.idempotency.render(request.results) if request.idempotency else None
                answers[id(request)] = Answer(tuple(request.results), reply)
                if reply is not None:
                    replies.append(reply)
            if replies:
                await work.remember(replies)
        for request in batch:
            if id(request) not in answers and request.idempotency:
                twin_answer = answers[id(first[request.idempotency.key])]
                answers[id(request)] = replace(twin_answer, replayed=True)
        return [answers[id(r)] for r in batch]

    def _stored_reply(self, request: _Request, stored: dict[str, Reply]) -> Reply | None:
        """The reply that was given to this key before, if any."""
        if request.idempotency is None:
            return None
        reply = stored.get(request.idempotency.key)
        if reply is not None and reply.fingerprint != request.idempotency.fingerprint:
            raise _Failed(request, _other_request(request.idempotency.key))
        return reply

    def _same_request(self, request: _Request, twin: _Request) -> None:
        """Two requests with one key inside one batch must be the same request."""
        own, other = request.idempotency, twin.idempotency
        if own and other and own.fingerprint != other.fingerprint:
            raise _Failed(request, _other_request(own.key))

    async def _round(self, work: UnitOfWork, round_: list[tuple[_Request, int]]) -> None:
        """Look, decide and write for arrivals of distinct tickets."""
        compiled = await self._published.get(self._published.current)
        asked = [asked_of(r.arrivals[i], r.arrivals[i].ticket, r.readings[i]) for r, i in round_]
        looked = await self._look(work, asked, compiled)
        if looked.policy != compiled.policy.version:
            compiled = await self._published.get(looked.policy)
        if any(r.policy != compiled.policy.version for r, _ in round_):
            for request in {id(r): r for r, _ in round_}.values():
                request.readings = [read(compiled, a.ticket, key=self._key) for a in request.arrivals]
                request.policy = compiled.policy.version
            asked = [asked_of(r.arrivals[i], r.arrivals[i].ticket, r.readings[i]) for r, i in round_]
            looked = await self._look(work, asked, compiled)
        prepared: list[Prepared] = []
        for request, index in round_:
            try:
                prepared.append(
                    prepare(compiled, request.arrivals[index], request.readings[index], looked, self._key)
                )
            except (NotFound, Invalid) as why:
                raise _Failed(request, why) from why
        whole = [p.asked for p in prepared]
        if whole != asked:
            # The whole ticket says something else than its newest message: its facts are others too.
            looked = await self._look(work, whole, compiled)
        same_batch = SameBatch()
        taken: list[Taken] = []
        for (request, _), one, facts in zip(round_, prepared, looked.facts, strict=True):
            settled = settle(compiled, one, looked, facts, same_batch)
            if settled.taken is not None:
                taken.append(settled.taken)
            request.results.append(
                Result(one.ticket.id, settled.created, settled.decision, settled.added_messages)
            )
        if taken:
            await work.write(taken)

    async def _look(self, work: UnitOfWork, asked: Sequence[Asked], compiled: Compiled) -> Looked:
        policy = compiled.policy
        return await work.look(
            asked, window_minutes=policy.window_minutes, deployment_minutes=policy.deployment_minutes
        )


def _rounds(requests: Sequence[_Request]) -> list[list[tuple[_Request, int]]]:
    """Arrivals in order, split so that no round holds one ticket twice."""
    rounds: list[list[tuple[_Request, int]]] = []
    times: dict[str, int] = {}
    for request in requests:
        floor = 0  # results are appended in order, so a request's arrivals never go back a round
        for index, arrival in enumerate(request.arrivals):
            number = max(times.get(arrival.ticket.id, 0), floor)
            times[arrival.ticket.id] = number + 1
            floor = number
            while len(rounds) <= number:
                rounds.append([])
            rounds[number].append((request, index))
    return rounds


def _other_request(key: str) -> Invalid:
    return Invalid(f"Idempotency-Key {key!r} came before with another request; use a new key")


def _refuse(request: _Request, why: BaseException) -> None:
    with suppress(asyncio.InvalidStateError):
        request.answer.set_exception(why)
