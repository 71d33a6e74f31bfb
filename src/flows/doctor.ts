import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Room } from '../store/space.ts';
import { formatBytes, formatDuration } from '../util/bytes.ts';
import { withDeadline } from '../util/deadline.ts';
import { messageOf } from '../util/errors.ts';
import { formatHostPort } from '../util/host-port.ts';
import type { CheckView, OrchestratorView, OriginView } from './views.ts';

/** What the checks look at; the daemon gives its own facts, a test others. */
export interface DoctorSubject {
  readonly modelsDir: string;
  readonly dataDir: string;
  readonly fleetKeyFile: string;
  /** True when this daemon made its own key because none was given. */
  readonly fleetKeyCreated: boolean;
  /** TCP ports that must answer: name → host and port. */
  readonly listeners: readonly { readonly name: string; readonly host: string; readonly port: number }[];
  readonly peersConnected: number;
  readonly joinsOthers: boolean;
  /** Our clock minus theirs, for each node and origin that told its time. */
  readonly clockSkewsMs: readonly { readonly who: string; readonly skewMs: number }[];
  readonly directoriesWatched: number;
  readonly watcherProblem?: string;
  readonly wantedBytesMissing: () => Promise<number>;
  readonly room: () => Promise<Room>;
  readonly origins: readonly OriginView[];
  readonly orchestrators: readonly OrchestratorView[];
  readonly blake3: 'native' | 'wasm';
  /** Where the kernel tells its limits; another place for tests. */
  readonly proc?: string;
}

/** A record is dropped after 90 s without news; half of that is more than any clock in order is off. */
const CLOCK_TOLERANCE_MS = 30_000;
const LOW_SPACE_BYTES = 2 * 2 ** 30;

type Check = (subject: DoctorSubject, signal: AbortSignal) => Promise<CheckView[]> | CheckView[];

const CHECKS: readonly (readonly [string, Check])[] = [
  ['directories', directories],
  ['disk', disk],
  ['fleet key', key],
  ['ports', ports],
  ['peers', peers],
  ['clock', clock],
  ['inotify', inotify],
  ['open files', files],
  ['origins', origins],
  ['orchestrators', orchestrators],
  ['blake3', engine],
];

/** Looks at what goes wrong in practice, in the order in which it should be mended. A check that breaks has found something. */
export async function examine(subject: DoctorSubject, signal: AbortSignal): Promise<CheckView[]> {
  const found: CheckView[] = [];
  for (const [name, check] of CHECKS) {
    try {
      found.push(...(await check(subject, signal)));
    } catch (error) {
      signal.throwIfAborted();
      found.push({
        check: name,
        status: 'failed',
        detail: `it cannot be checked: ${messageOf(error)}`,
        remedy: "Mend what the message names (the daemon's log may say more), then ask again.",
      });
    }
  }
  return found;
}

async function directories(subject: DoctorSubject): Promise<CheckView[]> {
  const places = [
    { check: 'models directory', path: subject.modelsDir },
    { check: 'data directory', path: subject.dataDir },
  ];
  return Promise.all(
    places.map(async ({ check, path }): Promise<CheckView> => {
      try {
        await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
        return { check, status: 'ok', detail: path };
      } catch (error) {
        return {
          check,
          status: 'failed',
          detail: `${path} cannot be written: ${messageOf(error)}`,
          remedy: `Let the user that runs shoal write there: chown -R shoal ${path}, and under systemd add it to ReadWritePaths=.`,
        };
      }
    }),
  );
}

async function disk(subject: DoctorSubject): Promise<CheckView[]> {
  const measured = await subject.room().catch((error: unknown) => messageOf(error));
  if (typeof measured === 'string') {
    return [
      {
        check: 'disk',
        status: 'failed',
        detail: `the disk of ${subject.modelsDir} cannot be measured: ${measured}`,
        remedy: `Mount it again or make the directory: mkdir -p ${subject.modelsDir}. What is wanted is then fetched again.`,
      },
    ];
  }
  const { freeBytes, bytes, of } = measured;
  const short = (await subject.wantedBytesMissing()) - bytes;
  if (short > 0) {
    return [
      {
        check: 'disk',
        status: 'failed',
        detail: `${formatBytes(freeBytes)} free, ${formatBytes(short)} too little for what is wanted on ${of}`,
        remedy: 'Remove models with "shoal rm", or want fewer.',
      },
    ];
  }
  const low = freeBytes < LOW_SPACE_BYTES;
  return [
    {
      check: 'disk',
      status: low ? 'warning' : 'ok',
      detail: `${formatBytes(freeBytes)} free`,
      ...(low ? { remedy: 'Remove models with "shoal rm" before the next one is wanted.' } : {}),
    },
  ];
}

async function key(subject: DoctorSubject): Promise<CheckView[]> {
  const check = 'fleet key';
  const stats = await stat(subject.fleetKeyFile).catch((error: unknown) => messageOf(error));
  if (typeof stats === 'string') {
    return [
      {
        check,
        status: 'failed',
        detail: `${subject.fleetKeyFile} cannot be read: ${stats}`,
        remedy: `Copy it from another node of the fleet before the next start, which would make a new key and be alone with it: install -m600 fleet.key ${subject.fleetKeyFile}`,
      },
    ];
  }
  if ((stats.mode & 0o077) !== 0) {
    return [
      {
        check,
        status: 'failed',
        detail: `${subject.fleetKeyFile} can be read by others`,
        remedy: `chmod 600 ${subject.fleetKeyFile}`,
      },
    ];
  }
  if (subject.fleetKeyCreated && subject.peersConnected === 0) {
    return [
      {
        check,
        status: 'warning',
        detail: `this node made its own key (${subject.fleetKeyFile}), so no other node can join it yet`,
        remedy: `Copy ${subject.fleetKeyFile} to the other nodes and start them with --fleet-key, or give this node theirs.`,
      },
    ];
  }
  return [{ check, status: 'ok', detail: subject.fleetKeyFile }];
}

