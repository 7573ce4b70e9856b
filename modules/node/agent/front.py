"""A way to the API that outlasts a restart of this master's own API server: it leads to one that is ready.

Local machines have no load balancer: the port of this computer that leads to the API leads here, on the first master.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
import time
from pathlib import Path

from agent import api, kubectl

PORT = 6444
CHUNK = 1 << 16
FRESH_SECONDS, CONNECT_SECONDS = 1, 3  # how long an answer counts


class Front:
    """`document` is the file of the release, which names the masters; `own` is the address of this one."""

    def __init__(self, document: Path, own: str) -> None:
        self._document, self._own = document, own
        self._ready: list[str] = []
        self._looked = -float(FRESH_SECONDS)
        self._looking = asyncio.Lock()

    async def serve(self) -> None:
        """Lead connections to API servers until stopped."""
        server = await asyncio.start_server(self._lead, "0.0.0.0", PORT)
        async with server:
            await server.serve_forever()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection to the first API server that takes it, for as long as either end keeps it."""
        with contextlib.closing(writer):
            async with self._looking:
                await self._look()
            for address in [*self._ready, self._own]:
                try:
                    opening = asyncio.open_connection(address, api.PORT)
                    there, back = await asyncio.wait_for(opening, CONNECT_SECONDS)
                except (OSError, TimeoutError):
                    continue
                with contextlib.closing(back):
                    await asyncio.gather(_copy(reader, back), _copy(there, writer))
                return

    async def _look(self) -> None:
        """Find the masters whose API servers are ready, the nearest first. One that is alone is not asked."""
        if time.monotonic() - self._looked < FRESH_SECONDS:
            return
        machines = json.loads(self._document.read_text())["control_plane"].values()
        addresses = sorted((m["address"] for m in machines if m["role"] == "master"), key=lambda a: a != self._own)
        if len(addresses) > 1:
            tls = ssl.create_default_context(cafile=str(kubectl.KEYS / "ca.crt"))
            looks = (asyncio.to_thread(api.answers, address, tls, "/readyz", CONNECT_SECONDS) for address in addresses)
            answers = await asyncio.gather(*looks)
            addresses = [address for address, ready in zip(addresses, answers, strict=True) if ready]
        self._ready, self._looked = addresses, time.monotonic()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Send what comes from `source` to `target`, and its end too."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


def main() -> None:
    """Serve until stopped; the arguments are the file of the release and this machine's address."""
    asyncio.run(Front(Path(sys.argv[1]), sys.argv[2]).serve())


if __name__ == "__main__":
    main()
