"""A FastAPI application behind Mangum."""

from fastapi import FastAPI, HTTPException, Request, Response
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()


class Note(BaseModel):
    text: str
    stars: int = 0


@app.get("/notes/{number}")
def read(number: int, upper: bool = False):
    if number > 99:
        raise HTTPException(404, "no such note")
    text = f"note {number} \u00e9"
    return {"text": text.upper() if upper else text}


@app.post("/notes", status_code=201)
async def write(note: Note, request: Request, response: Response):
    response.set_cookie("last", note.text)
    response.set_cookie("stars", str(note.stars))
    context = request.scope["aws.context"]
    return {"note": note, "function": context.function_name, "client": request.client.host}


@app.get("/image")
def image():
    return Response(b"\x89PNG\xff\x00", media_type="image/png")


handler = Mangum(app)
