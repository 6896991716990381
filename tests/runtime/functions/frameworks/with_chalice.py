"""A Chalice application, which takes events of AWS's REST form only."""

from chalice import Chalice, NotFoundError, Response

app = Chalice(app_name="notes")


@app.route("/")
def index():
    return {"query": app.current_request.query_params and dict(app.current_request.query_params)}


@app.route("/notes", methods=["GET", "POST"], cors=True)
def notes():
    request = app.current_request
    if request.method == "GET":
        return {"host": request.headers["Host"], "client": request.context["identity"]["sourceIp"]}
    return Response(
        {"text": request.json_body["text"], "function": request.lambda_context.function_name},
        status_code=201,
        headers={"X-Stars": "3", "Set-Cookie": ["a=1", "b=2"]},
    )


@app.route("/notes/{number}/{part}")
def part(number, part):
    return [number, part, app.current_request.uri_params]


@app.route("/missing")
def missing():
    raise NotFoundError("no such note")


@app.route("/binary", methods=["POST"], content_types=["application/octet-stream"])
def binary():
    return Response(app.current_request.raw_body[::-1], headers={"Content-Type": "image/png"})
