import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { EXPIRY_MS } from '../../src/swarm/fleet.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import { addressOf, listeningLog, runSwarm, someModel, until } from './scene.ts';

for (const { when, awayMs } of [
  { when: 'at once', awayMs: 0 },
  { when: 'after the others have dropped its record', awayMs: EXPIRY_MS + 1_000 },
]) {
  test(`a node that starts again ${when}, with its clock set back, is believed all the same`, async () => {
    const privateKey = await generateKeyPair('Ed25519');
    let aheadMs = 0;
    const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + aheadMs };
    await using a = await runSwarm({ name: 'a' }, { clock });
    const joining = { privateKey, name: 'b', bootstrap: [addressOf(a)] };
    const before = await runSwarm({ ...joining, initialSeq: 2_000_000_000_000 });
    before.swarm.gossip.update([someModel('old.gguf')], []);
    await until('a knows what b has', () => a.swarm.fleet.offersOf('old.gguf').length === 1);
    await before[Symbol.asyncDispose]();
    aheadMs = awayMs;
    if (awayMs > 0) await until('its record is dropped', () => a.swarm.fleet.nodes().length === 0);
    const { log, lines } = listeningLog();
    await using b = await runSwarm({ ...joining, initialSeq: 1_000 }, { log });
    b.swarm.gossip.update([someModel('new.gguf')], []);
    await until('a knows what b has now', () => a.swarm.fleet.offersOf('new.gguf').length === 1);
    assert.equal(a.swarm.fleet.offersOf('old.gguf').length, 0);
    assert.equal(lines.filter(({ level, msg }) => level === 'warn' && msg.includes('clock')).length, 1);
  });
}
