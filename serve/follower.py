"""How a replica keeps up with what all replicas should serve.

Invariant: what a replica serves changes only to a catalogue that it could load whole; until then, and while
nobody can be asked, it serves on what it has. One that it could not load it tries again ever more seldom;
another one at once.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable

from serve.catalogue import Catalogue
from serve.catalogues import Catalogues, Failure
from serve.fleet import Fleet
from serve.meters import Meters
from serve.problems import Problem

SYNC_S = 0.5
"""How often a replica asks what it should serve."""
HEARTBEAT_S = 2.0
RETRY_MOST_S = 60.0
"""A catalogue that cannot be loaded is tried again after `SYNC_S`, then after twice as long, up to this: each
load costs time that decisions want, and what is missing may yet come."""
logger = logging.getLogger("ray.serve")


class Follower:
    """Keeps a fleet at the shared catalogue, and its meters there for whoever asks for all; `share` hears how
    many replicas there are."""

    def __init__(
        self,
        fleet: Fleet,
        catalogues: Catalogues,
        meters: Meters,
        share: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet, self._catalogues, self._meters, self._share = fleet, catalogues, meters, share
        self._clock = clock
        self._name = secrets.token_hex(4)
        self._failure: Failure | None = None
        self._wait_s, self._again = 0.0, 0.0

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(SYNC_S)
            await self.catch_up()

    async def catch_up(self) -> None:
        """`sync`, as far as that can be done now."""
        try:
            await self.sync()
        except Exception:  # the keeper is being replaced: what is served is served on
            logger.exception("the shared catalogue cannot be asked")

    async def sync(self) -> Catalogue:
        """Say what is served here, hear what should be, and serve that; returns it, served or not."""
        wanted = await self.tell()
        if wanted.revision <= self._fleet.catalogue.revision:
            return wanted
        failed = self._failure
        if failed is None or wanted != failed.catalogue:
            self._wait_s = 0.0
        elif self._clock() < self._again:
            return wanted
        try:
            following = asyncio.ensure_future(self._fleet.follow(wanted))
            while not (await asyncio.wait([following], timeout=HEARTBEAT_S))[0]:
                try:
                    await self.tell()  # a load may take long, and a silent replica counts as gone
                except Exception:  # the load goes on, and what comes of it is told later
                    logger.exception("the shared catalogue cannot be told of a load")
            following.result()
            self._failure = None
        except Problem as problem:
            failure = Failure(wanted, problem.detail)
            if failure != failed:
                logger.warning("revision %d cannot be served: %s", wanted.revision, problem.detail)
            self._failure = failure
            self._wait_s = min(max(SYNC_S, 2 * self._wait_s), RETRY_MOST_S)
            self._again = self._clock() + self._wait_s
        return await self.tell()

    async def tell(self) -> Catalogue:
        """Say what is served and counted here; returns what should be served."""
        serving, metrics = self._fleet.catalogue, self._meters.text()
        wanted = await self._catalogues.sync(self._name, serving, self._failure, metrics)
        self._share(wanted.replicas)
        return wanted.catalogue
