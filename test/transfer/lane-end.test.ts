import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { listenForLanes, makeLaneIdentity } from './support/lane-end.ts';

test('a lane end of the tests lets those go who hang up before they have said who they are', async () => {
  const lanes: Socket[] = [];
  const { port, server } = await listenForLanes(await makeLaneIdentity(), { plain: true }, (lane) => lanes.push(lane));
  for (const word of ['', 'SHL1', 'something else']) {
    const socket = connect(port, '127.0.0.1');
    socket.end(word);
    socket.resume();
    await once(socket, 'close');
  }
  assert.deepEqual(lanes, []);
  server.close();
  await once(server, 'close');
});
