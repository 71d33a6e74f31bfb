import assert from 'node:assert/strict';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type DoctorSubject, examine } from '../../src/flows/doctor.ts';
import type { CheckView } from '../../src/flows/views.ts';
import { DiskSpace } from '../../src/store/space.ts';
import { temporaryFolder } from '../store/store-fixture.ts';

const MIB = 2 ** 20;
const NO_USE = { usedBytes: 0, removableBytes: 0, partialBytes: 0 };

interface Patient {
  readonly subject: DoctorSubject;
  readonly space: DiskSpace;
  /** What a file of /proc says from now on. */
  readonly proc: (path: string, content: string) => Promise<void>;
}

/** In good health: real directories, a real key and a port that really answers. */
async function patient(t: TestContext, options: { cacheMaxBytes?: number } = {}): Promise<Patient> {
  const folder = await temporaryFolder();
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(async () => {
    server.close();
    await folder[Symbol.asyncDispose]();
  });
  const at = (name: string): string => join(folder.path, name);
  await Promise.all([mkdir(at('models')), mkdir(at('data'))]);
  await writeFile(at('fleet.key'), 'key', { mode: 0o600 });
  const space = new DiskSpace({ modelsDir: at('models'), ...options }, { usage: () => NO_USE });
  const proc = async (path: string, content: string): Promise<void> => {
    await mkdir(join(at('proc'), path, '..'), { recursive: true });
    await writeFile(join(at('proc'), path), content);
  };
  await proc('sys/fs/inotify/max_user_watches', '8192\n');
  await proc('self/limits', 'Max open files            65536                65536                files\n');
  const subject: DoctorSubject = {
    modelsDir: at('models'),
    dataDir: at('data'),
    fleetKeyFile: at('fleet.key'),
    fleetKeyCreated: false,
    listeners: [{ name: 'api', host: '127.0.0.1', port: (server.address() as AddressInfo).port }],
    peersConnected: 1,
    joinsOthers: true,
    clockSkewsMs: [{ who: 'gpu-2', skewMs: 40 }],
    directoriesWatched: 10,
    wantedBytesMissing: () => Promise.resolve(0),
    room: () => space.room(),
    origins: [],
    orchestrators: [],
    blake3: 'native',
    proc: at('proc'),
  };
  return { subject, space, proc };
}

/** What is not in order, each with what is to be done; all other checks have been made as well. */
async function complaints(subject: DoctorSubject): Promise<Record<string, Omit<CheckView, 'check'>>> {
  const found = await examine(subject, new AbortController().signal);
  for (const name of ['models directory', 'disk', 'fleet key', 'port api', 'peers', 'clock', 'inotify', 'blake3']) {
    assert.ok(
      found.some(({ check }) => check === name),
      `${name} is missing in ${JSON.stringify(found)}`,
    );
  }
  const wrong = found.filter(({ status }) => status !== 'ok');
  for (const { check, remedy } of wrong) assert.ok(remedy !== undefined && remedy !== '', `${check} has no remedy`);
  return Object.fromEntries(wrong.map(({ check, ...rest }) => [check, rest]));
}

test('a healthy node has nothing to complain of', async (t) => {
  const { subject } = await patient(t);
  assert.deepEqual(await complaints(subject), {});
});

test('a models directory that is gone is a finding with its remedy, and all else is looked at nevertheless', async (t) => {
  const { subject } = await patient(t);
  await rm(subject.modelsDir, { recursive: true });
  const { disk, 'models directory': directory, ...others } = await complaints(subject);
  assert.deepEqual(others, {});
  assert.deepEqual([disk?.status, directory?.status], ['failed', 'failed']);
  assert.match(disk?.detail ?? '', /cannot be measured: ENOENT/);
  assert.match(disk?.remedy ?? '', /mkdir -p/);
});

