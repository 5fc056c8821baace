"""A small OpenAI-compatible server of a made-up language model: `python server.py PORT`."""

import asyncio
import json
import sys

import model


async def answer(reader, writer):
    try:
        await serve_one(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def serve_one(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    _, path, _ = lines[0].split()
    size = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
    body = await reader.readexactly(size)
    if path in ("/health", "/flush_cache"):
        plain(writer, b"{}")
    elif path == "/v1/models":
        plain(writer, json.dumps({"data": [{"id": "made-up"}]}).encode())
    elif path == "/v1/completions":
        await complete(writer, json.loads(body))
    else:
        plain(writer, b"{}", "404 Not Found")


def plain(writer, body, status="200 OK"):
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


async def complete(writer, asked):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for count, word in enumerate(model.words(asked["prompt"], asked["max_tokens"]), 1):
        chunk = {"choices": [{"text": word, "index": 0}], "usage": {"completion_tokens": count}}
        writer.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()


async def main(port):
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))
