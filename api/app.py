"""The application: finds the routes, puts a guard before each, and gives every refusal one form.

Routers are the modules of ``api.routes`` and ``api.pages`` that have a ``router``; nothing needs to be listed here.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import pkgutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ExceptionHandler

from api import problems
from api.guard import Guard, RouteWithoutPermission
from api.middleware import Faults, HeadAsGet, Measured, Measures, SecurityHeaders
from api.openapi import describe
from landdb.config import Settings
from landdb.config import settings as process_settings
from landdb.db.transaction import Database
from landdb.errors import LandError
from landdb.files import FileStore
from landdb.sealing.keys import Keys, load_keys

ROUTE_PACKAGES: Final = ("api.routes", "api.pages")
STATIC: Final = Path(__file__).parent.parent / "web" / "static"
GZIP_FROM_BYTES: Final = 1400  # below one network packet nothing is saved


def create_app(
    database: Database,
    files: FileStore,
    *,
    keys: Keys | None = None,
    settings: Settings | None = None,
    routers: Iterable[APIRouter] | None = None,
    static: Path | None = STATIC,
) -> FastAPI:
    """The whole HTTP face on one database.

    ``keys`` null: read or made as the settings say. ``routers`` null: all that are found (tests give their own).
    Raises: ``RouteWithoutPermission`` where a route does not name one of the known permissions.
    """
    configured = settings or process_settings()
    app = FastAPI(
        title="LandDB",
        version=_version(),
        lifespan=_lifespan,
        openapi_url=None,  # served by api.routes.docs, which has its permission like any other route
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect of a POST loses its body; an address has one form
    )
    app.state.database = database
    app.state.files = files
    app.state.settings = configured
    app.state.keys = keys or load_keys(configured)
    app.state.measures = Measures()
    app.state.refusal_page = _refusal_page()
    _add_handlers(app)
    for router in list(_found_routers()) if routers is None else routers:
        for route in router.routes:
            app.router.routes.append(guarded(route))
    if static is not None and static.is_dir():
        app.router.routes.append(Mount("/static", StaticFiles(directory=static), name="static"))
    _add_middleware(app)
    describe(app)
    return app


def guarded(route: Any) -> APIRoute:
    """The route behind its door; a copy, since a router may serve several applications."""
    if not isinstance(route, APIRoute):
        raise RouteWithoutPermission(f"{getattr(route, 'path', route)!r} is no plain route: put it into its own module")
    inner = copy.copy(route)
    inner.app = Guard(route.app, route)
    return inner


def _found_routers() -> Iterator[APIRouter]:
    for package in ROUTE_PACKAGES:
        if importlib.util.find_spec(package) is None:
            continue
        folder = importlib.import_module(package).__path__
        for module in sorted(pkgutil.iter_modules(folder), key=lambda found: found.name):
            router = getattr(importlib.import_module(f"{package}.{module.name}"), "router", None)
            if isinstance(router, APIRouter):
                yield router


def _refusal_page() -> Any:
    """How the pages show a refusal to a person, where there are pages (``api.pages.refusal.refusal_page``)."""
    if importlib.util.find_spec("api.pages") is None or importlib.util.find_spec("api.pages.refusal") is None:
        return None
    return importlib.import_module("api.pages.refusal").refusal_page


def _add_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Any] = {
        LandError: problems.of_error,
        HTTPException: problems.of_router,
        RequestValidationError: problems.of_validation,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, cast("ExceptionHandler", handler))


def _add_middleware(app: FastAPI) -> None:
    """The last added stands outermost."""
    app.add_middleware(Faults)
    app.add_middleware(HeadAsGet)
    app.add_middleware(GZipMiddleware, minimum_size=GZIP_FROM_BYTES, compresslevel=5)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, measures=app.state.measures)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """As many threads as database connections: more would only wait for one another in the pool."""
    size = getattr(app.state.database.engine.pool, "size", None)
    if callable(size):
        anyio.to_thread.current_default_thread_limiter().total_tokens = max(2, int(size()))
    yield


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("landdb")
    except PackageNotFoundError:  # run from the folder, not installed
        return "0"
