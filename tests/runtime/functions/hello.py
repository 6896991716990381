"""Handlers in the form of AWS's samples: no types, nothing of this project."""

import json


def lambda_handler(event, context):
    """As in the "hello world" of a SAM application."""
    return {"statusCode": 200, "body": json.dumps({"message": "hello world"})}


def blank(event, context):
    """As the blank sample: shows what it was given, and answers with what is no response."""
    print("## EVENT " + json.dumps(event))
    return {"event": event, "requestId": context.aws_request_id}


def url(event, context):
    """As the tutorial of function URLs: an answer from the body of a POST."""
    body = json.loads(event["body"])
    product = int(body["length"]) * int(body["width"])
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"area": product, "function": context.function_name}),
    }


def told(event, context):
    """As the page on the context object: reads all that is there."""
    return {
        "arn": context.invoked_function_arn,
        "stream": context.log_stream_name,
        "group": context.log_group_name,
        "request": context.aws_request_id,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
    }
