"""A Flask application behind apig-wsgi."""

from apig_wsgi import make_lambda_handler
from flask import Flask, abort, jsonify, make_response, request

app = Flask(__name__)


@app.get("/notes/<int:number>")
def read(number):
    if number > 99:
        abort(404, "no such note")
    return jsonify(text=f"note {number} \u00e9", upper=request.args.get("upper"))


@app.post("/form")
def form():
    response = make_response(f"{request.form['name']} from {request.remote_addr}", 201)
    response.set_cookie("last", request.form["name"])
    response.set_cookie("seen", request.cookies.get("last", "never"))
    return response


@app.post("/upload")
def upload():
    return request.files["file"].read(), 200, {"content-type": "application/octet-stream"}


handler = make_lambda_handler(app)
