import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { environmentName, type Setting, settings } from '../../src/config/settings.ts';
import { parseDuration, parseOrigin, parseRate, parseSize } from '../../src/config/values.ts';
import { type DaemonFlags, loadDaemonConfig } from '../../src/config.ts';
import { ShoalError } from '../../src/util/errors.ts';

let dir = '';
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shoal-config-'));
});
after(() => rm(dir, { recursive: true }));

async function fileWith(yaml: string): Promise<string> {
  const path = join(dir, 'shoal.yaml');
  await writeFile(path, yaml);
  return path;
}

async function refusal(flags: DaemonFlags, environment = {}): Promise<string> {
  try {
    await loadDaemonConfig(flags, environment);
  } catch (error) {
    assert.ok(error instanceof ShoalError && error.code === 'invalid', String(error));
    assert.ok(error.remedy !== undefined && error.remedy !== '', `${error.message} names no remedy`);
    return `${error.message} | ${error.remedy}`;
  }
  return assert.fail('it was accepted');
}

test('without anything there are defaults for everything', async () => {
  const config = await loadDaemonConfig({}, {});
  assert.deepEqual(config.api, { host: '127.0.0.1', port: 7420 });
  assert.deepEqual(config.listen, { host: '0.0.0.0', port: 7421 });
  assert.deepEqual(config.lane, { host: '0.0.0.0', port: 7422 });
  assert.equal(config.fleetKeyFile, join(config.dataDir, 'fleet.key'));
  assert.ok(config.modelsDir.startsWith(homedir()));
  assert.equal(config.mdns, true);
  assert.equal(config.cacheMaxBytes, undefined);
  assert.deepEqual(config.warnings, []);
});

test('flags win over the environment, the environment over the file', async () => {
  const config = await fileWith('name: from-file\ncache-max: 1GB\nup-limit: 1MB\ndown-limit: 5\n');
  const resolved = await loadDaemonConfig(
    { config, name: 'from-flag' },
    { SHOAL_NAME: 'from-env', SHOAL_CACHE_MAX: '2GB' },
  );
  assert.equal(resolved.name, 'from-flag');
  assert.equal(resolved.cacheMaxBytes, 2e9);
  assert.equal(resolved.upLimit, 1e6);
  assert.equal(resolved.downLimit, 5);
});

test('the file can be named by SHOAL_CONFIG, and its relative paths are relative to it', async () => {
  const config = await fileWith('models: models\ndata: ~/shoal-state\n');
  const resolved = await loadDaemonConfig({}, { SHOAL_CONFIG: config });
  assert.equal(resolved.modelsDir, join(dir, 'models'));
  assert.equal(resolved.dataDir, join(homedir(), 'shoal-state'));
});

/** A value that every setting takes, as text. */
const samples: Readonly<Record<string, string>> = {
  name: 'gpu-1',
  models: '/srv/models',
  data: '/var/lib/shoal',
  api: '127.0.0.1:1',
  listen: '10.0.0.1:2',
  lane: '10.0.0.1:3',
  'lane-encryption': 'off',
  'fleet-key': '/etc/key',
  bootstrap: '/ip4/10.0.0.2/tcp/7421',
  mdns: 'false',
  origin: 'http://nas/models/',
  orchestrator: 'http://10.0.0.5:8080/',
  'cache-max': '500GB',
  'up-limit': '1MB',
  'down-limit': '2MB',
  'origin-limit': '3MB',
  'orchestrator-token-file': '/etc/token',
  advertise: 'gpu-1:7420',
  workers: '2',
  settle: '1s',
  rescan: '5m',
  'log-level': 'debug',
  blake3: 'wasm',
  'pool-manager': 'http://127.0.0.1:9200',
  gpus: '[{"name": "RTX 3090", "vram": "24GiB", "compute-capability": "8.6"}]',
  pools: '[{"id": "gpu0", "engine": "comfyui", "slots": 2, "vram": "24GB"}]',
};

test('every setting means the same as a flag, as a variable and in the file', async () => {
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, 'secret-token\n');
  for (const setting of settings as readonly Setting[]) {
    const value = setting.key === 'token-file' ? tokenFile : samples[setting.key];
    assert.ok(value !== undefined, `no sample for ${setting.key}`);
    const others = { SHOAL_ORCHESTRATOR: 'http://other/' };
    const environment = { ...(setting.key === 'orchestrator' ? {} : others), [environmentName(setting.key)]: value };
    const byVariable = await loadDaemonConfig({}, environment);
    const byFile = await loadDaemonConfig(
      { config: await fileWith(`${setting.key}: ${value}\n`) },
      setting.key === 'orchestrator' ? {} : others,
    );
    assert.deepEqual(byFile, byVariable, setting.key);
    const nothing = await loadDaemonConfig({}, setting.key === 'orchestrator' ? {} : others);
    assert.notDeepEqual(byVariable, nothing, `${setting.key} changes nothing`);
    if (setting.shape === 'structure') continue;
    const flag = setting.shape === 'switch' ? false : setting.shape === 'many' ? [value] : value;
    const byFlag = await loadDaemonConfig({ [setting.key]: flag }, setting.key === 'orchestrator' ? {} : others);
    assert.deepEqual(byFlag, byVariable, setting.key);
  }
});

