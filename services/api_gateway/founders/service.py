"""Mints founders and recognises them by the token they carry."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.api_gateway.errors import FounderUnknownError
from services.api_gateway.limits import Limits
from services.api_gateway.store import Store
from services.api_gateway.wire.views import FounderView

__all__ = ["FounderService", "NewFounder"]

_TOKEN_BYTES = 32
_CACHE_SECONDS = 60.0
_CACHE_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class NewFounder:
    """A founder and the token only they will ever have."""

    founder: FounderView
    token: str


class FounderService:
    """Founders by token; the store knows the token's hash alone.

    Founders never change, so one read is trusted for a minute.
    """

    def __init__(
        self,
        *,
        store: Store,
        limits: Limits,
        cookie_name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limits = limits
        self._clock = clock
        self.cookie_name = cookie_name
        self._known: OrderedDict[str, tuple[float, FounderView]] = OrderedDict()

    async def create(self, *, address: str) -> NewFounder:
        """Mint a founder; charges the address.

        Raises `RateLimitedError` and `StoreUnavailableError`.
        """
        await self._limits.charge_founder(address)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        token_hash = _hashed(token)
        founder = await self._store.create_founder(token_hash)
        self._remember(token_hash, founder)
        return NewFounder(founder=founder, token=token)

    async def founder_of(
        self, headers: Mapping[str, str], cookies: Mapping[str, str]
    ) -> FounderView:
        """Find the founder whose token came with a request or a handshake.

        An Authorization header is preferred to the cookie. Raises
        `FounderUnknownError` without a valid token.
        """
        token = self.token_of(headers, cookies)
        if token is None:
            raise FounderUnknownError(
                "no founder token came with the request; "
                "POST /v1/founder gives one as a cookie or, on request, in its body"
            )
        founder = await self._by_hash(_hashed(token))
        if founder is None:
            raise FounderUnknownError("the founder token is not known here")
        return founder

    def token_of(
        self, headers: Mapping[str, str], cookies: Mapping[str, str]
    ) -> str | None:
        """Take the token out of a request without judging it.

        Raises `FounderUnknownError` on an Authorization of another scheme.
        """
        authorization = headers.get("authorization")
        if authorization is None:
            return cookies.get(self.cookie_name) or None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise FounderUnknownError("Authorization has to be `Bearer <token>`")
        return token.strip()

    async def _by_hash(self, token_hash: str) -> FounderView | None:
        entry = self._known.get(token_hash)
        if entry is not None and entry[0] > self._clock():
            return entry[1]
        founder = await self._store.founder_by_token(token_hash)
        if founder is not None:
            self._remember(token_hash, founder)
        return founder

    def _remember(self, token_hash: str, founder: FounderView) -> None:
        self._known[token_hash] = (self._clock() + _CACHE_SECONDS, founder)
        self._known.move_to_end(token_hash)
        while len(self._known) > _CACHE_ENTRIES:
            self._known.popitem(last=False)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
