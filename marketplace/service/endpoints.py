"""The table of routes as endpoints of FastAPI: each is a translation, never a rule.

FastAPI learns what an endpoint takes from its signature, so each gets one made from the fields of
its operation or the parameters of its question.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import MISSING
from inspect import Parameter, Signature, cleandoc
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from fastapi import Query as QueryParameter
from pydantic import create_model
from starlette.responses import Response

from marketplace.fields import (
    ACCOUNT_PATTERN,
    HEX64_PATTERN,
    Acts,
    ListingName,
    Number,
)
from marketplace.front import Query
from marketplace.ledger.account_key import RevokeKey
from marketplace.ledger.operation import Operation, view_of
from marketplace.names import NAME
from marketplace.routes import ROUTES, Read, Write
from marketplace.service.answers import (
    Cursor,
    Limit,
    answer,
    check_if_match,
    etag_of,
    page,
    tagged,
    wire,
)
from marketplace.service.caller import Anyone, Caller, Signed
from marketplace.service.change import Change, Changing, must_be_deliverable
from marketplace.service.openapi import Body, model_of, page_of
from marketplace.service.problems import costs
from marketplace.service.state import Here, Service
from marketplace.wire import wire_name

Endpoint = Callable[..., Awaitable[Response]]


async def account_in_path(
    name: Annotated[
        str,
        PathParameter(
            pattern=rf"^{NAME}(~{NAME})?$",
            description="An account, or a mandate as `owner~mandate`.",
            examples=["ada"],
        ),
    ],
) -> str:
    """The account's name: a mandate's slash is a tilde in paths, which proxies leave alone."""
    return name.replace("~", "/")


Account = Annotated[str, Depends(account_in_path)]
_PLACES: Mapping[str, Any] = {
    "name": ListingName,
    "number": Number,
    "public_key": Annotated[str, PathParameter(pattern=HEX64_PATTERN)],
}


def routers() -> list[APIRouter]:
    """One router for each tag."""
    found = []
    for tag, routes in ROUTES.items():
        router = APIRouter(tags=[tag])
        for route in routes:
            if not route.by_hand:
                _add(router, route)
        found.append(router)
    return found


def _add(router: APIRouter, route: Write | Read) -> None:
    if isinstance(route, Write):
        said, view, status = route.kind.__doc__, view_of(route.kind), route.status
        endpoint, method = _writing(route), route.method
    else:
        said, view, status = route.question.function.__doc__, route.question.view, 200
        endpoint, method = _reading(route), "GET"
    router.add_api_route(
        route.path,
        endpoint,
        methods=[method],
        operation_id=route.id,
        name=route.id,
        description=cleandoc(said or "").partition("\n\n")[0],
        response_model=page_of(get_args(view)[0]) if _is_list(view) else model_of(view),
        status_code=status,
    )


def _is_list(view: Any) -> bool:
    return get_origin(view) is list


def body_of(kind: type[Operation[Any]], left_out: set[str]) -> type[Body]:
    """The model of an operation's body: its fields, amounts as decimal credits."""
    hints = get_type_hints(kind, include_extras=True)
    made: dict[str, Any] = {
        wire_name(name): (hints[name], ... if f.default is MISSING else f.default)
        for name, f in kind.sent().items()
        if name not in left_out
    }
    return create_model(f"{kind.__name__}Body", __base__=Body, __doc__=kind.__doc__, **made)


def values_of(kind: type[Operation[Any]], body: Body) -> dict[str, Any]:
    """The operation's fields that a body states."""
    stated = {name: wire_name(name) for name in kind.sent()}
    return {k: getattr(body, v) for k, v in stated.items() if v in type(body).model_fields}