test('mDNS can be turned off by either name, and the stronger place wins', async () => {
  assert.equal((await loadDaemonConfig({}, { SHOAL_NO_MDNS: '1' })).mdns, false);
  assert.equal((await loadDaemonConfig({ config: await fileWith('no-mdns: true') }, {})).mdns, false);
  const off = await fileWith('mdns: false');
  assert.equal((await loadDaemonConfig({ config: off }, { SHOAL_NO_MDNS: 'false' })).mdns, true);
  assert.equal((await loadDaemonConfig({ mdns: false }, { SHOAL_MDNS: 'true' })).mdns, false);
});

test('the lane can be off, by a flag and in the file, where YAML might take the word for a boolean', async () => {
  assert.equal((await loadDaemonConfig({ lane: 'off' }, {})).lane, 'off');
  assert.equal((await loadDaemonConfig({ config: await fileWith('lane: off') }, {})).lane, 'off');
  assert.equal((await loadDaemonConfig({}, {})).laneEncryption, true);
});

test('lists stand in one variable, separated by commas or white space', async () => {
  const { origins } = await loadDaemonConfig({}, { SHOAL_ORIGIN: 'file:///mnt/a, http://nas/models\n/mnt/b' });
  assert.deepEqual(origins, ['file:///mnt/a', 'http://nas/models/', 'file:///mnt/b']);
});

test('a pool manager has a status path and a token file of its own; a wrong one is named', async () => {
  const given = await fileWith('pool-manager: {url: "http://pm:9200/base", status: /pools, token-file: pm.token}');
  const { poolManager } = await loadDaemonConfig({ config: given }, {});
  assert.deepEqual(poolManager, {
    url: 'http://pm:9200/base/',
    statusPath: 'pools',
    tokenFile: join(dir, 'pm.token'),
  });
  const wrong: [string, RegExp][] = [
    ['pool-manager: {url: "ftp://pm"}', /pool-manager in .*is not the URL of a pool manager/],
    ['pool-manager: {url: "http://me:secret@pm"}', /credentials/],
    ['pool-manager: {adress: "http://pm"}', /pool-manager is/],
    ['gpus: [{vram: 24GB}]', /gpus is/],
  ];
  for (const [text, message] of wrong) {
    await assert.rejects(loadDaemonConfig({ config: await fileWith(text) }, {}), (error: Error) => {
      assert.match(error.message, message);
      assert.ok(!error.message.includes('secret'));
      return true;
    });
  }
});

test('orchestrators take their token from their own file, the common file or the environment', async () => {
  const config = await fileWith(
    'orchestrator:\n  - http://a:8080/v2\n  - {url: "http://b:8080", token-file: b.token}\norchestrator-token-file: /c\n',
  );
  const { orchestrators } = await loadDaemonConfig({ config }, { LLORCH_API_TOKEN: 'from-env' });
  assert.deepEqual(orchestrators, [
    { url: 'http://a:8080/', tokenFile: '/c', token: 'from-env' },
    { url: 'http://b:8080/', tokenFile: join(dir, 'b.token'), token: 'from-env' },
  ]);
});

