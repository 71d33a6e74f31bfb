/** Every setting of the daemon, once: its flag, its key in the YAML file and its SHOAL_… variable all follow from `key`. */
export interface Setting {
  readonly key: string;
  /** `switch` is a flag that turns off (`--no-mdns`); `structure` stands in the file only. */
  readonly shape: 'one' | 'many' | 'switch' | 'structure';
  /** How its value is called in the help; absent for what takes none. */
  readonly placeholder?: string;
  readonly help: string;
  readonly defaultText?: string;
}

export const settings = [
  { key: 'name', shape: 'one', placeholder: 'NAME', help: 'what others call this node', defaultText: 'the host name' },
  {
    key: 'models',
    shape: 'one',
    placeholder: 'DIR',
    help: 'the models directory, shared with the programs that use the models',
    defaultText: '~/.local/share/shoal/models',
  },
  {
    key: 'data',
    shape: 'one',
    placeholder: 'DIR',
    help: 'state: catalog, keys, wants, pins',
    defaultText: '~/.local/state/shoal',
  },
  {
    key: 'api',
    shape: 'one',
    placeholder: 'HOST:PORT',
    help: 'HTTP API; beyond loopback only with a token',
    defaultText: '127.0.0.1:7420',
  },
  {
    key: 'listen',
    shape: 'one',
    placeholder: 'HOST:PORT',
    help: 'libp2p, for the other nodes',
    defaultText: '0.0.0.0:7421',
  },
  {
    key: 'lane',
    shape: 'one',
    placeholder: 'HOST:PORT',
    help: 'direct connections that carry pieces between nodes; "off" leaves them to libp2p',
    defaultText: '0.0.0.0:7422',
  },
  {
    key: 'lane-encryption',
    shape: 'one',
    placeholder: 'on|off',
    help: 'off: no TLS between nodes that both say so; for a network that is trusted',
    defaultText: 'on',
  },
  {
    key: 'fleet-key',
    shape: 'one',
    placeholder: 'FILE',
    help: 'key that all nodes of the fleet share; made when missing',
    defaultText: 'fleet.key in the data directory',
  },
  {
    key: 'bootstrap',
    shape: 'many',
    placeholder: 'MULTIADDR',
    help: 'a node to connect to first, like /ip4/10.0.0.2/tcp/7421; repeatable',
  },
  { key: 'mdns', shape: 'switch', help: 'do not look for nodes on the local network' },
  {
    key: 'origin',
    shape: 'many',
    placeholder: 'URL',
    help: 'where models come from: file:///mnt/nas/models or http(s)://nas/models/; repeatable',
  },
  {
    key: 'orchestrator',
    shape: 'many',
    placeholder: 'URL',
    help: 'an orchestrator to send heartbeats to; repeatable',
  },
  {
    key: 'cache-max',
    shape: 'one',
    placeholder: 'SIZE',
    help: 'what models may use of the disk, like 500GB',
    defaultText: 'the whole disk',
  },
  { key: 'up-limit', shape: 'one', placeholder: 'RATE', help: 'bytes per second sent to peers, like 50MB' },
  { key: 'down-limit', shape: 'one', placeholder: 'RATE', help: 'bytes per second fetched from everywhere' },
  { key: 'origin-limit', shape: 'one', placeholder: 'RATE', help: 'bytes per second read from origins' },
  {
    key: 'token-file',
    shape: 'one',
    placeholder: 'FILE',
    help: 'file with the bearer token that the API asks for (or SHOAL_TOKEN)',
  },
  {
    key: 'orchestrator-token-file',
    shape: 'one',
    placeholder: 'FILE',
    help: 'file with the token for orchestrators (or SHOAL_ORCHESTRATOR_TOKEN, LLORCH_API_TOKEN)',
  },
  {
    key: 'advertise',
    shape: 'one',
    placeholder: 'HOST[:PORT]',
    help: 'address of the API that orchestrators are told',
    defaultText: 'where the API listens',
  },
  { key: 'workers', shape: 'one', placeholder: 'N', help: 'threads that move and hash bytes', defaultText: 'by cores' },
  {
    key: 'settle',
    shape: 'one',
    placeholder: 'TIME',
    help: 'how long a new file must rest before it is hashed',
    defaultText: '2s',
  },
  {
    key: 'rescan',
    shape: 'one',
    placeholder: 'TIME',
    help: 'how often the whole models directory is looked through',
    defaultText: '10m',
  },
  {
    key: 'log-level',
    shape: 'one',
    placeholder: 'LEVEL',
    help: 'trace, debug, info, warn, error or silent',
    defaultText: 'info',
  },
  {
    key: 'blake3',
    shape: 'one',
    placeholder: 'ENGINE',
    help: 'native or wasm',
    defaultText: 'native where it loads',
  },
  {
    key: 'pool-manager',
    shape: 'one',
    placeholder: 'URL',
    help: 'what runs the engines of this node, like http://127.0.0.1:9200: its pools are reported, preloads passed on to it',
  },
  { key: 'gpus', shape: 'structure', help: 'GPUs that orchestrators are told of, where they cannot be found out' },
  { key: 'pools', shape: 'structure', help: 'what orchestrators are told of the engines on this node' },
] as const satisfies readonly Setting[];

export type SettingKey = (typeof settings)[number]['key'];

/** `cache-max` → `SHOAL_CACHE_MAX`. */
export function environmentName(key: string): string {
  return `SHOAL_${key.toUpperCase().replaceAll('-', '_')}`;
}

/** What an orchestrator reads from the environment; none is also a setting of a daemon: one of each may run with one environment. */
export const orchestratorVariables = {
  api: 'SHOAL_ORCHESTRATOR_API',
  data: 'SHOAL_ORCHESTRATOR_DATA',
  tokenFile: 'SHOAL_ORCHESTRATOR_ACCEPTED_TOKENS_FILE',
  logLevel: 'SHOAL_ORCHESTRATOR_LOG_LEVEL',
} as const;
