import { Command, CommanderError, Option } from 'commander';
import { type Setting, type SettingKey, settings } from '../config/settings.ts';
import type { ClientSettings, DaemonFlags, OrchestratorFlags } from '../config.ts';
import { ShoalError } from '../util/errors.ts';
import type { ClientCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { describeError } from './output.ts';

/** What is no client of the API: the composition root hands it in, so that nothing of it is loaded for the others. */
export interface LocalCommands {
  daemon(flags: DaemonFlags): Promise<number>;
  orchestrator(flags: OrchestratorFlags): Promise<number>;
  publish(directory: string, options: { workers?: string }): Promise<number>;
  fleetKey(): Promise<number>;
}

export interface ProgramParts {
  readonly version: string;
  readonly client: ClientSettings;
  readonly local: LocalCommands;
}

/** Parses the arguments, runs the command, returns the exit code; what goes wrong is said in one line. */
export async function runProgram(words: readonly string[], parts: ProgramParts): Promise<number> {
  let code: number = EXIT.done;
  const program = createProgram(parts, (done) => {
    code = done;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has said what is wrong. Help that was asked for is no error; a command line without a command is.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}

function createProgram(parts: ProgramParts, finish: (code: number) => void): Command {
  const program = new Command('shoal')
    .description("Keeps every GPU node's models directory stocked, from its peers and the NAS.")
    .version(parts.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [COMMAND]', 'show the help of a command')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(usageError(text)) })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText('after', PROGRAM_HELP);

  addDaemon(program, parts, finish);
  addOrchestrator(program, parts, finish);
  program
    .command('fleet-key')
    .description('print a new fleet key, for all nodes of a fleet')
    .addHelpText('after', '\nExample:\n  shoal fleet-key >fleet.key && chmod 600 fleet.key')
    .action(async () => finish(await parts.local.fleetKey()));
  program
    .command('publish')
    .argument('<DIR>', 'directory of models, as a NAS or a web server has it')
    .description('hash a directory and write DIR/.shoal/, so that it is a verified origin')
    .option('--workers <N>', 'threads that hash (by default: by the number of cores)')
    .addHelpText('after', PUBLISH_HELP)
    .action(async (directory: string, options: { workers?: string }) => {
      finish(await parts.local.publish(directory, options));
    });
  addClientCommands(program, parts, finish);
  return program;
}

function addDaemon(program: Command, parts: ProgramParts, finish: (code: number) => void): void {
  const command = program
    .command('daemon')
    .description('run a node: announce its models, fetch what is wanted, report to orchestrators')
    .option('--config <FILE>', 'YAML file with any of these settings')
    .addHelpText('after', DAEMON_HELP);
  const flags = (settings as readonly Setting[]).filter(({ shape }) => shape !== 'structure');
  for (const setting of flags) command.addOption(daemonOption(setting));
  command.action(async () => {
    const given: Partial<Record<SettingKey | 'config', string | readonly string[] | boolean>> = {};
    for (const option of command.options) {
      if (command.getOptionValueSource(option.attributeName()) !== 'cli') continue;
      const key = option.long?.replace(/^--(no-)?/, '') as SettingKey | 'config';
      given[key] = command.getOptionValue(option.attributeName()) as string | string[] | boolean;
    }
    finish(await parts.local.daemon(given));
  });
}

function addOrchestrator(program: Command, parts: ProgramParts, finish: (code: number) => void): void {
  program
    .command('orchestrator')
    .description('consume the heartbeats of nodes: which models are where, and where a task can run')
    .option('--api <HOST:PORT>', 'HTTP API; beyond loopback only with a token (default: 127.0.0.1:7430)')
    .option(
      '--data <DIR>',
      'registrations of nodes and of models, retired ones too (default: ~/.local/state/shoal-orchestrator)',
    )
    .option('--token-file <FILE>', 'tokens that it asks for (or SHOAL_TOKEN, LLORCH_API_TOKEN)')
    .option('--log-level <LEVEL>', 'trace, debug, info, warn, error or silent (default: info)')
    .addHelpText('after', ORCHESTRATOR_HELP)
    .action(async (flags: OrchestratorFlags) => finish(await parts.local.orchestrator(flags)));
}

function daemonOption({ key, shape, placeholder = '', help, defaultText }: Setting): Option {
  if (shape === 'switch') return new Option(`--no-${key}`, help);
  const about = defaultText === undefined ? help : `${help} (default: ${defaultText})`;
  const option = new Option(`--${key} <${placeholder}>`, about);
  if (shape !== 'many') return option;
  return option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
}

interface ClientOptions {
  readonly api: string;
  readonly token?: string;
  readonly json?: boolean;
}

function addClientCommands(program: Command, parts: ProgramParts, finish: (code: number) => void): void {
  const add = (
    usage: string,
    description: string,
    load: () => Promise<ClientCommand<never>>,
    examples: readonly string[],
  ): Command => {
    const command = program
      .command(usage)
      .description(description)
      .option('--json', 'print one JSON document on standard output')
      .option('--api <URL>', 'the daemon to ask (or SHOAL_API)', parts.client.api)
      .option('--token <TOKEN>', 'its token (or SHOAL_TOKEN, which other users of this machine cannot see)')
      .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}\n`).join('')}`);
    return command.action(async () => {
      const options = command.opts<ClientOptions>();
      const { runClientCommand } = await import('./run-client.ts');
      finish(
        await runClientCommand({
          command: (await load()) as ClientCommand,
          words: command.args,
          options,
          json: options.json === true,
          api: options.api,
          token: options.token ?? parts.client.token,
          color: parts.client.color,
        }),
      );
    });
  };

  add(
    'status',
    'addresses, peers, models and disk of the node',
    async () => (await import('./commands/status.ts')).status,
    ['shoal status', 'shoal status --json | jq -r .listen[0]   # what another node takes as --bootstrap'],
  );
  add('ls', 'the models of the node', async () => (await import('./commands/list.ts')).ls, [
    'shoal ls',
    'shoal ls --fleet    # of every node and origin, and who has them',
  ]).option('--fleet', 'what any node or origin has');
  add(
    'fleet',
    'which node has which model, and which models one node alone has',
    async () => (await import('./commands/fleet.ts')).fleet,
    [
      'shoal fleet --watch',
      'shoal fleet --api http://10.0.0.5:7430    # what an orchestrator knows',
      "shoal fleet --json | jq -r '.singleNodeModels[]'",
    ],
  )
    .option('--watch', 'again each second, until Ctrl-C (exit code 130); not with --json, which is one document')
    .addHelpText('after', FLEET_HELP);
  add(
    'peers',
    'the other nodes, what came from them and who is avoided',
    async () => (await import('./commands/list.ts')).peers,
    ['shoal peers', "shoal peers --json | jq '.peers[] | select(.blamed)'"],
  );
  add(
    'transfers',
    'what is being fetched, how fast and from where',
    async () => (await import('./commands/list.ts')).transfers,
    ['shoal transfers', 'watch shoal transfers'],
  );
  add(
    'doctor',
    'check what goes wrong in practice, and say how to mend it',
    async () => (await import('./commands/doctor.ts')).doctor,
    ['shoal doctor    # exit code 0: nothing is wrong, 1: something is, 4: the daemon does not answer'],
  );
  add('get', 'have models here: by id or alias', async () => (await import('./commands/get.ts')).get, [
    'shoal get checkpoints/sdxl.safetensors',
    'shoal get sdxl llama-3-8b --wait    # with progress; ends when both are installed',
    'shoal get sdxl --wait --json        # what came from where, when it is done',
  ])
    .argument('<MODEL...>')
    .option('--wait', 'wait until they are installed (130 after Ctrl-C; the daemon goes on)');
  add(
    'rm',
    'remove models from this node: its files, and that they are wanted',
    async () => (await import('./commands/models.ts')).rm,
    ['shoal rm loras/old-style.safetensors'],
  ).argument('<MODEL...>');
  add('pin', 'keep models: "rm" refuses them until "unpin"', async () => (await import('./commands/models.ts')).pin, [
    'shoal pin checkpoints/sdxl.safetensors',
  ]).argument('<MODEL...>');
  add('unpin', 'let models be removed again', async () => (await import('./commands/models.ts')).unpin, [
    'shoal unpin checkpoints/sdxl.safetensors',
  ]).argument('<MODEL...>');
  add(
    'verify',
    'read every byte again (all models when none is named)',
    async () => (await import('./commands/models.ts')).verify,
    ['shoal verify sdxl    # exit code 5 when a byte is wrong', 'shoal verify'],
  ).argument('[MODEL...]');
}

/** `error: unknown option '--jsn'\n(Did you mean --json?)` → one line that ends with where to look. */
function usageError(text: string): string {
  const [first = '', ...more] = text
    .trim()
    .replace(/^error: /, '')
    .split(/\s*\n\s*/);
  const hint = more.join(' ').replace(/^\((.*)\)$/, '$1');
  const remedy = hint === '' ? 'See "shoal --help".' : hint;
  return `shoal: ${describeError(new ShoalError('invalid', first, { remedy }))}\n`;
}

const PROGRAM_HELP = `
Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 daemon not reachable,
            5 verification failed, 6 no space, 130 interrupted

Examples:
  shoal daemon --models /srv/models --origin file:///mnt/nas/models
  shoal get checkpoints/sdxl.safetensors --wait
  shoal doctor`;

const DAEMON_HELP = `
Each setting can also stand in the YAML file, under its name here without the dashes, and in the
environment: --cache-max 500GB is "cache-max: 500GB" and SHOAL_CACHE_MAX=500GB. Flags win over the
environment, the environment over the file. SIZE and RATE (per second): 500MB, 40MiB, 10G.

Examples:
  shoal daemon --models /srv/models --origin http://nas/models/ --cache-max 500GB
  shoal daemon --config /etc/shoal/shoal.yaml
  shoal daemon --fleet-key /etc/shoal/fleet.key --bootstrap /ip4/10.0.0.2/tcp/7421 --no-mdns`;

const ORCHESTRATOR_HELP = `
Each setting can also stand in the environment: SHOAL_ORCHESTRATOR_API, _DATA, _LOG_LEVEL and, for
--token-file, SHOAL_ORCHESTRATOR_ACCEPTED_TOKENS_FILE (SHOAL_ORCHESTRATOR_TOKEN_FILE is what a daemon
sends). The data directory holds what is registered, nodes and models: keep it. The token file has
a token on each line; a line "NODE_ID TOKEN" gives a node its own, and no other may then speak for it.

Examples:
  shoal orchestrator
  shoal orchestrator --api 0.0.0.0:7430 --token-file /etc/shoal/orchestrator.token
  shoal daemon --orchestrator http://10.0.0.5:7430     # on each node`;

const FLEET_HELP = `
●  installed    42%  incoming    ·  missing    ○  was installed when the node was last heard of
queued, wanted (and nobody has it), corrupt, other bytes (than elsewhere under that name)`;

const PUBLISH_HELP = `
Safe to repeat: only what changed is hashed, and what is gone is taken out. Nodes then read the
directory as an origin through any mount or static web server.

Example:
  shoal publish /volume1/models`;
