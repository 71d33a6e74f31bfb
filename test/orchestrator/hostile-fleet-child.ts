import { LIMITS } from '../../src/orchestrator/limits.ts';
import { RetainedBytes } from '../../src/orchestrator/retained-bytes.ts';
import { ShoalError } from '../../src/util/errors.ts';
import { here, registration, TestFleet } from './fleet-fixture.ts';

/** A client that makes up nodes: how far it gets, and what that costs. With a quarter of the real budget it ends sooner. */

const BUDGET_BYTES = LIMITS.retainedBytes / 4;
const IDS = 20_000;
const NAMES = 10_000;
/** Who is refused so often tries no more heartbeats, only ids: all of them would take minutes and show the same. */
const ENOUGH = 20;

// So many stack traces would take longer than everything else.
Error.stackTraceLimit = 0;
const fleet = await TestFleet.open({ retained: new RetainedBytes({ maxBytes: BUDGET_BYTES }) });
const text = JSON.stringify(Array.from({ length: NAMES }, (_, index) => `${100_000 + index}-${'x'.repeat(500)}`));
let taken = 0;
let refusedHeartbeats = 0;
let refusedRegistrations = 0;
for (let id = 0; id < IDS; id += 1) {
  try {
    await fleet.registry.register(registration(`node-${id}`), here);
  } catch (error) {
    if (!(error instanceof ShoalError && error.code === 'source-busy')) throw error;
    refusedRegistrations += 1;
    continue;
  }
  if (refusedHeartbeats >= ENOUGH) continue;
  try {
    // As it comes from the network: no string is shared with another heartbeat.
    fleet.beat(`node-${id}`, [{ models_available: JSON.parse(text) as string[] }]);
    taken += 1;
  } catch (error) {
    if (!(error instanceof ShoalError && error.code === 'source-busy')) throw error;
    refusedHeartbeats += 1;
  }
}
const rssMiB = Math.round(process.memoryUsage().rss / 2 ** 20);
process.stdout.write(JSON.stringify({ taken, refusedHeartbeats, refusedRegistrations, rssMiB }));
