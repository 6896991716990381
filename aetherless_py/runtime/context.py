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


class Identity:
    """Who asked, by Amazon Cognito, as the mobile SDK tells it: nobody here."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self) -> None:
        self.cognito_identity_id: str | None = None
        self.cognito_identity_pool_id: str | None = None

    def __repr__(self) -> str:
        return (
            f"Identity(cognito_identity_id={self.cognito_identity_id!r}, "
            f"cognito_identity_pool_id={self.cognito_identity_pool_id!r})"
        )


class Context:
    """What a handler can learn of its call; it may set attributes of its own, as decorators do.

    Attributes:
        function_name: the function's.
        function_version: always "$LATEST".
        invoked_function_arn: of AWS's form, in an account that nobody has.
        memory_limit_in_mb: of the function, as a str: so it is at AWS.
        aws_request_id: the request's own.
        log_group_name: of AWS's form; no such group exists.
        log_stream_name: of AWS's form without the date; the instance's own.
        identity: its `cognito_identity_id` and `cognito_identity_pool_id` are None.
        client_context, tenant_id: None; they come from AWS's mobile SDK and tenants.
    """

    function_version = VERSION
    client_context = None
    tenant_id = None

    def __init__(
        self,
        name: str,
        memory_mb: int,
        instance_id: str,
        request_id: str,
        deadline_ns: int,
        region: str = REGION,
    ) -> None:
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{name}"
        self.memory_limit_in_mb = str(memory_mb)
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = f"[{VERSION}]{instance_id}"
        self._deadline_ns = deadline_ns

    def __getattr__(self, name: str) -> Identity:
        # Made for those who ask: few do, and it must be this call's own.
        if name != "identity":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.identity = found = Identity()
        return found

    def get_remaining_time_in_millis(self) -> int:
        """How long the handler may still take: its process is ended after that."""
        return max(0, (self._deadline_ns - monotonic_ns()) // 1_000_000)

    def w3c(self) -> dict[str, str]:
        """The trace that the call belongs to: there is none."""
        return {}

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
    name: str, memory_mb: int, handler: str, outside: Mapping[str, str], task_root: str = ""
) -> dict[str, str]:
    """The variables that AWS's runtime defines and handlers read, for a function's process.

    They are defaults: what the function's configuration says goes before them, the region above
    all. Region and time zone are those of the runtime where it has them, so that whoever gives it
    his credentials need not say twice where they are for. Left out is what does not exist here
    (credentials, the runtime's interface, X-Ray) and what is not the function's but an instance's
    (AWS_LAMBDA_LOG_STREAM_NAME, which the worker sets).

    Args:
        name: of the function.
        memory_mb: that it may take.
        handler: as configured.
        outside: the runtime's own variables.
        task_root: the folder that the function's code lies in; left out where it is empty.
    """
    region = outside.get("AWS_REGION") or outside.get("AWS_DEFAULT_REGION") or REGION
    found = {
        "_HANDLER": handler,
        "AWS_DEFAULT_REGION": outside.get("AWS_DEFAULT_REGION") or region,
        "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": region,
        # The folder that the runtime's own modules are found in, as is boto3 in AWS's.
        "LAMBDA_RUNTIME_DIR": __file__.rpartition("/aetherless_py/")[0],
        "TZ": outside.get("TZ") or ":UTC",
    }
    return {**found, "LAMBDA_TASK_ROOT": task_root} if task_root else found
