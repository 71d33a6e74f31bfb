import type { HostPort } from '../util/host-port.ts';
import type { LogLevel } from '../util/log.ts';

/** What a daemon runs with, resolved and checked: flags over SHOAL_… variables over the YAML file over defaults. */
export interface DaemonConfig {
  readonly name: string;
  /** Absolute, as is every path here. */
  readonly modelsDir: string;
  readonly dataDir: string;
  readonly api: HostPort;
  readonly listen: HostPort;
  /** `off`: pieces travel over libp2p only. */
  readonly lane: HostPort | 'off';
  /** Off only where the network is trusted; pieces are verified all the same. */
  readonly laneEncryption: boolean;
  /** May not exist yet. */
  readonly fleetKeyFile: string;
  /** Multiaddrs, checked for their form only. */
  readonly bootstrap: readonly string[];
  readonly mdns: boolean;
  /** `file:///…` or `http(s)://…/`. */
  readonly origins: readonly string[];
  readonly orchestrators: readonly OrchestratorSetting[];
  /** What models may use of the disk; the whole disk when absent. */
  readonly cacheMaxBytes?: number;
  /** Bytes per second; no limit when absent. */
  readonly upLimit?: number;
  readonly downLimit?: number;
  readonly originLimit?: number;
  /** The bearer token that the API asks for. */
  readonly apiToken?: string;
  /** Where orchestrators reach the API; where it listens when absent. */
  readonly advertise?: { readonly host: string; readonly port?: number };
  /** Worker threads; by the number of cores when absent. */
  readonly workers?: number;
  readonly settleMs: number;
  readonly rescanMs: number;
  readonly logLevel: LogLevel;
  /** The best that loads when absent. */
  readonly blake3?: 'native' | 'wasm';
  readonly pools: readonly PoolSetting[];
  readonly poolManager?: PoolManagerSetting;
  /** Found out when absent. */
  readonly gpus?: readonly GpuSetting[];
  /** Things that are probably mistakes, for the log. */
  readonly warnings: readonly string[];
}

export interface OrchestratorSetting {
  /** Ends with a slash. */
  readonly url: string;
  /** Read again for each request, so that a rotated token is picked up; wins over `token`. */
  readonly tokenFile?: string;
  readonly token?: string;
}

export interface PoolSetting {
  readonly id: string;
  readonly engine?: string;
  readonly slots: number;
  readonly vramBytes: number;
}

export interface PoolManagerSetting {
  /** Ends with a slash. */
  readonly url: string;
  /** Relative to the URL: what lists all pools; without it each configured pool is asked for. */
  readonly statusPath?: string;
  readonly tokenFile?: string;
}

export interface GpuSetting {
  readonly name: string;
  readonly vramBytes: number;
  readonly computeCapability?: string;
}