function ports(subject: DoctorSubject, signal: AbortSignal): Promise<CheckView[]> {
  return Promise.all(
    subject.listeners.map(async ({ name, host, port }): Promise<CheckView> => {
      const check = `port ${name}`;
      try {
        await withDeadline(2_000, (deadline) => knock(reachable(host), port, deadline), signal);
        return { check, status: 'ok', detail: `${formatHostPort({ host, port })} answers` };
      } catch (error) {
        return {
          check,
          status: 'failed',
          detail: `${formatHostPort({ host, port })} does not answer: ${messageOf(error)}`,
          remedy: 'Look for another program on that port (ss -ltnp) or a firewall rule, or choose another port.',
        };
      }
    }),
  );
}

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

function knock(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}

function peers(subject: DoctorSubject): CheckView[] {
  const check = 'peers';
  if (subject.peersConnected > 0) return [{ check, status: 'ok', detail: `${subject.peersConnected} connected` }];
  return [
    {
      check,
      status: 'warning',
      detail: 'no other node is connected',
      remedy: subject.joinsOthers
        ? 'Check that the other nodes run, hold the same fleet key and that TCP port 7421 is open between the nodes.'
        : 'Give --bootstrap with the address of another node ("shoal status --json" there prints it under "listen"), or let mDNS find it.',
    },
  ];
}

function clock(subject: DoctorSubject): CheckView[] {
  const check = 'clock';
  const worst = subject.clockSkewsMs.toSorted((a, b) => Math.abs(b.skewMs) - Math.abs(a.skewMs))[0];
  if (worst === undefined) return [{ check, status: 'ok', detail: 'nobody to compare with' }];
  const off = Math.abs(worst.skewMs);
  if (off <= CLOCK_TOLERANCE_MS) {
    return [{ check, status: 'ok', detail: `within ${formatDuration(off)} of the others` }];
  }
  return [
    {
      check,
      status: 'failed',
      detail: `${formatDuration(off)} ${worst.skewMs > 0 ? 'ahead of' : 'behind'} ${worst.who}`,
      remedy: 'Turn time synchronisation on: timedatectl set-ntp true.',
    },
  ];
}

async function inotify(subject: DoctorSubject): Promise<CheckView[]> {
  const check = 'inotify';
  const remedy = 'sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024 (and in /etc/sysctl.d).';
  if (subject.watcherProblem !== undefined) {
    const detail = `changes are only seen by the periodic rescan: ${subject.watcherProblem}`;
    return [{ check, status: 'failed', detail, remedy }];
  }
  const limit = Number(
    await readFile(join(subject.proc ?? '/proc', 'sys/fs/inotify/max_user_watches'), 'utf8').catch(() => 'NaN'),
  );
  if (Number.isNaN(limit)) return [];
  const detail = `${subject.directoriesWatched} directories watched, ${limit} allowed`;
  const near = subject.directoriesWatched > limit / 2;
  return [{ check, status: near ? 'warning' : 'ok', detail, ...(near ? { remedy } : {}) }];
}

async function files(subject: DoctorSubject): Promise<CheckView[]> {
  const limits = await readFile(join(subject.proc ?? '/proc', 'self/limits'), 'utf8').catch(() => '');
  const soft = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 'NaN');
  if (Number.isNaN(soft)) return [];
  const low = soft < 4096;
  return [
    {
      check: 'open files',
      status: low ? 'warning' : 'ok',
      detail: `${soft} allowed`,
      ...(low ? { remedy: 'Raise the limit: LimitNOFILE=65536 in the service, or ulimit -n 65536.' } : {}),
    },
  ];
}

function origins(subject: DoctorSubject): CheckView[] {
  return subject.origins.map((origin): CheckView => {
    const check = `origin ${origin.url}`;
    if (!origin.reachable) {
      return {
        check,
        status: 'failed',
        detail: origin.problem?.message ?? 'not asked yet',
        remedy:
          origin.kind === 'file'
            ? 'Check that the directory is mounted (findmnt) and readable by the user that runs shoal.'
            : 'Check the URL with curl -I, and that "shoal publish" was run on the directory behind it.',
      };
    }
    if (!origin.published) {
      return {
        check,
        status: 'warning',
        detail: `${origin.models} models, not published: they are hashed when they are first read`,
        remedy: 'Run "shoal publish" on the directory, so that every piece can be checked from the start.',
      };
    }
    return { check, status: 'ok', detail: `${origin.models} models` };
  });
}

function orchestrators(subject: DoctorSubject): CheckView[] {
  return subject.orchestrators.map((orchestrator): CheckView => {
    const check = `orchestrator ${orchestrator.url}`;
    if (orchestrator.problem === undefined && orchestrator.registered) {
      return { check, status: 'ok', detail: `last heartbeat ${orchestrator.lastHeartbeatAt ?? 'under way'}` };
    }
    return {
      check,
      status: 'failed',
      detail: orchestrator.problem?.message ?? 'not registered yet',
      remedy: orchestrator.problem?.remedy ?? 'Wait a moment and ask again.',
    };
  });
}

function engine(subject: DoctorSubject): CheckView[] {
  if (subject.blake3 === 'native') return [{ check: 'blake3', status: 'ok', detail: 'native' }];
  return [
    {
      check: 'blake3',
      status: 'warning',
      detail: 'the slower WebAssembly engine is used',
      remedy: 'Install on a platform with a prebuilt @napi-rs/blake-hash (npm ci without --omit=optional).',
    },
  ];
}
