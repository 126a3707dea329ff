"""A viewer without a browser: speaks Streamlit's protocol over a WebSocket and keeps what a page would show."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_PLACEHOLDER_TOKEN = "PLACEHOLDER_AUTH_TOKEN"


@dataclass(frozen=True)
class Element:
    """An element on the page: its kind, its message, the fragment, the run and the script that drew it."""

    kind: str
    proto: Any
    fragment: str
    run: int
    script: str


class Session:
    """One viewer: what is shown, what has gone wrong, and the means to move controls."""

    def __init__(self, address: str, page: str = "", query: str = "", via: tuple[str, int] | None = None) -> None:
        """Prepare a viewer of an address; via is the host and port to connect to instead, as behind another name.

        Via another host the origin is sent as a browser sends it.
        """
        self._via: Any = (
            {} if via is None else {"host": via[0], "port": via[1], "origin": f"http://{urlsplit(address).hostname}"}
        )
        self._address = address.replace("http", "ws", 1) + "/_stcore/stream"
        self.page, self._query = page, dict(parse_qsl(query))
        self.session, self.is_disconnected, self.bytes, self.runs, self.finished, self.edits = "", False, 0, 0, 0, 0
        self.complaints: list[str] = []
        self.elements: dict[tuple[int, ...], Element] = {}
        self._states: dict[str, WidgetState] = {}
        self._hashes: dict[str, str] = {}
        self._hash, self._shown_script_hash, self._fragments = "", "", frozenset[str]()
        self._started_runs: dict[str, int] = {}  # fragment, or none for the whole page -> the latest run that draws it
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Condition()
        self._messages: deque[str] = deque(maxlen=150)
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, as the same session where there has been one, and ask for the page."""
        names: Any = ["streamlit", _PLACEHOLDER_TOKEN, *([self.session] if self.session else [])]
        self._socket = await connect(
            self._address,
            subprotocols=names,
            max_size=None,
            compression=None,
            ping_interval=None,
            open_timeout=60,
            **self._via,
        )
        self.is_disconnected = False
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

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the address, as the browser shows it."""
        return dict(self._query)

    async def go_back(self, query: dict[str, str]) -> None:
        """Go back in the history to an address of the same page with these parameters."""
        self._query = dict(query)
        self._states.clear()
        await self.rerun(from_history=True)

    async def rerun(
        self, fragment: str = "", page: str | None = None, by_itself: bool = False, from_history: bool = False
    ) -> None:
        """Ask for a run of the page, another page or a fragment."""
        if page is not None:
            self.page, self._hash = page, self._hashes.get(page, "")
            self._states.clear()
        message = BackMsg()
        self._record(f"asks for {fragment or 'the page'}{' by itself' if by_itself else ''}")
        state = message.rerun_script
        state.query_string, state.fragment_id, state.is_auto_rerun = urlencode(self._query), fragment, by_itself
        state.is_history_navigation = from_history
        state.page_name, state.page_script_hash = ("", self._hash) if self._hash else (self.page, "")
        state.widget_states.widgets.extend(self._states.values())
        if self._socket:
            try:
                await self._socket.send(message.SerializeToString())
            except ConnectionClosed:
                self.is_disconnected = True
        for key, state in list(self._states.items()):
            if state.WhichOneof("value") == "trigger_value":
                del self._states[key]

    async def move(self, kind: str, label: str, value: Any, until: str | None = None, timeout: float = 60.0) -> float:
        """Give a control a value; the seconds until the run it asked for is drawn and shows until, or refuses."""
        started = time.monotonic()
        control = await self._wait_for_control(kind, label, timeout)
        state = WidgetState(id=control.proto.id)
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
        self._states[control.proto.id] = state
        if key := getattr(control.proto, "query_param_key", ""):
            self._query[key] = str(value)
        before = self.runs
        await self.rerun(control.fragment)

        def drawn() -> bool:
            # The end of a run may go unsaid where the next one has begun; a later end then stands for it.
            latest = max(self._started_runs.get("", 0), self._started_runs.get(control.fragment, 0))
            return before < latest <= self.finished and (
                until is None or bool(self.find_text(until)) or self.shows_alert()
            )

        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.is_disconnected or drawn())
        except TimeoutError:
            raise TimeoutError(
                f"no {label!r} {value} after {timeout:.0f} s: asked of {control.fragment or 'the page'} after run "
                f"{before}, then begun {self._started_runs}, finished {self.finished} of {self.runs}"
            ) from None
        return time.monotonic() - started

    async def _wait_for_control(self, kind: str, label: str, timeout: float) -> Element:
        """A control; between two runs of a page it may be gone for a moment."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.is_disconnected or self.find(kind, label))
        except TimeoutError:
            pass
        control = self.find(kind, label)
        if control is None:
            raise LookupError(f"no {kind} {label!r} on page {self.page!r}")
        return control

    async def wait_for_first_run(self, timeout: float = 60.0) -> None:
        """Wait until the first run has been drawn."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(
                lambda: self.is_disconnected or (self.finished > 0 and self.finished == self.runs)
            )

    async def visit(self, page: str, timeout: float = 60.0) -> None:
        """Go to another page and wait until it has been drawn."""
        before = self.runs
        await self.rerun(page=page)
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(
                lambda: self.is_disconnected or before < self._started_runs.get("", 0) <= self.finished
            )

    def find(self, kind: str, label: str = "") -> Element | None:
        """The first element of a kind whose label begins so."""
        return next((e for e in self.elements.values() if e.kind == kind and e.proto.label.startswith(label)), None)

    def all(self, *kinds: str) -> list[Element]:
        """The elements of these kinds that can be moved."""
        return [e for e in self.elements.values() if e.kind in kinds and not getattr(e.proto, "disabled", False)]

    def find_text(self, pattern: str) -> str | None:
        """The first match in any text of the page."""
        for element in self.elements.values():
            if element.kind in ("markdown", "html", "alert") and (match := re.search(pattern, element.proto.body)):
                return match[0]
        return None

    def shows_alert(self) -> bool:
        """Whether the page tells in a sentence why it draws nothing."""
        return any(element.kind == "alert" for element in self.elements.values())

    @property
    def job(self) -> str | None:
        """The line about the training, as the sidebar shows it."""
        line = self.find_text(r"^:material/school: .*")
        return line.removeprefix(":material/school: ") if line else None

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for data in self._socket:
                self.bytes += len(data)
                message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
                self._handle(message)
                async with self._changed:
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.is_disconnected = True
            async with self._changed:
                self._changed.notify_all()

    def _record(self, what: str) -> None:
        self._messages.append(f"{time.monotonic():.3f} {what}")

    def history(self) -> str:
        """Return the latest messages in both directions and the elements shown, for an error message."""
        shown = (f"{path} {e.kind} {getattr(e.proto, 'label', '')} of run {e.run}" for path, e in self.elements.items())
        return "\n    ".join(("", *self._messages, "shown: " + "; ".join(shown)))

    def _handle(self, message: ForwardMsg) -> None:
        if message.HasField("delta"):
            self._record(f"delta {list(message.metadata.delta_path)} {message.delta.fragment_id[:6]}")
        else:
            self._record(
                f"{message.WhichOneof('type')} {message.script_finished} {list(message.metadata.run.fragment_ids)}"
            )
        match message.WhichOneof("type"):
            case "new_session":
                session = message.new_session
                self.session = session.initialize.session_id or self.session
                if (
                    session.page_script_hash != self._shown_script_hash
                ):  # as a browser does, what another page has drawn goes at once
                    main_script_hash = session.main_script_hash
                    self.elements = {
                        path: element for path, element in self.elements.items() if element.script == main_script_hash
                    }
                self._shown_script_hash = session.page_script_hash
                self._hash, self._fragments = session.page_script_hash, frozenset(message.metadata.run.fragment_ids)
                self.runs += 1
                self._started_runs |= dict.fromkeys(self._fragments or [""], self.runs)
                if not self._fragments:
                    self._cancel_timers(*self._timers)
            case "navigation":
                self._hashes = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
                self._shown_script_hash = self._hash = message.navigation.page_script_hash or self._hash
            case "delta":
                self._handle_delta(message)
            case "auto_rerun":
                request = message.auto_rerun
                self._cancel_timers(request.fragment_id)
                self._timers[request.fragment_id] = asyncio.create_task(
                    self._tick(request.fragment_id, request.interval)
                )
            case "stop_auto_rerun":
                self._cancel_timers(*message.stop_auto_rerun.fragment_ids)
            case "script_finished":
                self._finish(message.script_finished)
            case "page_info_changed":
                self._query = dict(parse_qsl(message.page_info_changed.query_string))
            case "session_event":
                self.edits += message.session_event.WhichOneof("type") == "script_changed_on_disk"

    def _handle_delta(self, message: ForwardMsg) -> None:
        path, delta = tuple(message.metadata.delta_path), message.delta
        if delta.WhichOneof("type") == "add_block":
            return
        element = delta.new_element
        kind = element.WhichOneof("type") or "empty"
        self.elements[path] = Element(
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

    def _cancel_timers(self, *fragments: str) -> None:
        for fragment in fragments:
            if timer := self._timers.pop(fragment, None):
                timer.cancel()

    async def _tick(self, fragment: str, interval: float) -> None:
        while not self.is_disconnected:
            await asyncio.sleep(interval)
            await self.rerun(fragment, by_itself=True)
