// An executable that follows the handler protocol: tells what it was asked.
"use strict";
const http = require("http");
const net = require("net");

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    response.setHeader("X-Asked", `${request.method} ${request.url}`);
    response.end(Buffer.concat(parts));
  });
});
server.listen(Number(process.env.AETHER_TRIGGER_PORT), "127.0.0.1", () => {
  const runtime = net.connect(process.env.AETHER_SOCKET, () => runtime.write("READY"));
  runtime.on("close", () => process.exit(0)); // nobody will ask any more
  runtime.resume();
});