def actor_of(kind: type[Operation[Any]]) -> tuple[str, Acts] | None:
    """The field that says who acts, and how."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Acts):
                return name, mark
    return None


def _writing(route: Write) -> Endpoint:
    kind, places, actor = route.kind, route.places(), actor_of(route.kind)
    asks_party = kind.party is not Operation.party
    hands_over = kind.hands_over is not Operation.hands_over

    async def endpoint(
        request: Request, change: Change, service: Service, body: Body | None = None, **given: Any
    ) -> Response:
        market = service.market
        values = {places[place]: value for place, value in given.items()}
        if body is not None:
            values |= values_of(kind, body)
        operation = kind(key=change.market_key, **values)
        if kind.BY_OPERATOR:
            change.caller.must_operate()
        elif actor is not None:
            name, acts = values[actor[0]], actor[1]
            change.caller.must_be(name.partition("/")[0] if acts is Acts.OWNER else name)
        if asks_party:
            party = await service.read(lambda: market.party(operation))
            assert party is not None
            change.caller.must_see(*party)
        costs(request, lambda: market.due(operation))
        if hands_over:
            await must_be_deliverable(change, operation)
        if route.state is not None:
            await _check_state(request, change, route, route.state, values)
        view = await change.run(lambda _key: market.send(operation))
        if kind is RevokeKey:
            service.speakers.forget()
        if isinstance(view, list):
            return page(view, None, change.caller)
        headers = {"ETag": etag_of(wire(view))} if route.must_match else None
        return answer(view, change.caller, status=route.status, headers=headers)

    taken = [
        _taken("request", Request),
        _taken("change", Changing),
        _taken("service", Here),
        *_placed(route),
    ]
    if route.method != "DELETE":
        taken.append(_taken("body", body_of(kind, set(places.values()))))
    return _signed_as(endpoint, taken)


async def _check_state(
    request: Request,
    change: Change,
    route: Write,
    state: Query[..., Any],
    values: dict[str, Any],
) -> None:
    """Refuse an update of what was not seen, unless it is a repeat of one that was made."""
    service = change.service
    if not route.must_match and "if-match" not in request.headers:
        return
    if not await service.read(lambda: service.market.has_request(change.market_key)):
        seen = await service.read(lambda: service.market.ask(state, values[route.within]))
        check_if_match(request, wire(seen))


def _reading(route: Read) -> Endpoint:
    question, places = route.question, route.places()
    known = question.parameters
    is_list = _is_list(question.view)
    in_query = [n for n in known if n not in (*places.values(), "after", "limit")]
    at_once = "limit" in known

    async def endpoint(
        request: Request,
        caller: Caller | None,
        service: Service,
        limit: int = 0,
        cursor: str | None = None,
        **given: Any,
    ) -> Response:
        values = {places.get(name, name): value for name, value in given.items()}
        if route.whose:
            assert caller is not None
            values[route.whose] = caller.must_be(values.get(route.whose) or caller.name)
        scope = (route.path, *values.values())
        if at_once:
            after = service.cursors.position(scope, cursor, "")
            values |= {"after": after, "limit": limit + 1}
        found = await service.read(lambda: service.market.ask(question, **values))
        if is_list:
            return page(*_part(route, service, scope, found, cursor, limit, at_once), caller)
        if route.party is not None:
            assert caller is not None
            what, field = route.party
            caller.must_see(getattr(found, field), f"{what} {values[route.within]}")
        return tagged(request, wire(found, caller)) if route.tagged else answer(found, caller)

    who = Signed if route.whose or route.party else Anyone
    taken = [_taken("request", Request), _taken("caller", who), _taken("service", Here)]
    taken += _placed(route)
    hints = get_type_hints(question.function, include_extras=True)
    for name in in_query:
        kind = str | None if name == route.whose else hints[name]
        rule = QueryParameter(pattern=ACCOUNT_PATTERN if name == route.whose else None)
        taken.append(_taken(name, Annotated[kind, rule], default=None))
    if is_list:
        taken.append(_taken("limit", Limit, default=route.limit))
        taken.append(_taken("cursor", Cursor, default=None))
    return _signed_as(endpoint, taken)


def _part(
    route: Read,
    service: Service,
    scope: Sequence[object],
    found: list[Any],
    cursor: str | None,
    limit: int,
    at_once: bool,
) -> tuple[list[Any], str | None]:
    """One page, and the next cursor."""

    def place(item: Any) -> Any:
        return getattr(item, route.page_by)

    if at_once:
        return service.cursors.cut(scope, found, place, limit)
    if route.page_by:
        return service.cursors.page_after(scope, found, place, cursor=cursor, limit=limit)
    return service.cursors.page_by_count(scope, found, cursor=cursor, limit=limit)


def _placed(route: Write | Read) -> list[Parameter]:
    """What stands in the address."""
    of_account = route.path.startswith("/v1/accounts/")
    return [
        _taken(place, Account if of_account and place == "name" else _PLACES[place])
        for place in route.places()
    ]


def _taken(name: str, kind: Any, *, default: Any = Parameter.empty) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _signed_as(endpoint: Endpoint, taken: list[Parameter]) -> Endpoint:
    endpoint.__signature__ = Signature(taken, return_annotation=Response)  # type: ignore[attr-defined]
    return endpoint
