"""What handlers of AWS's REST form take and give: the HTTP API's payload format 1.0.

The event is that of the Amazon API Gateway Developer Guide, "Create AWS Lambda proxy integrations
for HTTP APIs in API Gateway", and where that page is silent, of the Lambda Test Tool v2 (see
`event`). It has all that a REST API's has, for which such handlers are written.

For functions with `event_format: "1.0"` only.
"""

from __future__ import annotations

from aetherless_py.runtime import event as format_2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aetherless_py.runtime.event import Event
    from aetherless_py.runtime.wire import Headers, Request

# Of who asks, what only AWS's own ways of signing requests would tell.
_NOBODY = dict.fromkeys(
    (
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider",
        "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId",
        "principalOrgId", "user", "userArn",
    )
)  # fmt: skip


def event_of(request: Request) -> Event:
    """The event of a request.

    - `path` is as it came, percent-encoded (the test tool: "rest and httpv1 uses the encoded
      value"). `resource` and `resourcePath` are the same: there are no routes with parameters here,
      so that each path is a route of its own, and `pathParameters` is None.
    - `headers` and `queryStringParameters` have the last value of equal names, the ones that begin
      with `multiValue` have them all. The cookies are a header. Names are in lower case.
    - What a request has not is None. The body is as in format 2.0.

    Never raises, however odd the path, query and headers are.
    """
    all_headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        all_headers.setdefault(name, []).append(value)
    headers = {name: values[-1] for name, values in all_headers.items()}
    parameters = format_2.parameters_of(request.query)
    path = request.path if request.path.isascii() else format_2.percent_encoded(request.path)
    domain = format_2.domain_of(headers.get("host") or "localhost")
    received_ms = request.received_ns // 1_000_000
    body, is_base64 = format_2.body_of(request.body, headers) if request.body else (None, False)
    return {
        "version": "1.0",
        "resource": path,
        "path": path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": all_headers,
        "queryStringParameters": {key: values[-1] for key, values in parameters.items()} or None,
        "multiValueQueryStringParameters": parameters or None,
        "requestContext": {
            "accountId": format_2.ACCOUNT_ID,
            "apiId": format_2.API_ID,
            "authorizer": {"claims": None, "scopes": None},
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "extendedRequestId": request.id,
            "httpMethod": request.method,
            "identity": {
                **_NOBODY,
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": request.id,
            "requestTime": format_2.shown_time(received_ms // 1000),
            "requestTimeEpoch": received_ms,
            "resourceId": None,
            "resourcePath": path,
            "stage": "$default",
        },
        "pathParameters": None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": is_base64,
    }


def respond(result: Any) -> tuple[int, Headers, bytes]:
    """As `event.respond`, but what has no "statusCode" is no response in this format.

    Raises:
        ResponseError: it cannot be sent.
    """
    if isinstance(result, dict):
        found = result
    else:
        from aetherless_py.runtime.odd_answer import response_in, serialised

        found = response_in(serialised(result)) or {}
    if "statusCode" not in found:
        raise format_2.ResponseError("there is no statusCode, which format 1.0 must have")
    return format_2.respond(found)
