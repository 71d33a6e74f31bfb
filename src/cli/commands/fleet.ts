import { setTimeout as delay } from 'node:timers/promises';
import { OrchestratorClient } from '../../orchestrator/client.ts';
import { codeOf, ShoalError } from '../../util/errors.ts';
import type { ClientCommand, CommandParts } from '../command.ts';
import { EXIT } from '../exit-codes.ts';
import { matrixLines, singleNodeLines } from '../fleet-matrix.ts';
import { FleetReport, reportDocument } from '../fleet-report.ts';
import { describeError } from '../output.ts';

const REFRESH_MS = 1_000;
/** What follows the matrix must not push it off the screen. */
const SINGLE_WATCHED = 5;

/** Nodes × models, from what one node knows by gossip or an orchestrator by heartbeats. */
export const fleet: ClientCommand<{ watch?: boolean }> = async (parts, _words, { watch = false }) => {
  const { server, out, json, signal } = parts;
  if (watch && json) {
    throw new ShoalError('invalid', '--watch and --json do not go together', {
      remedy: 'With --json one document is printed: run it again for the next, or read /v1/events.',
    });
  }
  const client = new OrchestratorClient(server);
  const report = new FleetReport(await client.fleet(signal));
  if (watch) return watchFleet(parts, client, report);
  if (json) out.json(reportDocument(report));
  else for (const line of allLines(report, out.width())) out.line(line);
  return EXIT.done;
};

/** Until Ctrl-C; a server that is away for a while is waited for. */
async function watchFleet(
  { out, signal }: CommandParts,
  client: OrchestratorClient,
  first: FleetReport,
): Promise<never> {
  let report = first;
  let trouble: string | undefined;
  for (;;) {
    const lines = fittingLines(report, out.width(), out.height() - (trouble === undefined ? 1 : 2));
    out.frame(trouble === undefined ? lines : [trouble, ...lines]);
    await delay(REFRESH_MS, undefined, { signal });
    try {
      report = new FleetReport(await client.fleet(signal));
      trouble = undefined;
    } catch (error) {
      if (codeOf(error) !== 'unreachable') throw error;
      trouble = `As it was; trying again: ${describeError(error)}`;
    }
  }
}

function allLines(report: FleetReport, width: number): string[] {
  const models = [...report.models.keys()];
  return [
    headline(report),
    ...(models.length === 0 ? [] : matrixLines(report, models, width)),
    ...singleNodeLines(report),
  ];
}

/** Where not all models fit on the screen, those with something to tell come first. */
function fittingLines(report: FleetReport, width: number, height: number): string[] {
  const all = allLines(report, width);
  if (all.length <= height) return all;
  const single = singleNodeLines(report, SINGLE_WATCHED);
  const room = Math.max(1, height - single.length - 3);
  const models = [...report.models.keys()];
  const told = new Set(report.nodes.flatMap(({ cells }) => cells.map(({ model }) => model)));
  const shown = [...models.filter((model) => told.has(model)), ...models.filter((model) => !told.has(model))];
  const rest = models.length - room;
  return [
    headline(report),
    ...matrixLines(report, shown.slice(0, room), width),
    ...(rest > 0 ? [`… and ${rest} more models`] : []),
    ...single,
  ].slice(0, Math.max(1, height));
}

function headline({ models, nodes, online }: FleetReport): string {
  const incoming = nodes.reduce((sum, { cells }) => sum + cells.filter(({ state }) => state === 'fetching').length, 0);
  const moving = incoming === 0 ? '' : `, ${incoming} on their way`;
  return `${models.length} models, ${online.length} of ${nodes.length} nodes online${moving}`;
}
