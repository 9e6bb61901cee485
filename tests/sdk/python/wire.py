"""The HTTP transport under the SDK's clients: the real one, watched."""

from __future__ import annotations

from collections.abc import Callable

try:
    import httpx2 as httpx
except ImportError:
    import httpx

Request = httpx.Request


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Keeps every request; loses an answer or lets another act first, when told to.

    The connections belong to the two inner transports, which several wires share.
    """

    def __init__(self, blocking: httpx.HTTPTransport, concurrent: httpx.AsyncHTTPTransport) -> None:
        self.requests: list[Request] = []
        self._blocking = blocking
        self._concurrent = concurrent
        self._answers_to_lose: set[str] = set()
        self._interruptions: dict[str, Callable[[], object]] = {}

    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    def lose_the_next_answer_to(self, method: str) -> None:
        """The server gets the next request of this method, and its answer never arrives."""
        self._answers_to_lose.add(method)

    def before_the_next(self, method: str, interruption: Callable[[], object]) -> None:
        self._interruptions[method] = interruption

    def handle_request(self, request: Request) -> httpx.Response:
        self._note(request)
        response = self._blocking.handle_request(request)
        if self._loses_the_answer_to(request):
            response.read()
            response.close()
            raise httpx.ReadError("the answer was lost", request=request)
        return response

    async def handle_async_request(self, request: Request) -> httpx.Response:
        self._note(request)
        response = await self._concurrent.handle_async_request(request)
        if self._loses_the_answer_to(request):
            await response.aread()
            await response.aclose()
            raise httpx.ReadError("the answer was lost", request=request)
        return response

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        interruption = self._interruptions.pop(request.method, None)
        if interruption is not None:
            interruption()

    def _loses_the_answer_to(self, request: Request) -> bool:
        if request.method not in self._answers_to_lose:
            return False
        self._answers_to_lose.remove(request.method)
        return True
