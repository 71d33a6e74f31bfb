import { type NodeTraits, type PlainOptions, plainScenario, type Scenario } from './scenario.ts';

export interface Variant {
  readonly name: string;
  /** Time ÷ bound and copies that it must not exceed. */
  readonly ratio: number;
  readonly copies: number;
  readonly scenario: (options: PlainOptions) => Scenario;
}

function withNodes(scenario: Scenario, change: (traits: NodeTraits, index: number) => NodeTraits): Scenario {
  return { ...scenario, nodes: scenario.nodes.map(change) };
}

/** Until the blob is through the narrowest link. */
function wholeMs({ mib, mbit }: PlainOptions): number {
  return (mib * 2 ** 20 * 8) / mbit / 1000;
}

/** The situations that the policies were chosen by; the figures are for 8 nodes and 256 MiB. */
export const VARIANTS: readonly Variant[] = [
  { name: 'equal', ratio: 1.1, copies: 1.02, scenario: plainScenario },
  { name: 'half-nas', ratio: 1.1, copies: 1.02, scenario: (o) => plainScenario({ ...o, originMbit: o.mbit / 2 }) },
  { name: 'twice-nas', ratio: 1.1, copies: 1.02, scenario: (o) => plainScenario({ ...o, originMbit: o.mbit * 2 }) },
  {
    name: 'unequal',
    ratio: 1.3,
    copies: 1.05,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => ({
        ...traits,
        bytesPerSecond: traits.bytesPerSecond * ([1, 2, 0.5, 1.5][index % 4] ?? 1),
      })),
  },
  {
    name: 'one-slow',
    ratio: 1.3,
    copies: 1.05,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => {
        return index === 0 ? { ...traits, bytesPerSecond: traits.bytesPerSecond / 5 } : traits;
      }),
  },
  {
    name: 'two-die',
    ratio: 1.25,
    copies: 1.3,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => (index < 2 ? { ...traits, dieMs: wholeMs(o) / 2 } : traits)),
  },
  {
    name: 'two-freeze',
    ratio: 1.25,
    copies: 1.3,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => {
        return index < 2 ? { ...traits, freezeMs: wholeMs(o) / 2, dieMs: wholeMs(o) * 4 } : traits;
      }),
  },
  {
    name: 'late-joiner',
    ratio: 1.2,
    copies: 1.05,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => (index === 0 ? { ...traits, startMs: wholeMs(o) / 2 } : traits)),
  },
  {
    name: 'nas-gone',
    ratio: 1.2,
    copies: 1.05,
    scenario: (o) => ({ ...plainScenario(o), originGoneWhenRead: true }),
  },
  {
    // No origin: one of the nodes has it.
    name: 'one-seed',
    ratio: 1.1,
    copies: 0,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => ({ ...traits, withoutOrigin: true, whole: index === 0 })),
  },
  {
    name: 'liar',
    ratio: 1.3,
    // Who does not believe it reads its part again.
    copies: 1.2,
    scenario: (o) =>
      withNodes(plainScenario(o), (traits, index) => (index === 0 ? { ...traits, corrupt: 0.3 } : traits)),
  },
];
