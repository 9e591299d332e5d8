"""Mints founders, recognises them by their token, opens them on other devices."""

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.api_gateway.errors import FounderUnknownError
from services.api_gateway.limits import Limits
from services.api_gateway.store import CommandKey, Store
from services.api_gateway.wire.views import FounderLink, FounderView

__all__ = ["FounderService", "NewFounder"]

_TOKEN_BYTES = 32
_LINK_SECONDS = 600
_CACHE_SECONDS = 60.0
_CACHE_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class NewFounder:
    """A founder and a token that only this device will ever have."""

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

    async def create_link(
        self, founder_id: str, token: str, request_id: UUID, *, origin: str
    ) -> FounderLink:
        """Make a link for another device.

        Its secret is derived from the token that came along, so that a repeated
        request gives the same link although only a hash is stored. Raises
        `RateLimitedError`, `RequestIdReusedError` and `StoreUnavailableError`.
        """
        await self._limits.charge_change(founder_id, request_id)
        derived = hmac.digest(token.encode(), f"link {request_id}".encode(), "sha256")
        secret = base64.urlsafe_b64encode(derived).decode().rstrip("=")
        link_hash = _hashed(secret)
        key = CommandKey(founder_id, "founder.link", str(request_id), link_hash)
        expires_at = await self._store.create_link(
            key, link_hash, lifetime_seconds=_LINK_SECONDS
        )
        return FounderLink(url=f"{origin}/link#{secret}", expires_at=expires_at)

    async def redeem_link(
        self, secret: str, request_id: UUID, *, address: str
    ) -> NewFounder:
        """Give a device a token of its own for the link's founder.

        Charges the address. Raises `LinkInvalidError`, `RateLimitedError` and
        `StoreUnavailableError`.
        """
        await self._limits.charge_link(address)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        token_hash = _hashed(token)
        founder = await self._store.redeem_link(
            _hashed(secret), request_id=str(request_id), token_hash=token_hash
        )
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
        now = self._clock()
        self._known[token_hash] = (now + _CACHE_SECONDS, founder)
        self._known.move_to_end(token_hash)
        while len(self._known) > _CACHE_ENTRIES or self._oldest_until() <= now:
            self._known.popitem(last=False)

    def _oldest_until(self) -> float:
        until, _ = next(iter(self._known.values()))
        return until


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
