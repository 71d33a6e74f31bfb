import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadDaemonConfig } from '../../src/config.ts';
import { PROJECT_ROOT, SHOAL } from '../support/child-process.ts';
import { insist, missingCommand, skipWithout } from '../support/needs.ts';
import { TestBed } from '../support/test-bed.ts';

const UNIT = join(PROJECT_ROOT, 'systemd/shoald.service');
const MAX_EXPOSURE = 3.0;
const missing = missingCommand('systemd-analyze', 'systemd');
const skip = skipWithout(missing);

function analyze(...args: string[]): { status: number | null; text: string } {
  insist(missing);
  const env = { ...process.env, SYSTEMD_COLORS: '0', SYSTEMD_PAGER: 'cat', LC_ALL: 'C' };
  const result = spawnSync('systemd-analyze', args, { encoding: 'utf8', env });
  return { status: result.status, text: `${result.stdout}${result.stderr}` };
}

test('systemd finds nothing wrong with the unit', { skip }, async (t) => {
  const bed = await TestBed.open({ context: t });
  // As installed, but where the program lies now: systemd-analyze checks that it can be executed.
  const unit = join(bed.directory, 'shoald.service');
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replaceAll('/opt/shoal/bin/shoal', SHOAL));
  const verdict = analyze('verify', '--man=no', unit);
  assert.deepEqual(verdict, { status: 0, text: '' });
});

test(`the unit's exposure is at most ${MAX_EXPOSURE}`, { skip }, async (t) => {
  const bed = await TestBed.open({ context: t });
  cpSync(UNIT, join(bed.directory, 'shoald.service'));
  const verdict = analyze('security', '--offline=true', '--no-pager', join(bed.directory, 'shoald.service'));
  const exposure = Number(/Overall exposure level.*: ([\d.]+)/.exec(verdict.text)?.[1]);
  assert.ok(exposure <= MAX_EXPOSURE, `exposure ${exposure}\n${verdict.text}`);
  t.diagnostic(`exposure ${exposure}`);
});

test('the JIT survives the hardening', () => {
  const unit = readFileSync(UNIT, 'utf8');
  assert.doesNotMatch(unit, /^MemoryDenyWriteExecute=(yes|true|1)/m);
  assert.match(unit, /^Type=notify$/m);
  assert.match(unit, /^NotifyAccess=all$/m);
});

test('the user that the unit runs as is the one that sysusers makes', () => {
  const user = /^User=(\S+)$/m.exec(readFileSync(UNIT, 'utf8'))?.[1] ?? '';
  assert.match(
    readFileSync(join(PROJECT_ROOT, 'systemd/shoal.sysusers.conf'), 'utf8'),
    new RegExp(`^u ${user} - `, 'm'),
  );
});

test('the example settings are accepted, as they are and with every example switched on', async (t) => {
  const bed = await TestBed.open({ context: t });
  const example = readFileSync(join(PROJECT_ROOT, 'systemd/shoal.yaml'), 'utf8');
  const plain = join(bed.directory, 'plain.yaml');
  writeFileSync(plain, example);
  const config = await loadDaemonConfig({ config: plain }, {});
  assert.equal(config.dataDir, '/var/lib/shoal');
  assert.equal(config.modelsDir, '/var/lib/shoal/models');
  const full = join(bed.directory, 'full.yaml');
  // "#key:" and "#  - item" are examples; "# Text" is for people.
  writeFileSync(full, example.replaceAll(/^#(?=[a-z-]+:|  )/gm, '').replaceAll('/etc/shoal', bed.directory));
  writeFileSync(join(bed.directory, 'token'), 'not-a-secret-at-all\n', { mode: 0o600 });
  writeFileSync(join(bed.directory, 'orchestrator.token'), 'not-a-secret-either\n', { mode: 0o600 });
  const everything = await loadDaemonConfig({ config: full }, {});
  assert.ok(everything.origins.length >= 2 && everything.bootstrap.length >= 1 && everything.pools.length >= 1);
  assert.ok(everything.cacheMaxBytes !== undefined && everything.downLimit !== undefined);
});
