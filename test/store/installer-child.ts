import { writeSync } from 'node:fs';
import { Installer } from '../../src/store/installer.ts';
import { installerPartsOf, stagedFiles, TestStore } from './store-fixture.ts';

/** Installs a model and kills its own process at one step: `installer-child.ts ROOT STEP NTH`. */
const [root = '', step = '', nth = '1'] = process.argv.slice(2);
const made = await TestStore.open({ root });
const { id, staged } = await stagedFiles(made);
let count = 0;
const installer = new Installer(
  {
    modelsDir: made.modelsDir,
    onStep: (now) => {
      if (now !== step) return;
      count += 1;
      if (count === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  },
  installerPartsOf(made),
);
await installer.install(id, staged);
writeSync(1, 'installed');
process.exit(0);
