import { lowerBound } from './bound.ts';
import type { Course, NodeRun, Round } from './course.ts';
import { type Score, scoreOf } from './report.ts';

/**
 * How a file spread over the fleet, as SVG. Above: pieces held over time, a line per node. Below: a strip per node with
 * a dot per piece, at the time it arrived and at the height of its turn to leave the NAS; so what leaves the NAS climbs
 * from the lower left to the upper right, and what nodes hand on lies right of that line, the nearer the better.
 */
export function drawSpread(course: Course, round: Round): string {
  const score = scoreOf(course, round);
  const spread = new Spread(round.nodes);
  const endMs =
    1000 * Math.max(...round.nodes.map((node) => node.lateSeconds + (node.seconds ?? 0)), lowerBound(course.links));
  const frame: Frame = { x: (ms) => LEFT + (ms / (endMs * 1.03)) * PLOT_WIDTH, endMs, course, spread };
  const strips = round.nodes.map((node, index) => strip(frame, node, index));
  const height = STRIPS_TOP + round.nodes.length * (STRIP_HEIGHT + STRIP_GAP) + 46;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif" font-size="13" fill="#1f2933">`,
    `<rect width="100%" height="100%" rx="10" fill="#ffffff"/>`,
    ...heading(course, score),
    ...curves(frame, round.nodes),
    ...legend(),
    ...strips,
    ...timeAxis(frame, height - 40),
    '</svg>',
    '',
  ].join('\n');
}

const WIDTH = 980;
const LEFT = 92;
const PLOT_WIDTH = WIDTH - LEFT - 40;
const CURVES_TOP = 84;
const CURVES_HEIGHT = 190;
const STRIPS_TOP = CURVES_TOP + CURVES_HEIGHT + 62;
const STRIP_HEIGHT = 54;
const STRIP_GAP = 8;

const FROM_NAS = '#d9480f';
const FROM_NODES = '#4c8bd6';
const QUIET = '#7b8794';
const GRID = '#e4e7eb';
const NODE_COLOURS = ['#1c7ed6', '#0ca678', '#7048e8', '#e8590c', '#c2255c', '#2b8a3e', '#1098ad', '#862e9c'];

interface Frame {
  readonly x: (ms: number) => number;
  readonly endMs: number;
  readonly course: Course;
  readonly spread: Spread;
}

/** Which node held a piece first, and the pieces' order by that moment. */
class Spread {
  readonly #first = new Map<number, { node: NodeRun; atMs: number }>();
  readonly #turn = new Map<number, number>();

