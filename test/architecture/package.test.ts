import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PROJECT_ROOT } from './source-tree.ts';

interface LockEntry {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(PROJECT_ROOT, name), 'utf8')) as unknown;
}

const { packages } = readJson('package-lock.json') as { packages: Record<string, LockEntry> };
const entries = Object.entries(packages).filter(([name]) => name !== '');

test('the lock file names no registry, and the digest of everything that is installed everywhere', () => {
  for (const [name, entry] of entries) {
    assert.equal(entry.resolved, undefined, `${name}: leave "resolved" out, so that any mirror will do`);
    if (entry.optional !== true) assert.ok(entry.integrity, `${name} has no integrity`);
  }
});

test('the lock file has every platform, without which npm ci refuses it', () => {
  for (const [name, entry] of entries) {
    for (const dependency of Object.keys(entry.optionalDependencies ?? {})) {
      const key = `node_modules/${dependency}`;
      assert.ok(packages[key] ?? packages[`${name}/${key}`], `${dependency} is missing: run "npm run lock"`);
    }
  }
});

test('.npmrc names no host', () => {
  for (const line of readFileSync(join(PROJECT_ROOT, '.npmrc'), 'utf8').split('\n')) {
    assert.doesNotMatch(line, /^\s*(@[^:]+:)?registry\s*=|^\s*\/\/|https?:/);
  }
});

test('versions are exact and every install script has been decided on', () => {
  const manifest = readJson('package.json') as Record<string, Readonly<Record<string, unknown>>>;
  const groups = ['dependencies', 'devDependencies', 'optionalDependencies'].map((group) => manifest[group] ?? {});
  for (const [name, version] of groups.flatMap((group) => Object.entries(group))) {
    assert.match(String(version), /^\d+\.\d+\.\d+$/, `${name} must be pinned to one version`);
  }
  // Both bring binaries or need none; a script that runs at installation is a risk without a use.
  const scripted = entries
    .filter(([, entry]) => entry.hasInstallScript === true)
    .map(([name]) => name.replace(/^.*node_modules\//, ''));
  assert.deepEqual([...new Set(scripted)].sort(), Object.keys(manifest['allowScripts'] ?? {}).sort());
});
