"""Load on a server of this machine: ``wrk`` where it is installed, else as many Python threads. Bounded in time; loopback only.

python benchmarks/load.py URL SECONDS COOKIES.txt        the fallback, as a process of its own
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 8

_LUA = """
local cookies = {}
for line in io.lines(os.getenv("BENCH_COOKIES")) do cookies[#cookies + 1] = line end
local number = 0
request = function()
  number = number % #cookies + 1
  if cookies[number] ~= "" then wrk.headers["Cookie"] = cookies[number] end
  return wrk.format()
end
local wanted = os.getenv("BENCH_EXPECT")
local function told(headers, body)
  if body:find(wanted, 1, true) then return true end
  for _, value in pairs(headers) do if value:find(wanted, 1, true) then return true end end
  return false
end
if wanted then
  wrong = 0
  local threads = {}
  function setup(thread) threads[#threads + 1] = thread end
  response = function(status, headers, body)
    if status >= 400 or not told(headers, body) then wrong = wrong + 1 end
  end
  done = function()
    for _, thread in ipairs(threads) do
      if thread:get("wrong") > 0 then print("Wrong answers: " .. thread:get("wrong")) end
    end
  end
end
"""


class Wrong(RuntimeError):
    """The server did not answer as it should."""


class Nothing(Wrong):
    """The server did not answer in time, not once."""


def load(
    url: str,
    seconds: float,
    cookies: Sequence[str],
    headers: Sequence[tuple[str, str]],
    folder: Path,
    core: int | None,
    expect: str | None = None,
) -> tuple[float, int]:
    """Requests per second, and how many there were. Cycles through *cookies*. Raises :class:`Wrong` if any answer was an error, or did not say
    *expect* in its body or one of its headers.
    """
    done = run(url, seconds, cookies, headers, folder, core, expect)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done)
    total = re.search(r"(\d+) requests in", done)
    if rate is None or total is None:
        raise Wrong(f"{url}: {done}")
    if not int(total[1]):
        raise Nothing(f"{url}: no answer within {seconds} s")
    return float(rate[1]), int(total[1])


def run(
    url: str,
    seconds: float,
    cookies: Sequence[str],
    headers: Sequence[tuple[str, str]],
    folder: Path,
    core: int | None,
    expect: str | None = None,
) -> str:
    """The same; what the program that makes the load has printed."""
    listed = folder / "cookies.txt"
    listed.write_text("".join(cookie + "\n" for cookie in cookies or [""]))
    environ = {**os.environ, "BENCH_COOKIES": str(listed), "BENCH_HEADERS": json.dumps(list(headers))}
    if expect is not None:
        environ["BENCH_EXPECT"] = expect
    wrk = shutil.which("wrk")
    if wrk:
        script = folder / "cycle.lua"
        script.write_text(_LUA)
        # wrk knows whole seconds only.
        command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout", "20s", "-s", str(script)]
        command += [part for name, value in headers for part in ("-H", f"{name}: {value}")] + [url]
    else:
        command = [sys.executable, __file__, url, str(seconds), str(listed)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=seconds + 30, check=True, preexec_fn=pinned(core))
    if re.search(r"Non-2xx or 3xx responses|Socket errors|Wrong answers", done.stdout):
        raise Wrong(f"{url}: {done.stdout}")
    return done.stdout


def pinned(core: int | None) -> Callable[[], None] | None:
    """To be called in a child before it starts: stay on *core*."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core})


def _worker(address: tuple[str, int], requests: list[bytes], until: float, counts: list[int], wrong: list[bytes]) -> None:
    count = 0
    wanted = os.environ.get("BENCH_EXPECT", "").encode()
    with socket.create_connection(address) as sock:
        while time.monotonic() < until:
            sock.sendall(requests[count % len(requests)])
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head.lower())
            while found and len(body) < int(found[1]):
                body += sock.recv(65536)
            if head[9:10] not in (b"2", b"3") or wanted not in data + body:
                wrong.append(head)
                return
            count += 1
    counts.append(count)


def main() -> None:
    """The fallback: one thread for each connection."""
    url, seconds, cookies = urlsplit(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]).read_text().splitlines()
    headers = "".join(f"{name}: {value}\r\n" for name, value in json.loads(os.environ["BENCH_HEADERS"]))
    requests = [
        f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\n{headers}{f'Cookie: {cookie}' if cookie else 'X-None: 1'}\r\n\r\n".encode()
        for cookie in cookies
    ]
    counts: list[int] = []
    wrong: list[bytes] = []
    begin = time.monotonic()
    address = (url.hostname or "127.0.0.1", url.port or 80)
    threads = [threading.Thread(target=_worker, args=(address, requests, begin + seconds, counts, wrong)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        print(f"Non-2xx or 3xx responses: {wrong[0]!r}")
    print(f"{sum(counts)} requests in {seconds} s\nRequests/sec: {sum(counts) / (time.monotonic() - begin)}")


if __name__ == "__main__":
    main()
