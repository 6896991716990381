"""The second argument of a handler, and the environment that its module finds.

The names are those of the AWS Lambda Developer Guide, "Using the Lambda context object to retrieve
Python function information" and "Working with Lambda environment variables" (the variables that
the runtime defines); what they hold is as in AWS's runtime client for Python (awslambdaric).

Only what is built in is imported here: each instance of a function pays for it.
"""

from __future__ import annotations

import sys
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "$LATEST"
# What only AWS has: the account of the events, and the region that `sam local` takes for want of
# another.
ACCOUNT_ID = "000000000000"
REGION = "us-east-1"


class Context:
    """What a handler can learn of its call.

    Attributes:
        function_name: the function's.
        function_version: always "$LATEST".
        invoked_function_arn: of AWS's form, in an account that nobody has.
        memory_limit_in_mb: of the function, as a str: so it is at AWS.
        aws_request_id: the request's own.
        log_group_name: of AWS's form; no such group exists.
        log_stream_name: of AWS's form without the date; the instance's own.
        identity, client_context, tenant_id: None; they come from AWS's mobile SDK and tenants.
    """

    __slots__ = (
        "_deadline_ns", "aws_request_id", "function_name", "invoked_function_arn",
        "log_group_name", "log_stream_name", "memory_limit_in_mb",
    )  # fmt: skip

    function_version = VERSION
    identity = None
    client_context = None
    tenant_id = None

    def __init__(
        self, name: str, memory_mb: int, instance_id: str, request_id: str, deadline_ns: int
    ) -> None:
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}"
        self.memory_limit_in_mb = str(memory_mb)
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = f"[{VERSION}]{instance_id}"
        self._deadline_ns = deadline_ns

    def get_remaining_time_in_millis(self) -> int:
        """How long the handler may still take: its process is ended after that."""
        return max(0, (self._deadline_ns - monotonic_ns()) // 1_000_000)

    def log(self, message: object) -> None:
        """Writes to the log: an entry of its own, hence with the line's end that AWS needs not."""
        text = str(message)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()

    def __repr__(self) -> str:
        return (
            f"Context(aws_request_id={self.aws_request_id!r}, "
            f"function_name={self.function_name!r}, function_version={self.function_version!r}, "
            f"invoked_function_arn={self.invoked_function_arn!r}, "
            f"memory_limit_in_mb={self.memory_limit_in_mb!r}, "
            f"log_group_name={self.log_group_name!r}, log_stream_name={self.log_stream_name!r})"
        )


def environment_of(
    name: str, memory_mb: int, handler: str, outside: Mapping[str, str]
) -> dict[str, str]:
    """The variables that AWS's runtime defines and handlers read, for a function's process.

    They are defaults: what the function's configuration says goes before them, the region above
    all. Region and time zone are those of the runtime where it has them, so that whoever gives it
    his credentials need not say twice where they are for. Left out is what does not exist here
    (credentials, the runtime's interface, X-Ray) and what is not the function's but an instance's
    (AWS_LAMBDA_LOG_STREAM_NAME: see `Context`).

    Args:
        name: of the function.
        memory_mb: that it may take.
        handler: as configured.
        outside: the runtime's own variables.
    """
    region = outside.get("AWS_REGION") or outside.get("AWS_DEFAULT_REGION") or REGION
    return {
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": outside.get("AWS_DEFAULT_REGION") or region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": region,
        "TZ": outside.get("TZ") or ":UTC",
    }
