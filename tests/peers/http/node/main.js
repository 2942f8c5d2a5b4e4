// What a program in JavaScript asks of the local API by node:http, over the UNIX socket that its argument names: each result is a line.
'use strict';
const http = require('node:http');
const agent = new http.Agent({keepAlive: true, maxSockets: 8});

function ask(what, method, path, headers, ...parts) {
  return new Promise((resolve) => {
    const q = http.request({agent, socketPath: process.argv[2], method, path: '/v1/' + path, headers}, (r) => {
      let n = 0;
      r.on('data', (d) => { n += d.length; });
      r.on('end', () => resolve(`${what} ${r.statusCode} ${n}`));
    });
    q.on('error', (e) => resolve(`${what} failed: ${e}`));
    const send = () => { for (const p of parts) q.write(p); q.end(); };
    if (headers.Expect) { q.on('continue', send); q.flushHeaders(); } else send();
  });
}

(async () => {
  const json = {'Content-Type': 'application/json'};
  console.log(await ask('health', 'GET', 'health', {}));
  console.log(await ask('chunked', 'POST', 'attestation', json, '{"nonce":', '"YWJj"}'));
  console.log(await ask('expect', 'POST', 'attestation', {...json, Expect: '100-continue', 'Content-Length': 2}, '{}'));
  const all = await Promise.all(Array.from({length: 200}, () => ask('random', 'GET', 'random?bytes=1000', {})));
  console.log(`random ${all.filter((x) => x === 'random 200 2014').length}`);
  agent.destroy();
})();
