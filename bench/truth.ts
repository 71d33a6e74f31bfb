import { TruthCampaign } from '../test/flows/truth/truth-campaign.ts';
import { type Benchmark, formatTable, numberOption } from './benchmark.ts';

/** Not how fast, but how true: the long form of test/flows/truth. */
export const benchmark: Benchmark = {
  summary: 'placements against the disk while files come, go and change  [--events 10000] [--nodes 16] [--seed N]',

  async run(args) {
    const events = numberOption(args, '--events', 10_000);
    const nodes = numberOption(args, '--nodes', 16);
    const seed = numberOption(args, '--seed', 1 + (Date.now() % 1_000_000));
    const startMs = performance.now();
    const result = await TruthCampaign.run({ seed, nodes, events });
    const seconds = Math.round((performance.now() - startMs) / 1000);
    console.log(
      formatTable([
        ['events', 'placements', 'on what nobody could know', 'on nodes just crashed', 'false', 'virtual s', 's'],
        [
          ...[events, result.placements, result.unseen, result.orphaned, result.falsehoods.length],
          ...[result.virtualSeconds, seconds],
        ].map(String),
      ]),
    );
    for (const falsehood of result.falsehoods.slice(0, 20)) console.log(falsehood);
    const { falsehoods, ...counts } = result;
    const missed = falsehoods.length === 0 ? [] : [`${falsehoods.length} placements were false with seed ${seed}`];
    return { seed, nodes, seconds, ...counts, falsehoods: falsehoods.length, missed };
  },
};
