"""One table of paths, by Ingress and by HTTPRoute; TLS as it is asked for."""

from typing import Any

from tests.manifests.rendering import (
    ALL_APIS,
    DEVELOPMENT,
    EVERYTHING,
    Manifest,
    Values,
    render,
)

_GATEWAY_PATHS = {
    ("/v1", "Prefix"),
    ("/config.js", "Exact"),
    ("/openapi.json", "Exact"),
    ("/docs", "Exact"),
}
_SHARED = DEVELOPMENT["global"]


def _at(url: str, **values: Any) -> Values:
    return {"global": {**_SHARED, "externalUrl": url}, **values}


def _ingress(values: Values) -> Manifest:
    spec: Manifest = render(values).one("Ingress", "vb")["spec"]
    return spec


def test_nothing_leads_in_unless_asked_for() -> None:
    rendering = render(DEVELOPMENT)
    assert not rendering.of_kind("Ingress")
    assert not rendering.of_kind("HTTPRoute")
    assert not rendering.of_kind("Gateway")


def test_an_ingress_sends_the_api_to_the_gateway_and_the_rest_to_the_page() -> None:
    values = _at("http://coach.example.org:8080", ingress={"enabled": True})
    (rule,) = _ingress(values)["rules"]
    assert rule["host"] == "coach.example.org"
    routes = {
        (path["path"], path["pathType"]): path["backend"]["service"]
        for path in rule["http"]["paths"]
    }
    page = routes.pop(("/", "Prefix"))
    assert page == {"name": "vb-frontend", "port": {"name": "http"}}
    assert set(routes) == _GATEWAY_PATHS
    assert all(
        service == {"name": "vb-api-gateway", "port": {"name": "http"}}
        for service in routes.values()
    )


def test_an_ingress_needs_no_annotation_and_no_class() -> None:
    values = _at("http://coach.example.org", ingress={"enabled": True})
    ingress = render(values).one("Ingress", "vb")
    assert "annotations" not in ingress["metadata"]
    assert set(ingress["spec"]) == {"rules"}
    values["ingress"] = {
        "enabled": True,
        "className": "some",
        "annotations": {"a": "b"},
    }
    ingress = render(values).one("Ingress", "vb")
    assert ingress["spec"]["ingressClassName"] == "some"
    assert ingress["metadata"]["annotations"] == {"a": "b"}


def test_a_route_has_the_same_table_and_lets_sockets_last() -> None:
    route = render(EVERYTHING, apis=ALL_APIS).one("HTTPRoute", "vb")["spec"]
    api, page = route["rules"]
    paths = {
        (match["path"]["value"], match["path"]["type"]) for match in api["matches"]
    }
    kinds = {"Prefix": "PathPrefix", "Exact": "Exact"}
    assert paths == {(path, kinds[kind]) for path, kind in _GATEWAY_PATHS}
    assert api["backendRefs"] == [{"name": "vb-api-gateway", "port": 8000}]
    assert api["timeouts"] == {"request": "0s"}
    assert page["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert page["backendRefs"] == [{"name": "vb-frontend", "port": 8080}]
    assert route["hostnames"] == ["coach.example.org"]


def test_a_route_goes_to_gateways_that_exist_and_to_its_own() -> None:
    own = {"create": True, "className": "some"}
    parent = {"name": "shared", "namespace": "edge", "sectionName": "https"}
    for gateway, parents in (
        ({}, [parent]),
        (own, [parent, {"name": "vb"}]),
    ):
        api = {"enabled": True, "parentRefs": [parent], "gateway": gateway}
        rendering = render(_at("http://coach.example.org", gatewayApi=api))
        assert rendering.one("HTTPRoute", "vb")["spec"]["parentRefs"] == parents
        assert bool(rendering.of_kind("Gateway")) == bool(gateway)


def test_a_gateway_of_its_own_listens_where_it_is_told() -> None:
    gateway = {"create": True, "className": "some", "httpPort": 81, "httpsPort": 444}
    values = _at(
        "https://coach.example.org", gatewayApi={"enabled": True, "gateway": gateway}
    )
    plain = render(values).one("Gateway", "vb")["spec"]
    assert plain["gatewayClassName"] == "some"
    assert [(one["protocol"], one["port"]) for one in plain["listeners"]] == [
        ("HTTP", 81)
    ]
    (listener,) = render(values | {"tls": {"secretName": "coach"}}).one(
        "Gateway", "vb"
    )["spec"]["listeners"]
    assert (listener["protocol"], listener["port"]) == ("HTTPS", 444)
    assert listener["tls"]["certificateRefs"] == [{"name": "coach"}]


def test_tls_comes_from_a_secret() -> None:
    values = _at("https://coach.example.org", ingress={"enabled": True})
    assert "tls" not in _ingress(values)
    values["tls"] = {"secretName": "coach-tls"}
    assert _ingress(values)["tls"] == [
        {"hosts": ["coach.example.org"], "secretName": "coach-tls"}
    ]


def test_cert_manager_fills_the_secret_where_it_is_there() -> None:
    assert not render(EVERYTHING).of_kind("Certificate")
    certificate = render(EVERYTHING, apis=ALL_APIS).one("Certificate", "vb")["spec"]
    assert certificate == {
        "secretName": "coach-tls",
        "dnsNames": ["coach.example.org"],
        "issuerRef": {
            "name": "some",
            "kind": "ClusterIssuer",
            "group": "cert-manager.io",
        },
    }


def test_the_gateway_is_told_its_address() -> None:
    config = render(_at("https://coach.example.org:8443")).one(
        "ConfigMap", "vb-api-gateway"
    )
    url = config["data"]["VB_GATEWAY_EXTERNAL_URL"]
    assert url == "https://coach.example.org:8443"
    silent = render(DEVELOPMENT).one("ConfigMap", "vb-api-gateway")["data"]
    assert "VB_GATEWAY_EXTERNAL_URL" not in silent
