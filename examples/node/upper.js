#!/usr/bin/env node
// Gives back in capitals what it is sent. Aetherless's protocol for executables: serve HTTP on
// AETHER_TRIGGER_PORT, then connect to AETHER_SOCKET and say READY; when that connection is
// closed, nobody will ask any more.
"use strict";
const http = require("http");
const net = require("net");

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const text = Buffer.concat(pieces).toString().toUpperCase();
    response.setHeader("x-greeting", process.env.GREETING || "");
    response.end(text);
  });
});

server.listen(Number(process.env.AETHER_TRIGGER_PORT), "127.0.0.1", () => {
  const line = net.connect(process.env.AETHER_SOCKET, () => line.write("READY"));
  line.on("close", () => process.exit(0));
  line.on("error", () => process.exit(1));
  line.resume();
});