  constructor(nodes: readonly NodeRun[]) {
    for (const node of nodes) {
      for (const { piece, atMs } of node.arrivals) {
        const first = this.#first.get(piece);
        if (first === undefined || atMs < first.atMs) this.#first.set(piece, { node, atMs });
      }
    }
    const inOrder = [...this.#first].sort(([, a], [, b]) => a.atMs - b.atMs);
    for (const [turn, [piece]] of inOrder.entries()) this.#turn.set(piece, turn / inOrder.length);
  }

  isFirst(node: NodeRun, piece: number): boolean {
    return this.#first.get(piece)?.node === node;
  }

  /** 0 for the piece that left the NAS first, towards 1 for the last. */
  turn(piece: number): number {
    return this.#turn.get(piece) ?? 0;
  }
}

function heading({ options, links }: Course, score: Score): string[] {
  const even = new Set([...options.nodeMbits, options.nasMbit]).size === 1;
  const rates = even
    ? `every link ${options.nasMbit} Mbit/s`
    : `links of ${Math.min(...options.nodeMbits)} to ${Math.max(...options.nodeMbits)} Mbit/s, the NAS ${options.nasMbit}`;
  const title = `${options.nodes} nodes fetch ${options.mib} MiB that only the NAS has, ${rates}`;
  const oneByOne = (options.nodes * links.bytes * 8) / 1e6 / options.nasMbit;
  const facts = [
    `slowest node ${score.slowestSeconds.toFixed(1)} s`,
    `lower bound ${score.boundSeconds.toFixed(1)} s`,
    `the NAS sent ${score.nasCopies.toFixed(2)} copies`,
    `everyone copying from the NAS: ${oneByOne.toFixed(0)} s at least`,
  ];
  return [
    `<text x="24" y="34" font-size="18" font-weight="600">${title}</text>`,
    `<text x="24" y="58" fill="${QUIET}">${facts.join('  ·  ')}</text>`,
  ];
}

function curves(frame: Frame, nodes: readonly NodeRun[]): string[] {
  const { course, x } = frame;
  const y = (share: number): number => CURVES_TOP + (1 - share) * CURVES_HEIGHT;
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<path d="M${LEFT} ${y(share)}h${PLOT_WIDTH}" stroke="${GRID}"/><text x="${LEFT - 10}" y="${y(share) + 4}" text-anchor="end" fill="${QUIET}">${share * 100} %</text>`,
  );
  const boundX = x(lowerBound(course.links) * 1000);
  // Where the curves are not: a bound that is nearly reached has them all on its left, above; one that is not, on its right, below.
  const isNear = boundX > LEFT + PLOT_WIDTH / 2;
  const label = isNear
    ? `x="${fixed(boundX - 6)}" y="${CURVES_TOP + CURVES_HEIGHT - 8}" text-anchor="end"`
    : `x="${fixed(boundX + 6)}" y="${CURVES_TOP + 14}"`;
  const bound = `<path d="M${fixed(boundX)} ${CURVES_TOP - 6}V${CURVES_TOP + CURVES_HEIGHT}" stroke="#1f2933" stroke-dasharray="4 4"/><text ${label}>lower bound</text>`;
  const lines = nodes.map((node, index) => {
    const colour = NODE_COLOURS[index % NODE_COLOURS.length] ?? QUIET;
    const points = node.arrivals.map(
      ({ atMs }, count) => `${fixed(x(atMs))} ${fixed(y((count + 1) / course.pieceCount))}`,
    );
    const path = `<path d="M${fixed(x(node.lateSeconds * 1000))} ${y(0)}L${thinned(points).join(' ')}" fill="none" stroke="${colour}" stroke-width="1.8" stroke-linejoin="round"/>`;
    return node.seconds === undefined ? path + cross(points.at(-1), colour) : path;
  });
  return [...grid, bound, ...lines, ...timeAxis(frame, CURVES_TOP + CURVES_HEIGHT)];
}

/** Where a node was killed. */
function cross(at: string | undefined, colour: string): string {
  if (at === undefined) return '';
  return `<path d="M${at}m-5 -5l10 10m0 -10l-10 10" stroke="${colour}" stroke-width="2.5"/>`;
}

function legend(): string[] {
  const y = STRIPS_TOP - 16;
  return [
    `<circle cx="${LEFT + 4}" cy="${y - 4}" r="4" fill="${FROM_NAS}"/><text x="${LEFT + 14}" y="${y}">a piece that came from the NAS</text>`,
    `<circle cx="${LEFT + 234}" cy="${y - 4}" r="4" fill="${FROM_NODES}"/><text x="${LEFT + 244}" y="${y}">from another node</text>`,
    `<text x="${LEFT + PLOT_WIDTH}" y="${y}" text-anchor="end" fill="${QUIET}">height: when the piece left the NAS</text>`,
  ];
}

function strip({ x, spread }: Frame, node: NodeRun, index: number): string {
  const top = STRIPS_TOP + index * (STRIP_HEIGHT + STRIP_GAP);
  const dots = (first: boolean): string =>
    node.arrivals
      .filter(({ piece }) => spread.isFirst(node, piece) === first)
      .map(
        ({ piece, atMs }) => `M${fixed(x(atMs))} ${fixed(top + 2 + (1 - spread.turn(piece)) * (STRIP_HEIGHT - 4))}h0`,
      )
      .join('');
  const took = node.seconds === undefined ? 'killed' : `${node.seconds.toFixed(1)} s`;
  return [
    `<rect x="${LEFT}" y="${top}" width="${PLOT_WIDTH}" height="${STRIP_HEIGHT}" rx="4" fill="#f5f7fa"/>`,
    `<text x="${LEFT - 10}" y="${top + 25}" text-anchor="end">${node.name}</text>`,
    `<text x="${LEFT - 10}" y="${top + 42}" text-anchor="end" fill="${QUIET}" font-size="12">${took}</text>`,
    `<g fill="none" stroke-width="2.6" stroke-linecap="round"><path stroke="${FROM_NODES}" d="${dots(false)}"/><path stroke="${FROM_NAS}" d="${dots(true)}"/></g>`,
  ].join('');
}

function timeAxis({ x, endMs }: Frame, y: number): string[] {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((seconds) => endMs / 1000 / seconds <= 10) ?? 1000;
  const ticks: string[] = [];
  for (let seconds = 0; seconds * 1000 <= endMs * 1.03; seconds += step)
    ticks.push(
      `<path d="M${fixed(x(seconds * 1000))} ${y}v4" stroke="${QUIET}"/><text x="${fixed(x(seconds * 1000))}" y="${y + 19}" text-anchor="middle" fill="${QUIET}">${seconds} s</text>`,
    );
  return ticks;
}

/** A line of a thousand points looks the same with two hundred. */
function thinned(points: readonly string[]): readonly string[] {
  const every = Math.max(1, Math.floor(points.length / 200));
  return points.filter((_, index) => index % every === 0 || index === points.length - 1);
}

function fixed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
