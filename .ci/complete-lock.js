// Adds to package-lock.json the platform packages that the registry at hand does not carry.
//
// A registry may hold only the platforms that are used near it. `npm install` then leaves the others out of the lock
// file, and `npm ci` refuses such a lock file everywhere ("Missing: …-darwin-arm64@ from lock file"). An entry with
// version and platform is enough: what does not fit this machine is never fetched.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '../package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const OPERATING_SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'win32'];
const PROCESSORS = ['arm', 'arm64', 'ia32', 'ppc64', 's390x', 'x64'];
let added = 0;

for (const [name, entry] of Object.entries(lock.packages)) {
  for (const [dependency, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${dependency}`;
    if (lock.packages[key] !== undefined || lock.packages[`${name}/${key}`] !== undefined) continue;
    const words = dependency.split(/[/-]/);
    const os = OPERATING_SYSTEMS.filter((word) => words.includes(word));
    const cpu = PROCESSORS.filter((word) => words.includes(word));
    if (os.length !== 1 || cpu.length !== 1 || !/^\d/.test(version)) {
      throw new Error(
        `${dependency}@${version} does not say for which platform it is: add it to the lock file by hand`,
      );
    }
    const libc = words.includes('musl')
      ? ['musl']
      : words.some((word) => word.startsWith('gnu'))
        ? ['glibc']
        : undefined;
    lock.packages[key] = {
      version,
      cpu,
      ...(entry.dev ? { dev: true } : {}),
      ...(libc === undefined ? {} : { libc }),
      license: entry.license,
      optional: true,
      os,
      ...(entry.engines === undefined ? {} : { engines: entry.engines }),
    };
    added += 1;
  }
}

if (added > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(`${added} platform packages added to package-lock.json`);
