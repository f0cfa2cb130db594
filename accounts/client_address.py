"""Where a request came from, and which network that counts as.

``REMOTE_ADDR`` is what the kernel saw. ``X-Forwarded-For`` is what somebody wrote, and is read only
as far as proxies of ours have appended to it: ``TRUSTED_PROXY_COUNT`` of them, counted from the
right. Everything further left may be invented.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from django.conf import settings
from django.http import HttpRequest

#: What a household or a phone gets; a single address of it costs nothing to change (RFC 6177).
IPV6_PREFIX: Final = 64
#: A request without any address, through a local socket: all such share one counter, none is free.
NOWHERE: Final = IPv4Address(0)


def client_address(request: HttpRequest) -> IPv4Address | IPv6Address:
    """The address of the client. ``::ffff:192.0.2.1`` is the IPv4 address that it is."""
    proxies: int = settings.TRUSTED_PROXY_COUNT
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if 0 < proxies <= len(hops):
        found = _parse(hops[-proxies])
        if found is not None:
            return found
    return _parse(request.META.get("REMOTE_ADDR", "")) or NOWHERE


def client_address_text(request: HttpRequest) -> str:
    """``client_address`` as text: the form that settings of other packages ask for."""
    return str(client_address(request))


def client_network(request: HttpRequest) -> str:
    """What limits count by: the whole IPv4 address, or the /64 of an IPv6 one."""
    address = client_address(request)
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, IPV6_PREFIX), strict=False))


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
