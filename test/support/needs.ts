import { spawnSync } from 'node:child_process';

/** What a test cannot do without: `false` when it is there, otherwise what is missing and how to get it. */
export type Missing = string | false;

/** A command on the path, or in the directories of programs for root, which the path of a user may lack. */
export function missingCommand(command: string, debianPackage: string): Missing {
  const found = spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin" command -v ${command}`]).status === 0;
  return found ? false : `${command} is missing: apt-get install ${debianPackage}`;
}

export function firstMissing(...needs: readonly (() => Missing)[]): Missing {
  for (const need of needs) {
    const missing = need();
    if (missing !== false) return missing;
  }
  return false;
}

/**
 * The one rule for every test that needs a tool or a right: `test(name, { skip: skipWithout(missing) }, …)`. Without it the
 * test is skipped and says why; with CI=true nothing is skipped, and the test fails where it asks for the tool.
 */
export function skipWithout(missing: Missing, env: NodeJS.ProcessEnv = process.env): string | false {
  return env['CI'] === 'true' ? false : missing;
}

/** For whatever starts the tool: the reason instead of ENOENT. */
export function insist(missing: Missing): void {
  if (missing !== false) throw new Error(missing);
}
