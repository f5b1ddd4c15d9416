"""The published policy, compiled once per version and shared by everything in the process."""

from __future__ import annotations

import asyncio

from rung.core.compiled import Compiled, compile_policy
from rung.errors import Broken
from rung.policy.load import load_files
from rung.ports import Policies, Transactions

KEPT = 4
"""Versions kept compiled: the current one and those that just were, for requests still on their way."""


class Published:
    """Compiled policies by version.

    ``current`` is the version seen last; every flush compares it with the pointer it reads, so a publish by
    any process is followed at the next decision.
    """

    def __init__(self, policies: Policies, current: str = "") -> None:
        self._policies = policies
        self._compiled: dict[str, Compiled] = {}
        self._loading = asyncio.Lock()
        self.current = current

    async def get(self, version: str) -> Compiled:
        """The compiled policy of a version, which becomes the current one.

        Raises:
            Broken: nothing was ever published.
            NotFound: the version is not in the store.
        """
        if not version:
            raise Broken("no policy is published yet: run `rung publish`")
        compiled = self._compiled.get(version)
        if compiled is None:
            async with self._loading:
                compiled = self._compiled.get(version)
                if compiled is None:
                    files = await self._policies.files(version)
                    # Compiling takes tens of milliseconds; the loop goes on meanwhile.
                    compiled = await asyncio.to_thread(
                        lambda: compile_policy(load_files(files, checked_before=True))
                    )
                    self._compiled[version] = compiled
                    while len(self._compiled) > KEPT:
                        del self._compiled[next(iter(self._compiled))]
        self.current = version
        return compiled

    async def follow(self, transactions: Transactions) -> Compiled:
        """The policy that the store's pointer names now.

        Raises:
            Broken: nothing was ever published.
            Unavailable: the database does not answer.
        """
        async with transactions.begin() as work:
            looked = await work.look((), window_minutes=1, deployment_minutes=1)
        return await self.get(looked.policy)
