"""Powertools' resolver, logger and metrics, as their pages show them."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger(service="notes")
metrics = Metrics(namespace="Notes", service="notes")
app = APIGatewayHttpResolver()
rest_app = APIGatewayRestResolver()


@app.get("/notes/<number>")
@rest_app.get("/notes/<number>")
def read(number):
    if number == "100":
        raise NotFoundError("no such note")
    logger.info("read", extra={"number": number})
    metrics.add_metric(name="Read", unit=MetricUnit.Count, value=1)
    return {"text": f"note {number}"}


@app.post("/notes")
def write():
    note = app.current_event.json_body
    logger.append_keys(stars=note["stars"])
    logger.warning("written")
    return {"text": note["text"]}, 201


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event, context):
    return app.resolve(event, context)


def rest(event, context):
    return rest_app.resolve(event, context)