test('what is wrong is said with the setting, its value and the remedy', async () => {
  assert.match(await refusal({ 'cache-max': '5 bananas' }), /^--cache-max: "5 bananas" is not a size \| Write sizes/);
  assert.match(await refusal({}, { SHOAL_UP_LIMIT: '0' }), /^SHOAL_UP_LIMIT: "0" would let nothing pass/);
  assert.match(await refusal({ config: await fileWith('api: 1.2.3.4:99999') }), /api in .*shoal.yaml: "1.2.3.4:99999"/);
  assert.match(await refusal({ origin: ['smb://nas/models'] }), /--origin: "smb:\/\/nas\/models".*file:\/\/\//);
  assert.match(await refusal({ origin: ['file://nas/models'] }), /names the machine "nas"/);
  assert.match(await refusal({ bootstrap: ['10.0.0.2:7421'] }), /--bootstrap: .*\/ip4\//);
  assert.match(await refusal({ name: 'a b' }), /--name: "a b" is not a node name/);
  assert.match(await refusal({ 'log-level': 'loud' }), /Choose from trace, debug/);
  assert.match(await refusal({}, { SHOAL_POOLS: '[{"slots": 1}]' }), /SHOAL_POOLS: .* is not a pool/);
  assert.match(await refusal({ data: '/srv/models/state', models: '/srv/models' }), /lies in the models directory/);
  assert.match(await refusal({ 'token-file': '/nowhere/token' }), /cannot read \/nowhere\/token \(ENOENT\)/);
  assert.match(await refusal({ config: '/nowhere.yaml' }), /cannot read the settings in \/nowhere.yaml \(ENOENT\)/);
});

test('credentials of an orchestrator are refused without being repeated', async () => {
  const text = await refusal({ orchestrator: ['http://user:hunter2@host/'] });
  assert.match(text, /credentials/);
  assert.doesNotMatch(text, /hunter2/);
});

test('unknown keys of the file are refused with what was meant', async () => {
  for (const [key, meant] of [
    ['cache_max', 'cache-max'],
    ['cacheMax', 'cache-max'],
    ['modles', 'models'],
    ['origins', 'origin'],
    ['orchestrators', 'orchestrator'],
    ['fleetkey', 'fleet-key'],
  ] as const) {
    assert.match(
      await refusal({ config: await fileWith(`${key}: 1`) }),
      new RegExp(`"${key}".*Did you mean "${meant}"`),
    );
  }
  assert.match(await refusal({ config: await fileWith('colour: red') }), /"colour" is no setting.*daemon --help/);
});

test('files that are no settings are refused', async () => {
  assert.match(await refusal({ config: await fileWith('a: [') }), /is not YAML/);
  assert.match(await refusal({ config: await fileWith('- a\n- b') }), /is not a list of "key: value" lines/);
  assert.match(await refusal({ config: await fileWith('mdns: maybe') }), /mdns is "maybe" \| Write true or false/);
  assert.match(await refusal({ config: await fileWith('name: {a: 1}') }), /name is \{"a":1\}/);
  assert.match(await refusal({ config: await fileWith('name: a\nname: b') }), /is not YAML: Map keys must be unique/);
  const bomb = `a: &a [x]\n${Array.from({ length: 20 }, (_, n) => `b${n}: &b${n} [${'*a,'.repeat(9)}*a]`).join('\n')}`;
  await refusal({ config: await fileWith(bomb) });
  assert.equal((await loadDaemonConfig({ config: await fileWith('# nothing yet\nname:\n') }, {})).mdns, true);
});

test('beyond loopback the API needs a token', async () => {
  assert.match(await refusal({ api: '0.0.0.0:7420' }), /open to others, and there is no token/);
  assert.match(await refusal({ api: 'gpu-1:7420' }), /there is no token/);
  assert.equal((await loadDaemonConfig({ api: '0.0.0.0:7420' }, { SHOAL_TOKEN: 'x' })).apiToken, 'x');
  for (const api of ['localhost:0', '[::1]:0', '127.9.9.9:0', 'http://127.0.0.1:7420', '7420']) {
    await loadDaemonConfig({ api }, {});
  }
  assert.match(await refusal({}, { SHOAL_TOKEN: 'two words' }), /SHOAL_TOKEN: holds no usable token/);
});

test('variables with a slip of the pen are told, those of Kubernetes are not', async () => {
  const environment = {
    SHOAL_MODLES: '/x',
    SHOAL_SERVICE_HOST: '10.0.0.1',
    SHOAL_PORT_7420_TCP: 'x',
    SHOAL_CONFIGS: '',
  };
  const { warnings } = await loadDaemonConfig({}, environment);
  assert.deepEqual(warnings, [
    'SHOAL_MODLES is no setting: did you mean SHOAL_MODELS?',
    'SHOAL_CONFIGS is no setting: did you mean SHOAL_CONFIG?',
  ]);
});

const UNITS: readonly (readonly [string, number])[] = [
  ['', 1],
  ['B', 1],
  ['KB', 1e3],
  ['k', 1e3],
  ['KiB', 1024],
  ['MB', 1e6],
  ['MiB', 1024 ** 2],
  ['G', 1e9],
  ['GiB', 1024 ** 3],
  ['tb', 1e12],
  ['TiB', 1024 ** 4],
];

test('a size is its number times its unit', () => {
  fc.assert(
    fc.property(fc.nat({ max: 8_000 }), fc.constantFrom(...UNITS), fc.constantFrom('', ' '), (count, unit, gap) => {
      assert.equal(parseSize(`${count}${gap}${unit[0]}`), count * unit[1]);
      if (count > 0) assert.equal(parseRate(`${count}${gap}${unit[0]}/s`), count * unit[1]);
    }),
  );
});

test('any text is a size, a rate, a duration and an origin, or refused with a remedy', () => {
  const parsers = [parseSize, parseRate, parseDuration, parseOrigin];
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,30}[a-zA-Z/]{0,5}$/)), (text) => {
      for (const parse of parsers) {
        try {
          const value = parse(text);
          if (typeof value === 'number')
            assert.ok(Number.isSafeInteger(value) && value >= 0, `${parse.name}: ${value}`);
        } catch (error) {
          assert.ok(
            error instanceof ShoalError && error.code === 'invalid' && error.remedy !== undefined,
            String(error),
          );
        }
      }
    }),
    { numRuns: 1_000 },
  );
});
