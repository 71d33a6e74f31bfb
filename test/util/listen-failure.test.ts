import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenFailure } from '../../src/util/listen-failure.ts';

const at = { what: 'libp2p', flag: '--listen', address: { host: '127.0.0.1', port: 7421 } };

test('what libp2p says of a port that is taken becomes one line with the remedy', () => {
  const text = [
    'Some configured addresses failed to be listened on, you may need to remove one or more listen addresses from your',
    'configuration or set `transportManager.faultTolerance` to NO_FATAL:',
    '  /ip4/127.0.0.1/tcp/7421: Error: listen EADDRINUSE: address already in use 127.0.0.1:7421',
    '    at Server.setupListenHandle [as _listen2] (node:net:2328:16)',
  ].join('\n');
  const { code, message, remedy } = listenFailure(new Error(text), at);
  assert.equal(code, 'conflict');
  assert.equal(message, 'libp2p cannot listen on 127.0.0.1:7421: the port is taken (EADDRINUSE)');
  assert.match(remedy ?? '', /another shoal.*--listen/);
});

test('an address of another machine and a port for root are not told as taken', () => {
  const elsewhere = listenFailure(new Error('listen EADDRNOTAVAIL: address not available 10.9.9.9:7421'), at);
  assert.match(elsewhere.message, /this machine has no such address/);
  assert.equal(elsewhere.remedy, 'Choose an address of this machine with --listen.');
  const low = listenFailure(new Error('listen EACCES: permission denied 127.0.0.1:80'), at);
  assert.match(low.message, /below 1024/);
  assert.equal(low.remedy, 'Choose a higher port with --listen.');
});