test('a key that others can read and a key that is gone are findings', async (t) => {
  const { subject } = await patient(t);
  await chmod(subject.fleetKeyFile, 0o644);
  assert.deepEqual(await complaints(subject), {
    'fleet key': {
      status: 'failed',
      detail: `${subject.fleetKeyFile} can be read by others`,
      remedy: `chmod 600 ${subject.fleetKeyFile}`,
    },
  });
  await rm(subject.fleetKeyFile);
  const { 'fleet key': gone, ...others } = await complaints(subject);
  assert.deepEqual(others, {});
  assert.equal(gone?.status, 'failed');
  assert.match(gone.detail, /ENOENT/);
  assert.match(gone.remedy ?? '', /Copy it from another node/);
});

test('a port on which nobody listens is a finding', async (t) => {
  const { subject } = await patient(t);
  const [api] = subject.listeners;
  const closed = { name: 'lane', host: '127.0.0.1', port: 1 };
  const { 'port lane': lane, ...others } = await complaints({ ...subject, listeners: [api!, closed] });
  assert.deepEqual(others, {});
  assert.equal(lane?.status, 'failed');
  assert.match(lane.detail, /127\.0\.0\.1:1 does not answer: .*ECONNREFUSED/);
  const { 'port libp2p': v6 } = await complaints({
    ...subject,
    listeners: [api!, { name: 'libp2p', host: '::1', port: 1 }],
  });
  assert.match(v6?.detail ?? '', /^\[::1\]:1 does not answer/);
});

test('a clock that is off is told from the node that is furthest from it', async (t) => {
  const { subject } = await patient(t);
  const clockSkewsMs = [
    { who: 'gpu-2', skewMs: 31_000 },
    { who: 'gpu-3', skewMs: -240_000 },
  ];
  const { clock, ...others } = await complaints({ ...subject, clockSkewsMs });
  assert.deepEqual(others, {});
  assert.deepEqual([clock?.status, /behind gpu-3$/.test(clock?.detail ?? '')], ['failed', true]);
});

test('limits of the kernel are told before they are reached, and when they are', async (t) => {
  const { subject, proc } = await patient(t);
  await proc('sys/fs/inotify/max_user_watches', '15\n');
  await proc('self/limits', 'Max open files            1024                 65536                files\n');
  const near = await complaints(subject);
  assert.deepEqual(Object.keys(near), ['inotify', 'open files']);
  assert.deepEqual(
    [near['inotify']?.status, near['inotify']?.detail],
    ['warning', '10 directories watched, 15 allowed'],
  );
  assert.match(near['inotify']?.remedy ?? '', /max_user_watches=/);
  const reached = await complaints({ ...subject, watcherProblem: 'ENOSPC' });
  assert.equal(reached['inotify']?.status, 'failed');
});

test('too little room for what is wanted counts what is promised already once, the budget, and the room that stays free', async (t) => {
  const { subject, space } = await patient(t, { cacheMaxBytes: 100 * MIB });
  const wants = (bytes: number): DoctorSubject => ({ ...subject, wantedBytesMissing: () => Promise.resolve(bytes) });
  const reservation = await space.reserve(60 * MIB);
  t.after(() => reservation[Symbol.dispose]());
  assert.deepEqual(await complaints(wants(100 * MIB)), {});
  const { disk } = await complaints(wants(101 * MIB));
  assert.equal(disk?.status, 'failed');
  assert.match(disk.detail, /1\.0 MiB too little for what is wanted on the budget that --cache-max sets/);
  const unbounded = await patient(t);
  const { bytes, freeBytes } = await unbounded.space.room();
  assert.ok(bytes < freeBytes, 'some room stays free');
  const { disk: full } = await complaints({
    ...unbounded.subject,
    wantedBytesMissing: () => Promise.resolve(freeBytes),
  });
  assert.match(full?.detail ?? '', /too little for what is wanted on the disk of the models directory/);
});

test('a check that breaks is a finding and hides none of the others', async (t) => {
  const { subject } = await patient(t);
  const found = await examine(
    { ...subject, wantedBytesMissing: () => Promise.reject(new Error('the list is broken')) },
    new AbortController().signal,
  );
  const disk = found.find(({ check }) => check === 'disk');
  assert.deepEqual([disk?.status, disk?.detail], ['failed', 'it cannot be checked: the list is broken']);
  assert.ok(found.some(({ check }) => check === 'blake3'));
});
