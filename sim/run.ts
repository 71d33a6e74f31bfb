import { parseArgs } from 'node:util';
import { campaign } from './campaign.ts';
import { daemonPolicies } from './daemon-policies.ts';
import type { Outcome } from './outcome.ts';
import { simulate } from './simulate.ts';
import { VARIANTS } from './variants.ts';

const USAGE = `npm run sim -- [--nodes 8] [--mib 256] [--mbit 50] [--nas-mbit 50] [--latency-ms 1] [--batch-ms N] [--slots 4]
                   [--seed 1] [--variant NAME | --variant all] [--readers 8] [--alone]
npm run sim -- --campaign [--runs 200] [--seed 1]
Variants: ${VARIANTS.map(({ name }) => name).join(', ')}. --alone: nodes read the origin as if there were no others.`;

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '8' },
    mib: { type: 'string', default: '256' },
    mbit: { type: 'string', default: '50' },
    'nas-mbit': { type: 'string' },
    'latency-ms': { type: 'string', default: '1' },
    'batch-ms': { type: 'string' },
    slots: { type: 'string' },
    seed: { type: 'string', default: '1' },
    variant: { type: 'string', default: 'equal' },
    readers: { type: 'string' },
    alone: { type: 'boolean', default: false },
    campaign: { type: 'boolean', default: false },
    runs: { type: 'string', default: '200' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(`${USAGE}\n`);
else if (values.campaign) process.exitCode = await runCampaign(Number(values.seed), Number(values.runs));
else process.exitCode = await runVariants();

async function runVariants(): Promise<number> {
  const chosen = VARIANTS.filter(({ name }) => values.variant === 'all' || name === values.variant);
  if (chosen.length === 0) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  process.stdout.write('variant       nodes  time÷bound  slowest÷median  copies  wasted  fairness  seconds  cpu s\n');
  let failed = false;
  for (const variant of chosen) {
    const plain = variant.scenario({
      nodes: Number(values.nodes),
      mib: Number(values.mib),
      mbit: Number(values.mbit),
      ...(values['nas-mbit'] === undefined ? {} : { originMbit: Number(values['nas-mbit']) }),
      latencyMs: Number(values['latency-ms']),
      seed: Number(values.seed),
    });
    const scenario = {
      ...plain,
      ...(values['batch-ms'] === undefined ? {} : { haveBatchMs: Number(values['batch-ms']) }),
      ...(values.slots === undefined ? {} : { slots: Number(values.slots) }),
    };
    const readers = values.readers === undefined ? {} : { readers: Number(values.readers) };
    const before = process.cpuUsage();
    const outcome = await simulate(scenario, daemonPolicies({ ...readers, shared: !values.alone }));
    process.stdout.write(`${row(variant.name, scenario.nodes.length, outcome, cpuSeconds(before))}\n`);
    failed ||= !outcome.ended || outcome.wrong.length > 0;
    for (const fault of outcome.wrong) process.stdout.write(`  seed ${outcome.seed}: ${fault}\n`);
  }
  return failed ? 1 : 0;
}

function row(name: string, nodes: number, outcome: Outcome, cpu: number): string {
  const { ratio, spread, copies, wastedShare, fairness, seconds, ended, seed } = outcome;
  const cells = [
    name.padEnd(13),
    String(nodes).padStart(5),
    ratio.toFixed(3).padStart(11),
    spread.toFixed(3).padStart(15),
    copies.toFixed(3).padStart(7),
    `${(wastedShare * 100).toFixed(1)} %`.padStart(7),
    fairness.toFixed(3).padStart(9),
    seconds.toFixed(1).padStart(8),
    cpu.toFixed(1).padStart(6),
  ];
  return `${cells.join(' ')}${ended ? '' : `  NOT ALL ENDED (seed ${seed})`}`;
}

function cpuSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
}

async function runCampaign(seed: number, runs: number): Promise<number> {
  let failures = 0;
  for await (const { outcome, story } of campaign(seed, runs)) {
    const isFine = outcome.ended && outcome.wrong.length === 0;
    if (!isFine) failures += 1;
    process.stdout.write(
      `${isFine ? 'fine  ' : 'FAILED'} seed ${outcome.seed}: ${story}, ${outcome.finished} done in ${outcome.seconds.toFixed(1)} s, ` +
        `${outcome.copies.toFixed(2)} copies ${outcome.wrong.join('; ')}\n`,
    );
  }
  process.stdout.write(`${runs - failures} of ${runs} simulations ended with nothing wrong installed\n`);
  return failures === 0 ? 0 : 1;
}
