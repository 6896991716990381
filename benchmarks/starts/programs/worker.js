// What runs in a Node.js instance: imports, READY, then requests until the line is cut.
// The protocol is that of worker.py.
"use strict";
const interpreterNs = process.hrtime.bigint(); // CLOCK_MONOTONIC
const net = require("net");

const HEAD_BYTES = 24;
const [script, name, modules] = process.argv.slice(2);
for (const module of modules.split(",").filter(Boolean)) require(module);
const handler = require(script)[name];
if (typeof handler !== "function") throw new Error(`${script} has no function ${name}`);
const importedNs = process.hrtime.bigint();

const connection = net.connect(process.env.AETHER_SOCKET, () => connection.write("READY"));
let parts = [];
let held = 0;

function answerTo(request) {
  let status = 0;
  let answer;
  try {
    answer = handler(request);
  } catch (error) {
    status = 1;
    answer = Buffer.from(`${error.name}: ${error.message}`).subarray(0, 65536);
  }
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(status, 0);
  head.writeUInt32LE(answer.length, 4);
  head.writeBigUInt64LE(interpreterNs, 8);
  head.writeBigUInt64LE(importedNs, 16);
  connection.cork(); // head and answer leave together
  connection.write(head);
  connection.write(answer);
  connection.uncork();
}

connection.on("data", (part) => {
  parts.push(part);
  held += part.length;
  while (held >= 4) {
    if (parts[0].length < 4) parts = [Buffer.concat(parts)];
    const size = parts[0].readUInt32LE(0);
    if (held < 4 + size) return;
    const all = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    const rest = all.subarray(4 + size);
    parts = rest.length ? [rest] : [];
    held = rest.length;
    answerTo(all.subarray(4, 4 + size));
  }
});
connection.on("error", () => process.exit(1));
connection.on("end", () => process.exit(0));
