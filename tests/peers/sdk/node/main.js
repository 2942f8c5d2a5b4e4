// Calls of AWS KMS by the SDK for JavaScript, which finds its endpoint as any program's does: a job a line on stdin,
// {"op": "Decrypt", "input": {...}}, or each argument; an answer a line on stdout, {"ok": {...}} or {"error": {...}}. Bytes are
// base64.
"use strict";

const readline = require("node:readline");
const kms = require("@aws-sdk/client-kms");

const BYTES = new Set(["CiphertextBlob", "Message", "Plaintext", "PublicKey"]);

function bytesOf(name, value) {
  return BYTES.has(name) ? Buffer.from(value, "base64") : value;
}

function textOf(name, value) {
  const bytes = value instanceof Uint8Array || value?.type === "Buffer";
  return bytes ? Buffer.from(value).toString("base64") : value;
}

function describe(e) {
  const meta = e.$metadata ?? {};
  return {
    class: e.constructor.name, code: e.name, message: e.message,
    status: meta.httpStatusCode ?? 0, request_id: meta.requestId ?? "", attempts: meta.attempts ?? 1,
  };
}

async function main() {
  const client = new kms.KMSClient();
  const words = process.argv.slice(2);
  for await (const line of words.length ? words : readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line, bytesOf);
    let answer;
    try {
      const { $metadata, ...ok } = await client.send(new kms[`${job.op}Command`](job.input));
      answer = { ok };
    } catch (e) {
      answer = { error: describe(e) };
    }
    console.log(JSON.stringify(answer, textOf));
  }
}

main();
