"""The busiest routes, called without FastAPI's machinery around them.

For every request FastAPI matches a route, opens three exit stacks and solves a tree of
dependencies: a third of a charge's time in the event loop. A route with a fixed address whose
dependencies ask for nothing but the request needs none of it: here the same dependencies, body
model, function and exception handlers are called in the same order. Whatever deviates, such as a
body that is no JSON, is left to FastAPI, which stands behind with the same route.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Handler = Callable[[Request, Any], Any]
"""Gives a response, which FastAPI's types let it also give without being awaited; ours never do."""
JSON = (b"content-type", b"application/json")


class Direct:
    """Stands before an application and answers what is for these routes.

    Args:
        handlers: What becomes of exceptions, by class, as the application was told.
    """

    def __init__(
        self, app: ASGIApp, routes: Iterable[APIRoute], handlers: Mapping[Any, Handler]
    ) -> None:
        self._app = app
        self._handlers = handlers
        self._routes = {
            (method, route.path): _Called(route)
            for route in routes
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, here or in the application behind."""
        called = scope["type"] == "http" and self._routes.get((scope["method"], scope["path"]))
        if not called or JSON not in scope["headers"]:
            await self._app(scope, receive, send)
            return
        received: list[Message] = []

        async def noting() -> Message:
            received.append(await receive())
            return received[-1]

        request = Request(scope, noting)
        try:
            body = await request.json()
        except (ValueError, RecursionError, ClientDisconnect):  # FastAPI has an answer to that
            await self._app(scope, _again(received, receive), send)
            return
        scope["route"] = called.route
        response = await self._answer(called, request, body)
        await response(scope, receive, send)

    async def _answer(self, called: "_Called", request: Request, body: Any) -> Response:
        try:
            return await called(request, body)
        except Exception as error:
            for kind in type(error).__mro__:
                if kind in self._handlers:
                    response: Response = await self._handlers[kind](request, error)
                    return response
            raise


class _Called:
    """One route: what its function asks for, found out once."""

    def __init__(self, route: APIRoute) -> None:
        asked = route.dependant
        plain = not (
            asked.path_params or asked.query_params or asked.header_params or asked.cookie_params
        )
        assert plain and len(asked.body_params) == 1, f"{route.path} asks for more than a body"
        for one in asked.dependencies:
            wants = {"request": one.request_param_name}
            assert wants == {"request": "request"} and not one.dependencies, f"{one.name} asks more"
        self.route = route
        self._function: Callable[..., Awaitable[Response]] = route.endpoint
        self._body = asked.body_params[0]
        self._dependencies: list[tuple[str, Any]] = [
            (one.name or "", one.call) for one in asked.dependencies
        ]

    async def __call__(self, request: Request, body: Any) -> Response:
        """The function's answer.

        Raises:
            RequestValidationError: The body is not what the route asks for.
        """
        values = {name: await dependency(request) for name, dependency in self._dependencies}
        values[self._body.name], errors = self._body.validate(body, {}, loc=("body",))
        if errors:
            raise RequestValidationError(errors, body=body)
        return await self._function(**values)


def _again(received: list[Message], receive: Receive) -> Receive:
    """The messages once more, then those to come."""
    waiting = iter(received)

    async def replayed() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replayed
