import type { PublishParts } from './cli/commands/publish.ts';
import { exitCodeOf } from './cli/exit-codes.ts';
import { onInterrupt } from './cli/interrupt.ts';
import { describeError, ProcessOutput } from './cli/output.ts';
import { type LocalCommands, runProgram } from './cli/program.ts';
import { parseWorkers } from './config/values.ts';
import { clientSettings, loadDaemonConfig, loadOrchestratorConfig } from './config.ts';
import { messageOf, ShoalError } from './util/errors.ts';
import { version } from './util/version.ts';

/** argv → command. What a command needs is loaded when it runs: client commands load no libp2p and no store. */
const client = clientSettings();
const out = new ProcessOutput(client);

const local: LocalCommands = {
  async daemon(flags) {
    const config = await loadDaemonConfig(flags);
    const { runDaemon } = await import('./daemon.ts');
    return runDaemon(config);
  },
  async orchestrator(flags) {
    const config = await loadOrchestratorConfig(flags);
    const { runOrchestrator } = await import('./run-orchestrator.ts');
    return runOrchestrator(config);
  },
  async publish(directory, options) {
    const { publishCommand } = await import('./cli/commands/publish.ts');
    const { publish } = await import('./store/publish.ts');
    const { signal, release } = onInterrupt();
    try {
      const hashWorkers = options.workers === undefined ? {} : { hashWorkers: workersFlag(options.workers) };
      const work: PublishParts['publish'] = (onProgress, until) =>
        publish(directory, { ...hashWorkers, onProgress }, until);
      return await publishCommand(directory, { publish: work, out }, signal);
    } finally {
      release();
    }
  },
  async fleetKey() {
    const { generateFleetKey } = await import('./swarm/fleet-key.ts');
    out.data(generateFleetKey());
    return 0;
  },
};

function workersFlag(text: string): number {
  try {
    return parseWorkers(text);
  } catch (error) {
    throw new ShoalError('invalid', `--workers: ${messageOf(error)}`, { cause: error, remedy: 'Write 1 to 64.' });
  }
}

try {
  process.exitCode = await runProgram(process.argv.slice(2), { version, client, local });
} catch (error) {
  out.line(`shoal: ${describeError(error)}`);
  process.exitCode = exitCodeOf(error);
}
// Everything is closed by now; what still holds the process (a hung mount's thread, say) must not.
setTimeout(() => process.exit(), 1_000).unref();
