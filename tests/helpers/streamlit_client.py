"""A viewer without a browser: speaks Streamlit's protocol over a WebSocket and keeps what a page would show."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_NOBODY = "PLACEHOLDER_AUTH_TOKEN"


@dataclass(frozen=True)
class Shown:
    """An element on the page: its kind, its message, the fragment, the run and the script that drew it."""

    kind: str
    proto: Any
    fragment: str
    run: int
    script: str


class Viewer:
    """One viewer: what is shown, what has gone wrong, and the means to move controls."""

    def __init__(self, address: str, page: str = "", query: str = "") -> None:
        self._address = address.replace("http", "ws", 1) + "/_stcore/stream"
        self.page, self._query = page, dict(parse_qsl(query))
        self.session, self.lost, self.bytes, self.runs, self.finished, self.edits = "", False, 0, 0, 0, 0
        self.complaints: list[str] = []
        self.elements: dict[tuple[int, ...], Shown] = {}
        self._states: dict[str, WidgetState] = {}
        self._hashes: dict[str, str] = {}
        self._hash, self._shown, self._fragments = "", "", frozenset[str]()
        self._begun: dict[str, int] = {}  # fragment, or none for the whole page -> the latest run that draws it
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._news = asyncio.Condition()
        self._heard: deque[str] = deque(maxlen=150)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, as the same session where there has been one, and ask for the page."""
        names: Any = ["streamlit", _NOBODY, *([self.session] if self.session else [])]
        self._socket = await connect(
            self._address, subprotocols=names, max_size=None, compression=None, ping_interval=None, open_timeout=60
        )
        self.lost = False
        self._reader = asyncio.create_task(self._read())
        await self.rerun()

    async def close(self) -> None:
        """Leave, without a word, as a closed tab does."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._reader:
            self._reader.cancel()
        if self._socket:
            await self._socket.close()

    async def rerun(self, fragment: str = "", page: str | None = None, by_itself: bool = False) -> None:
        """Ask for a run of the page, another page or a fragment."""
        if page is not None:
            self.page, self._hash = page, self._hashes.get(page, "")
            self._states.clear()
        message = BackMsg()
        self._hear(f"asks for {fragment or 'the page'}{' by itself' if by_itself else ''}")
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = urlencode(self._query), fragment, by_itself
        state.page_name, state.page_script_hash = ("", self._hash) if self._hash else (self.page, "")
        state.widget_states.widgets.extend(self._states.values())
        if self._socket:
            try:
                await self._socket.send(message.SerializeToString())
            except ConnectionClosed:
                self.lost = True
        for key, state in list(self._states.items()):
            if state.WhichOneof("value") == "trigger_value":
                del self._states[key]

    async def move(self, kind: str, label: str, value: Any, until: str | None = None, timeout: float = 60.0) -> float:
        """Give a control a value; the seconds until the run it asked for is drawn and shows until, or refuses."""
        began = time.monotonic()
        found = await self._awaited(kind, label, timeout)
        state = WidgetState(id=found.proto.id)
        match kind:
            case "slider" if isinstance(value, str):
                state.string_array_value.data.append(value)
            case "slider":
                state.double_array_value.data.append(value)
            case "number_input":
                state.double_value = value
            case "button":
                state.trigger_value = True
            case _:
                state.string_value = value
        self._states[found.proto.id] = state
        if key := getattr(found.proto, "query_param_key", ""):
            self._query[key] = str(value)
        before = self.runs
        await self.rerun(found.fragment)

        def drawn() -> bool:
            # The end of a run may go unsaid where the next one has begun; a later end then stands for it.
            latest = max(self._begun.get("", 0), self._begun.get(found.fragment, 0))
            return before < latest <= self.finished and (until is None or bool(self.says(until)) or self.refuses())

        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self.lost or drawn())
        except TimeoutError:
            raise TimeoutError(
                f"no {label!r} {value} after {timeout:.0f} s: asked of {found.fragment or 'the page'} after run "
                f"{before}, then begun {self._begun}, finished {self.finished} of {self.runs}"
            ) from None
        return time.monotonic() - began

    async def _awaited(self, kind: str, label: str, timeout: float) -> Shown:
        """A control; between two runs of a page it may be gone for a moment."""
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: self.lost or self.find(kind, label))
        except TimeoutError:
            pass
        found = self.find(kind, label)
        if found is None:
            raise LookupError(f"no {kind} {label!r} on page {self.page!r}")
        return found

    async def settled(self, timeout: float = 60.0) -> None:
        """Wait until the first run has been drawn."""
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: self.lost or (self.finished > 0 and self.finished == self.runs))

    async def visit(self, page: str, timeout: float = 60.0) -> None:
        """Go to another page and wait until it has been drawn."""
        before = self.runs
        await self.rerun(page=page)
        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: self.lost or before < self._begun.get("", 0) <= self.finished)

    def find(self, kind: str, label: str = "") -> Shown | None:
        """The first element of a kind whose label begins so."""
        return next((e for e in self.elements.values() if e.kind == kind and e.proto.label.startswith(label)), None)

    def all(self, *kinds: str) -> list[Shown]:
        """The elements of these kinds that can be moved."""
        return [e for e in self.elements.values() if e.kind in kinds and not getattr(e.proto, "disabled", False)]

    def says(self, pattern: str) -> str | None:
        """The first match in any text of the page."""
        for element in self.elements.values():
            if element.kind in ("markdown", "html", "alert") and (found := re.search(pattern, element.proto.body)):
                return found[0]
        return None

    def refuses(self) -> bool:
        """Whether the page tells in a sentence why it draws nothing."""
        return any(element.kind == "alert" for element in self.elements.values())

    @property
    def job(self) -> str | None:
        """The line about the training, as the sidebar shows it."""
        line = self.says(r"^:material/school: .*")
        return line.removeprefix(":material/school: ") if line else None

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for data in self._socket:
                self.bytes += len(data)
                message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
                self._take(message)
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.lost = True
            async with self._news:
                self._news.notify_all()

    def _hear(self, what: str) -> None:
        self._heard.append(f"{time.monotonic():.3f} {what}")

    def history(self) -> str:
        """What was lately asked and heard, and what is shown, for a complaint."""
        shown = (f"{path} {e.kind} {getattr(e.proto, 'label', '')} of run {e.run}" for path, e in self.elements.items())
        return "\n    ".join(("", *self._heard, "shown: " + "; ".join(shown)))

    def _take(self, message: ForwardMsg) -> None:
        if message.HasField("delta"):
            self._hear(f"delta {list(message.metadata.delta_path)} {message.delta.fragment_id[:6]}")
        else:
            self._hear(
                f"{message.WhichOneof('type')} {message.script_finished} {list(message.metadata.run.fragment_ids)}"
            )
        match message.WhichOneof("type"):
            case "new_session":
                new = message.new_session
                self.session = new.initialize.session_id or self.session
                if new.page_script_hash != self._shown:  # as a browser does, what another page has drawn goes at once
                    here = new.main_script_hash
                    self.elements = {path: one for path, one in self.elements.items() if one.script == here}
                self._shown = new.page_script_hash
                self._hash, self._fragments = new.page_script_hash, frozenset(message.metadata.run.fragment_ids)
                self.runs += 1
                self._begun |= dict.fromkeys(self._fragments or [""], self.runs)
                if not self._fragments:
                    self._silence(*self._timers)
            case "navigation":
                self._hashes = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
                self._shown = self._hash = message.navigation.page_script_hash or self._hash
            case "delta":
                self._draw(message)
            case "auto_rerun":
                ask = message.auto_rerun
                self._silence(ask.fragment_id)
                self._timers[ask.fragment_id] = asyncio.create_task(self._tick(ask.fragment_id, ask.interval))
            case "stop_auto_rerun":
                self._silence(*message.stop_auto_rerun.fragment_ids)
            case "script_finished":
                self._finish(message.script_finished)
            case "session_event":
                self.edits += message.session_event.WhichOneof("type") == "script_changed_on_disk"

    def _draw(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        if delta.WhichOneof("type") == "add_block":
            return
        element = delta.new_element
        kind = element.WhichOneof("type") or "empty"
        self.elements[path] = Shown(
            kind, getattr(element, kind, None), delta.fragment_id, self.runs, message.metadata.active_script_hash
        )
        if kind == "exception":
            self.complaints.append(f"{element.exception.type}: {element.exception.message}")

    def _finish(self, status: int) -> None:
        early, broken = ForwardMsg.FINISHED_EARLY_FOR_RERUN, ForwardMsg.FINISHED_WITH_COMPILE_ERROR
        if status == broken:
            self.complaints.append("the script does not compile")
        if status != early:
            self.elements = {
                path: element
                for path, element in self.elements.items()
                if element.run == self.runs or (self._fragments and element.fragment not in self._fragments)
            }
            self.finished = self.runs

    def _silence(self, *fragments: str) -> None:
        for fragment in fragments:
            if timer := self._timers.pop(fragment, None):
                timer.cancel()

    async def _tick(self, fragment: str, interval: float) -> None:
        while not self.lost:
            await asyncio.sleep(interval)
            await self.rerun(fragment, by_itself=True)
