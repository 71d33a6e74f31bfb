import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstMissing, insist, missingCommand, skipWithout } from './needs.ts';

test('a test without its tool is skipped with the reason, and with CI=true it fails with it', () => {
  const missing = firstMissing(
    () => missingCommand('sh', 'dash'),
    () => missingCommand('shoal-has-no-such-tool', 'no-such-package'),
  );
  const reason = 'shoal-has-no-such-tool is missing: apt-get install no-such-package';
  assert.equal(skipWithout(missing, {}), reason);
  assert.equal(skipWithout(missing, { CI: 'false' }), reason);
  assert.equal(skipWithout(missing, { CI: 'true' }), false);
  assert.throws(() => insist(missing), { message: reason });
});

test('a test with its tool runs everywhere', () => {
  const missing = missingCommand('sh', 'dash');
  assert.deepEqual([skipWithout(missing, {}), skipWithout(missing, { CI: 'true' })], [false, false]);
  insist(missing);
});
