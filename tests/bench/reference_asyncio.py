"""The service's function on `asyncio.start_server(ssl=…)`: no log, no metrics, no limits."""

from __future__ import annotations

import asyncio
import contextlib

from tests.bench.reference_python import READ_SIZE, answers, new_decoder, settings


async def main() -> None:
    """Serves until it is killed."""
    verifier, context, port = settings()

    async def phone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = new_decoder()
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_SIZE):
                decoder.receive_data(data)
                writer.write(answers(decoder, verifier))
        with contextlib.suppress(OSError):
            writer.close()

    server = await asyncio.start_server(phone, "127.0.0.1", port, ssl=context, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
