import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcess, type OwnedProcess, spawnOwned } from './child-process.ts';
import { freePort } from './free-port.ts';
import { firstMissing, insist, missingCommand, skipWithout } from './needs.ts';
import { eventually } from './wait.ts';

const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find((path) => existsSync(path));

const missing = firstMissing(
  () => (NGINX === undefined ? 'nginx is missing: apt-get install nginx-light' : false),
  () => missingCommand('openssl', 'openssl'),
  () => missingCommand('ps', 'procps'),
);
/** `test(name, { skip: needsNginx }, …)` */
export const needsNginx = skipWithout(missing);

/** A real nginx over a directory. */
export class Nginx implements AsyncDisposable {
  readonly url: string;
  /** With a certificate of its own that nobody knows; empty unless asked for. */
  readonly tlsUrl: string;
  readonly #accessLog: string;
  readonly #owned: OwnedProcess;

  private constructor(urls: { url: string; tlsUrl: string }, accessLog: string, owned: OwnedProcess) {
    this.url = urls.url;
    this.tlsUrl = urls.tlsUrl;
    this.#accessLog = accessLog;
    this.#owned = owned;
  }

  /** `home` is a directory of its own for configuration and logs. `bytesPerSecond` limits each connection. */
  static async start(options: {
    root: string;
    home: string;
    tls?: boolean;
    bytesPerSecond?: number;
    port?: number;
  }): Promise<Nginx> {
    const { root, home, tls = false, bytesPerSecond = 0 } = options;
    insist(missing);
    await mkdir(home, { recursive: true });
    const port = options.port ?? (await freePort());
    const tlsPort = tls ? await freePort() : 0;
    if (tls) makeCertificate(home);
    const file = (name: string): string => join(home, name);
    await writeFile(
      file('nginx.conf'),
      `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${file('pid')};
       error_log ${file('error.log')}; events {}
       http {
         log_format counted '$status $body_bytes_sent $request_method $uri'; access_log ${file('access.log')} counted;
         client_body_temp_path ${file('tmp')}; proxy_temp_path ${file('tmp')}; fastcgi_temp_path ${file('tmp')};
         uwsgi_temp_path ${file('tmp')}; scgi_temp_path ${file('tmp')};
         sendfile on; default_type application/octet-stream; root ${root}; limit_rate ${bytesPerSecond};
         server { listen 127.0.0.1:${port}; }
         ${tls ? `server { listen 127.0.0.1:${tlsPort} ssl; ssl_protocols TLSv1.3; ssl_certificate ${file('cert.pem')}; ssl_certificate_key ${file('key.pem')}; }` : ''}
       }\n`,
    );
    const owned = spawnOwned([NGINX ?? 'nginx', '-e', file('error.log'), '-c', file('nginx.conf')], {
      stdio: 'ignore',
    });
    const urls = { url: `http://127.0.0.1:${port}/`, tlsUrl: tls ? `https://127.0.0.1:${tlsPort}/` : '' };
    const nginx = new Nginx(urls, file('access.log'), owned);
    try {
      await eventually('nginx answers', async () => {
        if (!owned.isRunning()) throw new Error(await readFile(file('error.log'), 'utf8'));
        return (await fetch(urls.url)).status > 0;
      });
    } catch (error) {
      await nginx[Symbol.asyncDispose]();
      throw error;
    }
    return nginx;
  }

  /** Body bytes sent so far, of all paths or those that match. An answer counts when it has ended. */
  async bytesSent(path?: RegExp): Promise<number> {
    let sum = 0;
    for (const line of (await readFile(this.#accessLog, 'utf8')).split('\n')) {
      const [, bytes, , uri = ''] = line.split(' ');
      if (path?.test(uri) ?? true) sum += Number(bytes ?? 0);
    }
    return sum;
  }

  /** SIGSTOP to the worker too: accepted connections stay open and silent. */
  pause(): void {
    this.#signalAll('SIGSTOP');
  }

  resume(): void {
    this.#signalAll('SIGCONT');
  }

  #signalAll(signal: NodeJS.Signals): void {
    const workers = execFileSync('ps', ['-o', 'pid=', '--ppid', String(this.#owned.pid)], { encoding: 'utf8' });
    for (const pid of [this.#owned.pid, ...workers.trim().split(/\s+/).map(Number)]) process.kill(pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#owned.isRunning()) this.resume();
    await endProcess(this.#owned, 3_000).catch(() => undefined);
  }
}

function makeCertificate(home: string): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', join(home, 'key.pem'), '-out', join(home, 'cert.pem')];
  execFileSync('openssl', ['req', '-x509', ...curve, ...files, '-days', '2', '-subj', '/CN=localhost'], {
    stdio: 'ignore',
  });
}
