"""Who sends a request, as far as fairness goes."""

import ipaddress

from fastapi import Request

from service.observability.middleware import client_address


def client_of(request: Request) -> str:
    """The name of the key, or the address: of IPv6 the part that a network is given."""
    key: str | None = getattr(request.state, "key", None)
    if key is not None:
        return f"key {key}"
    address = client_address(request.scope.get("client")) or "unknown"
    if ":" in address:
        network = ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False)
        return str(network)
    return address
