"""Many clients that download slowly: a process of its own for bench/downloads.py. Ends when it is killed.

usage: slow_clients.py URL COUNT
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from urllib.parse import SplitResult, urlsplit

PACE = 64 * 1024  # bytes a second of each


async def main(url: SplitResult, count: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    begun = [asyncio.Event() for _ in range(count)]
    crowd = [asyncio.create_task(_download(url, context, event)) for event in begun]
    for event in begun:
        await event.wait()
    print("all are downloading", flush=True)
    await asyncio.gather(*crowd)


async def _download(url: SplitResult, context: ssl.SSLContext, begun: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context, limit=PACE)
    writer.write(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode())
    while block := await reader.read(PACE):
        begun.set()
        await asyncio.sleep(len(block) / PACE)
    raise RuntimeError("a download ended")


if __name__ == "__main__":
    asyncio.run(main(urlsplit(sys.argv[1]), int(sys.argv[2])))
